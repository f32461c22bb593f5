import numpy as np
import pytest

import relaxed


def test_protocol(rng):
    data, edges = rng.normal(size=100), np.array([-1.0, 0.0, 2.0])
    counts = relaxed.hist(data, edges, bandwidth=0.1)
    variances = relaxed.hist_variance(data, edges, bandwidth=0.1)
    plottable = relaxed.Plottable(counts, edges, variances)
    assert plottable.kind == "COUNT"
    assert list(plottable.axes[0]) == [(-1.0, 0.0), (0.0, 2.0)]
    np.testing.assert_array_equal(plottable.values(), counts)
    np.testing.assert_array_equal(plottable.variances(), variances)
    np.testing.assert_allclose(plottable.counts(), counts**2 / variances)


def test_uhi_takes_it(rng):
    uhi = pytest.importorskip("uhi.typing.plottable", reason="uhi is not installed")
    edges = [np.linspace(0, 1, 4), np.linspace(0, 2, 3)]
    counts = relaxed.hard_hist(rng.uniform(size=(50, 2)), edges)
    assert isinstance(relaxed.Plottable(counts, edges), uhi.PlottableHistogram)


def test_edges_of_boost_histogram(rng):
    bh = pytest.importorskip("boost_histogram", reason="boost-histogram is absent")
    data = rng.normal(size=(200, 2))
    axes = bh.axis.Regular(4, -1, 1), bh.axis.Variable([-1.0, 0.5, 2.0])
    filled = bh.Histogram(*axes).fill(*data.T)
    for edges in (filled.axes, axes):
        counts = relaxed.hist(data, edges, bandwidth=1e-9)
        np.testing.assert_array_equal(counts, filled.values())
    one = relaxed.hist(data[:, 0], axes[0], bandwidth=1e-9)
    np.testing.assert_array_equal(one, bh.Histogram(axes[0]).fill(data[:, 0]).values())


def test_errors():
    with pytest.raises(ValueError, match=r"values=.*\(2,\).*\(3,\)"):
        relaxed.Plottable(np.zeros(3), np.array([0.0, 1.0, 2.0]))
