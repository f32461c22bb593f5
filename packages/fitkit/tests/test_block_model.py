"""A model in pieces of few bins is the model in one piece."""

import jax
import numpy as np
import pytest

import fitkit
from fitkit import (
    BlockModel,
    Channel,
    HistoSys,
    Lumi,
    Model,
    NormFactor,
    NormSys,
    ParameterSettings,
    Sample,
    ShapeFactor,
    ShapeSys,
    StatError,
)

# The same sums in another order: a few units of the last place, which a fit carries
# along; where it ends differs by less than 1e-8 widths.
SAME = {"rtol": 1e-11, "atol": 1e-11}
CLOSE = {"rtol": 1e-8, "atol": 1e-8}
WAYS = ("parameters", "profiled")


def specification():
    """Three channels; systematics that act everywhere, in one, in some bins of one."""
    rng = np.random.default_rng(5)
    channels = []
    for c, bins in enumerate((7, 5, 4)):
        background, signal = rng.uniform(20, 60, bins), rng.uniform(2, 12, bins)
        few = background.copy()
        few[2:4] *= 1.1
        channels.append(
            Channel(
                f"SR{c}",
                [
                    Sample(
                        "signal",
                        signal,
                        (
                            NormFactor("mu"),
                            Lumi("lumi", 0.02),
                            NormSys("theory", 0.9, 1.2),
                            StatError("mc", 0.1 * signal),
                        ),
                    ),
                    Sample(
                        "background",
                        background,
                        (
                            Lumi("lumi", 0.02),
                            HistoSys("scale", background * 0.97, background * 1.04),
                            HistoSys(f"few{c}", 2 * background - few, few),
                            StatError("mc", 0.08 * background),
                        ),
                    ),
                    Sample("free", np.full(bins, 3.0), (NormFactor(f"k{c}"),)),
                ],
            )
        )
    return channels


SETTINGS = {
    "mu": ParameterSettings(init=0.8, bounds=(0.0, 20.0)),
    "mc": ParameterSettings(bounds=(np.full(16, 1e-6), np.linspace(3, 5, 16))),
    "k1": ParameterSettings(fixed=True),
}


def counts_of(channels):
    rng = np.random.default_rng(6)
    return {
        channel.name: 1.0
        * rng.poisson(sum(sample.yields for sample in channel.samples) * 1.05)
        for channel in channels
    }


@pytest.fixture(params=[(way, bins) for way in WAYS for bins in (2, 3, 100)])
def both(request):
    """The model in one piece, that in pieces, and data."""
    way, bins = request.param
    channels = specification()
    options = {"settings": SETTINGS, "mc_statistics": way}
    whole, pieces = (
        Model(channels, **options),
        BlockModel(channels, bins=bins, **options),
    )
    assert len(pieces.parts) == sum(-(-channel.bins // bins) for channel in channels)
    return whole, pieces, whole.data(counts_of(channels))


def by_name(vector, of, wanted):
    """A flat vector in the order of another model."""
    places = of.parameter_shapes.places
    return np.concatenate([vector[places[name]] for name in wanted.parameter_names])


def test_both_have_the_same_parameters_and_data(both):
    whole, pieces, data = both
    assert set(pieces.parameter_names) == set(whole.parameter_names)
    assert pieces.parameter_shapes == dict(whole.parameter_shapes)
    assert set(pieces.profiled_names) == set(whole.profiled_names)
    of_whole, of_pieces = whole.parameters, pieces.parameters
    for name, parameter in of_whole.items():
        jax.tree.map(np.testing.assert_array_equal, of_pieces[name], parameter)
    jax.tree.map(np.testing.assert_array_equal, pieces.data(data.main), data)
    params = {**whole.init, "mu": 1.7, "scale": 0.6, "few1": -1.2, "theory": 0.3}
    for of in (whole.expected_data, whole.expected_yields):
        wanted, got = of(params), getattr(pieces, of.__name__)(params)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **SAME), got, wanted)


def test_value_gradient_and_hessian_are_the_same(both):
    whole, pieces, data = both
    params = {**whole.init, "mu": 1.7, "scale": 0.6, "few1": -1.2, "theory": 0.3}
    np.testing.assert_allclose(
        pieces.logpdf(params, data), whole.logpdf(params, data), **SAME
    )
    one, other = (
        model.negative_log_likelihood(data).derivatives(model.ravel(params))
        for model in (whole, pieces)
    )
    np.testing.assert_allclose(other.value, one.value, **SAME)
    np.testing.assert_allclose(
        by_name(other.gradient, pieces, whole), one.gradient, rtol=1e-9, atol=1e-9
    )
    likelihood = pieces.negative_log_likelihood(data)
    np.testing.assert_allclose(
        likelihood.gradient(pieces.ravel(params)), other.gradient, rtol=1e-9, atol=1e-9
    )
    for kind in ("hessian", "convex"):
        table = getattr(other, kind).dense()
        rows = by_name(table, pieces, whole)
        both_ways = by_name(rows.T, pieces, whole)
        np.testing.assert_allclose(
            both_ways, getattr(one, kind).dense(), rtol=1e-9, atol=1e-9
        )


def test_fits_tests_and_covariances_are_the_same(both):
    whole, pieces, data = both
    wanted, got = fitkit.fit(whole, data), fitkit.fit(pieces, data)
    np.testing.assert_allclose(got.twice_nll, wanted.twice_nll, rtol=1e-11)
    for name, value in wanted.params.items():
        np.testing.assert_allclose(got.params[name], value, **CLOSE)
    errors = [
        fitkit.uncertainties(model, wanted.params, data) for model in (whole, pieces)
    ]
    for name, value in errors[0].items():
        np.testing.assert_allclose(errors[1][name], value, **CLOSE)
    tests = [fitkit.hypotest(model, data, 3.0) for model in (whole, pieces)]
    np.testing.assert_allclose(
        tests[1].log_cls_expected, tests[0].log_cls_expected, **CLOSE
    )
    np.testing.assert_allclose(tests[1].statistic, tests[0].statistic, **CLOSE)
    factors = [m.profiled_factors(wanted.params, data) for m in (whole, pieces)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **CLOSE), *factors)
    asimov = [fitkit.asimov_data(model, 1.0, data) for model in (whole, pieces)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **CLOSE), *asimov)


def test_yields_and_their_uncertainties_are_the_same(both):
    whole, pieces, data = both
    for observed in (None, data):
        wanted, got = (
            fitkit.predicted_yields(model, observed) for model in (whole, pieces)
        )
        for field in ("total", "error", "channel_total", "channel_error", "samples"):
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, **CLOSE),
                getattr(got, field),
                getattr(wanted, field),
            )
        assert list(got.total) == ["SR0", "SR1", "SR2"]


def test_yields_that_are_not_determined_are_told():
    """Of a signal of which a masked channel alone knows, as of `Model`."""
    channels = [
        Channel("A", [Sample("a", np.full(4, 9.0), (NormFactor("mu"),))]),
        Channel("B", [Sample("b", np.full(4, 30.0), (NormFactor("k"),))]),
    ]
    whole, pieces = Model(channels), BlockModel(channels, bins=3)
    data = whole.data({"A": np.full(4, 10.0), "B": np.full(4, 33.0)})
    wanted, got = (
        fitkit.predicted_yields(model.with_masked("A"), data)
        for model in (whole, pieces)
    )
    assert np.isnan(got.error["A"]).all()
    assert np.isnan(float(got.channel_error["A"]))
    np.testing.assert_allclose(got.error["B"], wanted.error["B"], **CLOSE)


def test_groups_by_kind(both):
    whole, pieces, _ = both
    for members in ((NormSys, HistoSys), ("few*", StatError), (NormFactor,)):
        group = fitkit.parameter_group(pieces, *members)
        assert set(group) == set(fitkit.parameter_group(whole, *members))
    with pytest.raises(ValueError, match="ShapeFactor"):
        fitkit.parameter_group(pieces, ShapeFactor)


def test_pieces_are_not_written(both, tmp_path):
    _, pieces, data = both
    for write in (fitkit.write_workspace, fitkit.write_hs3):
        with pytest.raises(TypeError, match=r"Build `Model\(channels"):
            write(tmp_path / "document.json", pieces, data)


def test_settings_of_a_fit_hold(both):
    whole, pieces, data = both
    for change in (
        lambda m: m.with_fixed("few*", mu=1.3),
        lambda m: m.with_bounds(scale=(0.5, 2.0)),
    ):
        wanted, got = fitkit.fit(change(whole), data), fitkit.fit(change(pieces), data)
        np.testing.assert_allclose(got.twice_nll, wanted.twice_nll, rtol=1e-10)


def test_masked_channels_need_no_data(both):
    whole, pieces, data = (*(m.with_masked("SR1") for m in both[:2]), both[2])
    assert pieces.masked_channels == ("SR1",)
    seen = {name: counts for name, counts in data.main.items() if name != "SR1"}
    wanted = fitkit.fit(whole, whole.data(seen))
    got = fitkit.fit(pieces, pieces.data(seen))
    np.testing.assert_allclose(got.twice_nll, wanted.twice_nll, rtol=1e-10)
    with pytest.raises(ValueError, match="'SR9'"):
        both[1].with_masked("SR9")


def test_pseudo_experiments_fluctuate_as_they_should(both):
    whole, pieces, _ = both
    params = {**whole.init, "mu": 2.0}
    rng = np.random.default_rng(8)
    draws = [pieces.sample(rng, params) for _ in range(300)]
    expected = whole.expected_data(params)
    for name, rates in expected.main.items():
        counts = np.array([draw.main[name] for draw in draws])
        # Means of 300 to five standard deviations.
        assert np.all(np.abs(counts.mean(axis=0) - rates) < 5 * np.sqrt(rates / 300))
        assert np.all(counts.var(axis=0) > 0.4 * rates)
    measured = np.array([draw.aux["theory"] for draw in draws])
    assert abs(measured.mean()) < 5 / np.sqrt(300)
    assert 0.7 < measured.std() < 1.3
    factors = np.array([draw.aux["mc"] for draw in draws])
    assert factors.shape == (300, 16)
    assert np.all(np.abs(factors.mean(axis=0) - 1) < 5 * 0.1 / np.sqrt(300))


def test_a_systematic_costs_the_bins_that_it_changes():
    _, pieces = None, BlockModel(specification(), bins=2)
    of = [part.parameter_names for part in pieces.parts]
    # Of seven bins in pieces of two: `few0` changes bins 2 and 3, and the first piece
    # keeps it so that it is a parameter in any case.
    assert ["few0" in names for names in of[:4]] == [True, True, False, False]
    assert all("scale" in names for names in of)
    tables = sum(part.arrays.histosys_lo.size for part in pieces.parts)
    whole = Model(specification()).arrays.histosys_lo.size
    assert tables < 0.6 * whole


def test_shapes_and_modifiers_of_one_bin_are_cut_too():
    sample = Sample(
        "a", np.full(5, 30.0), (ShapeFactor("shape"), ShapeSys("own", np.full(5, 3.0)))
    )
    channels = [
        Channel("A", [Sample("signal", np.arange(5.0), (NormFactor("mu"),)), sample]),
        # The same shape again.
        Channel("B", [Sample("a", np.full(5, 90.0), (ShapeFactor("shape"),))]),
    ]
    counts = {"A": np.arange(28.0, 38.0, 2.0), "B": np.arange(88.0, 93.0)}
    for way in WAYS:
        whole, pieces = (
            Model(channels, mc_statistics=way),
            BlockModel(channels, mc_statistics=way, bins=2),
        )
        data = whole.data(counts)
        wanted, got = fitkit.fit(whole, data), fitkit.fit(pieces, data)
        np.testing.assert_allclose(got.twice_nll, wanted.twice_nll, rtol=1e-11)
        np.testing.assert_allclose(got.params["shape"], wanted.params["shape"], **CLOSE)


def test_compiled_fits_are_the_same():
    whole, pieces = Model(specification()), BlockModel(specification(), bins=4)
    data = whole.data(counts_of(specification()))
    with jax.enable_x64(True):
        value = jax.jit(
            lambda data: (
                pieces.negative_log_likelihood(data)
                .derivatives(pieces.ravel(pieces.init))
                .gradient
            )
        )(data)
    wanted = pieces.negative_log_likelihood(data).gradient(pieces.ravel(pieces.init))
    np.testing.assert_allclose(value, wanted, rtol=1e-9, atol=1e-9)


def test_errors_say_what_is_wrong():
    channels = specification()
    with pytest.raises(ValueError, match="'nothing'"):
        BlockModel(channels, settings={"nothing": ParameterSettings(init=1.0)})
    with pytest.raises(ValueError, match="'nu' is no parameter"):
        BlockModel(channels, poi="nu")
    model = BlockModel(channels)
    with pytest.raises(ValueError, match="'SR2' is in one of them only"):
        model.data({"SR0": np.ones(7), "SR1": np.ones(5)})
    with pytest.raises(ValueError, match=r"'SR1'.*shape \(4,\).*5 bins"):
        model.data({"SR0": np.ones(7), "SR1": np.ones(4), "SR2": np.ones(4)})
    bad = [Channel("A", [Sample("a", np.ones(5), (StatError("mc", -np.ones(5)),))])]
    with pytest.raises(ValueError, match=r"'A\[0:2\]'.*'a'.*'mc'"):
        BlockModel(bad, poi=None, bins=2)
