"""Histograms of other packages as yields of samples."""

import numpy as np
import pytest

import fitkit
from fitkit import Channel, HistoSys, Model, NormFactor, Sample, ShapeSys, StatError

hist = pytest.importorskip("hist")


def filled(values, weights, storage=None):
    h = hist.Hist(hist.axis.Regular(2, 0, 2), storage=storage or hist.storage.Weight())
    return h.fill(values, weight=weights)


VALUES = np.array([0.5, 0.5, 1.5, 5.0])  # the last one overflows
WEIGHTS = np.array([2.0, 3.0, 4.0, 7.0])


def same(one, other):
    data = one.data({"SR": [7.0, 5.0]})
    params = {name: 0.9 * value for name, value in one.init.items()}
    assert float(one.logpdf(params, data)) == float(other.logpdf(params, data))


def test_weighted_histogram():
    h = filled(VALUES, WEIGHTS)
    from_histogram = Sample("b", h, [StatError("mc"), NormFactor("mu")])
    assert from_histogram.yields.tolist() == [5.0, 4.0]
    # Squares of weights add up in each bin.
    assert from_histogram.modifiers[0].uncertainty.tolist() == [13**0.5, 4.0]
    by_hand = Sample(
        "b", [5.0, 4.0], [StatError("mc", [13**0.5, 4.0]), NormFactor("mu")]
    )
    same(Model([Channel("SR", [by_hand])]), Model([Channel("SR", [from_histogram])]))


def test_poisson_constraint_is_kept():
    h = filled(VALUES, WEIGHTS)
    (modifier,) = Sample("b", h, [StatError("mc", constraint=fitkit.Poisson)]).modifiers
    assert modifier.constraint is fitkit.Poisson


def test_counts_and_boost_histogram():
    bh = pytest.importorskip("boost_histogram")
    h = bh.Histogram(bh.axis.Regular(2, 0, 2), storage=bh.storage.Int64())
    sample = Sample("b", h.fill(VALUES), [StatError("mc")])
    assert sample.yields.tolist() == [2.0, 1.0]
    assert sample.modifiers[0].uncertainty.tolist() == [2**0.5, 1.0]


def test_histograms_of_several_axes():
    h = hist.Hist(hist.axis.Regular(2, 0, 2), hist.axis.Regular(3, 0, 3))
    h.fill([0.5, 1.5, 1.5], [0.5, 2.5, 2.5])
    assert Sample("b", h).yields.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 2.0]


def test_variations_and_errors_too():
    nominal, up = filled(VALUES, WEIGHTS), filled(VALUES, 1.1 * WEIGHTS)
    relative = filled([0.5, 1.5], [0.5, 0.25])
    sample = Sample(
        "b", nominal, [HistoSys("jes", nominal, up), ShapeSys("s", relative)]
    )
    jes, shape = sample.modifiers
    assert jes.hi == pytest.approx([5.5, 4.4])
    assert shape.uncertainty.tolist() == [0.5, 0.25]


def test_histograms_of_uproot(tmp_path):
    uproot = pytest.importorskip("uproot")
    with uproot.recreate(tmp_path / "h.root") as file:
        file["h"] = filled(VALUES, WEIGHTS)
    with uproot.open(tmp_path / "h.root") as file:
        sample = Sample("b", file["h"], [StatError("mc")])
    assert sample.yields.tolist() == [5.0, 4.0]
    assert sample.modifiers[0].uncertainty == pytest.approx([13**0.5, 4.0])


def test_without_variances():
    unknown = filled(VALUES, WEIGHTS, hist.storage.Double())
    with pytest.raises(ValueError, match=r"'mc' of sample 'b'.*`Weight\(\)`"):
        Sample("b", unknown, [StatError("mc")])
    assert Sample("b", unknown).yields.tolist() == [5.0, 4.0]


def test_means_are_no_counts():
    profile = hist.Hist(hist.axis.Regular(2, 0, 2), storage=hist.storage.Mean())
    profile.fill([0.5, 1.5], sample=[1.0, 2.0])
    with pytest.raises(TypeError, match="sample 'b': the histogram holds means"):
        Sample("b", profile)


def test_error_without_a_histogram():
    message = "sample 'b', StatError 'mc', `uncertainty`: has none"
    with pytest.raises(ValueError, match=message):
        Sample("b", [5.0, 4.0], [StatError("mc")])


def test_nothing_is_imported():
    import subprocess
    import sys

    code = (
        "import fitkit, sys; fitkit.Sample('b', [1.0], [fitkit.StatError('m', [1.0])]);"
        "assert not {'hist', 'boost_histogram', 'uhi', 'uproot'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
