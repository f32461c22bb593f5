"""Several parameters of interest: joint tests, regions, contours, formats."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

import fitkit
from fitkit import Channel, Model, NormFactor, NormSys, Sample, StatError

# Two fits that end below an EDM of 1e-8 are within 1e-8 of each other in 2 NLL; the
# last Newton step leaves far less.
FITTED = 1e-7


def make(poi=("a", "b"), **options):
    """Two signals in two channels, both in each, over an uncertain background."""
    background = [NormSys("xs", 0.9, 1.15)]
    channels = [
        Channel(
            "A",
            [
                Sample("a", [12.0, 4.0], [NormFactor("a")]),
                Sample("b", [3.0, 2.0], [NormFactor("b")]),
                Sample("bkg", [40.0, 30.0], [*background, StatError("mc", [2.0, 3.0])]),
            ],
        ),
        Channel(
            "B",
            [
                Sample("a", [1.0], [NormFactor("a")]),
                Sample("b", [9.0], [NormFactor("b")]),
                Sample("bkg", [20.0], background),
            ],
        ),
    ]
    return Model(channels, poi=poi, **options)


@pytest.fixture(scope="module")
def model():
    return make()


@pytest.fixture(scope="module")
def data(model):
    return model.data({"A": [58.0, 33.0], "B": [27.0]})


# --- the model ------------------------------------------------------------------------
def test_names(model):
    assert model.poi == model.pois == ("a", "b")
    assert make(poi=["a"]).poi == "a"
    assert make(poi="a").pois == ("a",)
    assert make(poi=None).pois == make(poi=()).pois == ()
    assert model.with_poi("b").poi == "b"
    assert make(poi="a").with_poi(["b", "a"]).poi == ("b", "a")
    # Settings hold in both ways.
    assert model.with_fixed("xs").pois == ("a", "b")
    assert bool(model.with_fixed("xs").with_poi("a").parameters["xs"].fixed)


@pytest.mark.parametrize(
    ("poi", "message"),
    [
        (("a", "c"), "the parameter of interest 'c' is no parameter of the model"),
        (("a", "a"), "'a' is given twice"),
        (("a", "mc"), "'mc' must be a single number"),
    ],
)
def test_wrong_names(poi, message, model):
    with pytest.raises(ValueError, match=message):
        make(poi=poi)
    with pytest.raises(ValueError, match=message):
        model.with_poi(poi)


CALLS = {
    "hypotest": lambda model, data: fitkit.hypotest(model, data),
    "upper_limit": lambda model, data: fitkit.upper_limit(model, data),
    "discovery": lambda model, data: fitkit.discovery(model, data),
    "ranking": lambda model, data: fitkit.ranking(model, data),
    "fixed_poi_fit": lambda model, data: fitkit.fixed_poi_fit(model, data, 1.0),
}


@pytest.mark.parametrize("call", CALLS)
def test_calls_about_one(call, model, data):
    message = rf"`{call}` is about one .* 'a', 'b'.*`model\.with_poi\('a'\)`"
    with pytest.raises(ValueError, match=message):
        CALLS[call](model, data)
    CALLS[call](model.with_poi("b"), data)


# --- tests by formula -----------------------------------------------------------------
def by_scipy(model, data, fixed):
    """2 NLL minimised by scipy over all parameters but the fixed ones."""
    likelihood = model.negative_log_likelihood(data)
    names = list(model.parameter_names)
    y = np.array(model.ravel({**model.init, **fixed}))
    free = np.array(
        [i for i, n in enumerate(_entries(model)) if n not in fixed], dtype=int
    )

    def function(x):
        at = y.copy()
        at[free] = x
        return float(likelihood.value(at)), np.asarray(likelihood.gradient(at))[free]

    assert names[:2] == ["a", "b"]
    found = optimize.minimize(
        function, y[free], jac=True, method="BFGS", options={"gtol": 1e-9}
    )
    return 2 * found.fun


def _entries(model):
    from fitkit._model.parameters import entry_names

    return entry_names(model.parameter_shapes)


POINTS = [(1.0, 1.0), (0.0, 0.0), (0.4, 1.9), (2.5, -0.2)]


@pytest.mark.parametrize("point", POINTS)
def test_against_scipy(point, model, data):
    values = dict(zip("ab", point, strict=True))
    expected = by_scipy(model, data, values) - by_scipy(model, data, {})
    test = fitkit.joint_test(model, data, values)
    assert float(test.statistic) == pytest.approx(expected, abs=1e-6)
    # Of two degrees of freedom the tail is an exponential.
    assert float(test.p_value) == pytest.approx(np.exp(-expected / 2), rel=1e-6)
    assert f"a = {point[0]:g}, b = {point[1]:g}" in repr(test)


def test_one_parameter_has_one_degree_of_freedom(model, data):
    test = fitkit.joint_test(model, data, {"a": 0.3})
    expected = by_scipy(model, data, {"a": 0.3}) - by_scipy(model, data, {})
    assert float(test.statistic) == pytest.approx(expected, abs=1e-6)
    assert float(test.p_value) == pytest.approx(stats.chi2.sf(expected, 1), rel=1e-6)
    two_sided = fitkit.hypotest(model.with_poi("a"), data, 0.3, statistic=fitkit.TMu())
    assert float(test.statistic) == pytest.approx(float(two_sided.statistic), abs=1e-7)
    assert float(test.p_value) == pytest.approx(float(two_sided.cl_sb), rel=1e-6)


def test_three_parameters(model, data):
    values = {"a": 1.0, "b": 1.0, "xs": 0.5}
    test = fitkit.joint_test(model, data, values)
    expected = by_scipy(model, data, values) - by_scipy(model, data, {})
    assert float(test.statistic) == pytest.approx(expected, abs=1e-6)
    assert float(test.p_value) == pytest.approx(stats.chi2.sf(expected, 3), rel=1e-6)


def test_best_fit_is_in_every_region(model, data):
    best = fitkit.fit(model.with_bounds(a=(-10, 10), b=(-10, 10)), data).params
    test = fitkit.joint_test(model, data, {"a": best["a"], "b": best["b"]})
    assert float(test.statistic) == pytest.approx(0.0, abs=FITTED)
    assert test.best.tolist() == pytest.approx(
        [float(best["a"]), float(best["b"])], abs=1e-6
    )
    assert test.inside(0.01)


def test_many_points(model, data):
    array = np.array(POINTS).reshape(2, 2, 2)
    test = fitkit.joint_test(model, data, array)
    assert test.names == ("a", "b")
    assert test.statistic.shape == test.inside().shape == (2, 2)
    for index in np.ndindex(2, 2):
        values = dict(zip("ab", array[index], strict=True))
        one = fitkit.joint_test(model, data, values)
        assert float(test.statistic[index]) == pytest.approx(
            float(one.statistic), abs=FITTED
        )
    # One array with a value for the other: broadcast against each other.
    line = fitkit.joint_test(model, data, {"a": array[..., 0].ravel(), "b": 1.0})
    assert line.tested.shape == (4, 2)


def test_region_and_contour(model, data):
    wide = model.with_bounds(a=(-10, 10), b=(-10, 10))
    line = fitkit.contour(wide, data, levels=(0.6827,), angles=9)
    assert line.names == ("a", "b")
    on_line = fitkit.joint_test(model, data, line.points[0])
    assert on_line.p_value == pytest.approx(1 - 0.6827, rel=1e-3)
    centre = line.best
    assert (
        fitkit.joint_test(model, data, centre + 0.9 * (line.points[0] - centre))
        .inside(0.6827)
        .all()
    )
    outside = centre + 1.1 * (line.points[0] - centre)
    assert not fitkit.joint_test(model, data, outside).inside(0.6827).any()


def test_default_bounds_do_not_limit_but_given_ones_do(model, data):
    low = model.data({"A": [40.0, 28.0], "B": [14.0]})
    free = fitkit.joint_test(model, low, {"a": 0.0, "b": 0.0})
    assert free.best[1] < 0
    bound = model.with_bounds(a=(0, 10), b=(0, 10))
    held = fitkit.joint_test(bound, low, {"a": 0.0, "b": 0.0})
    assert held.best[1] == 0.0
    assert held.statistic < free.statistic


def test_conditional_fits_and_asimov_data(model, data):
    fixed = fitkit.fixed_poi_fit(model, data, {"a": 0.4, "b": 1.9})
    assert (fixed.params["a"], fixed.params["b"]) == (0.4, 1.9)
    assert float(fixed.twice_nll) == pytest.approx(
        float(fitkit.fit(model.with_fixed(a=0.4, b=1.9), data).twice_nll), abs=FITTED
    )
    asimov = fitkit.asimov_data(model, {"a": 1.0, "b": 0.0}, data)
    test = fitkit.joint_test(model, asimov, {"a": 1.0, "b": 0.0})
    assert float(test.statistic) == pytest.approx(0.0, abs=FITTED)
    nominal = fitkit.asimov_data(model, {"a": 2.0, "b": 0.0})
    assert nominal.main["B"].tolist() == [22.0]


# --- traced ---------------------------------------------------------------------------
def test_gradients(data):
    """With respect to yields and tested values, forward, reverse and jitted."""

    def p(x):
        model = Model(
            [
                Channel(
                    "A",
                    [
                        Sample("a", x[:2], [NormFactor("a")]),
                        Sample("b", [3.0, 2.0], [NormFactor("b")]),
                        Sample("bkg", [40.0, 30.0], [NormSys("xs", 0.9, 1.15)]),
                    ],
                )
            ],
            poi=("a", "b"),
        )
        counts = model.data({"A": [58.0, 33.0]})
        return fitkit.joint_test(model, counts, {"a": x[2], "b": 0.5}).p_value

    x = jnp.array([12.0, 4.0, 0.7])
    slope = jax.jit(jax.grad(p))(x)
    for i in range(3):
        step = np.zeros(3)
        step[i] = 1e-5
        numerical = (float(p(x + step)) - float(p(x - step))) / 2e-5
        assert float(slope[i]) == pytest.approx(numerical, rel=1e-5, abs=1e-8)


# --- pseudo-experiments ---------------------------------------------------------------
def test_toys_of_a_large_sample():
    """With many events the distribution is the formula's."""
    channels = [
        Channel("A", [Sample("a", [900.0], [NormFactor("a")])]),
        Channel("B", [Sample("b", [400.0], [NormFactor("b")])]),
    ]
    model = Model(channels, poi=("a", "b"))
    data = model.data({"A": [930.0], "B": [425.0]})
    values = {"a": 1.0, "b": 1.0}
    formula = fitkit.joint_test(model, data, values)
    toys = fitkit.Toys(jax.random.key(1), 1500)
    found = fitkit.joint_test(model, data, values, calculator=toys)
    assert float(found.statistic) == pytest.approx(float(formula.statistic), rel=1e-9)
    away = abs(float(found.p_value) - float(formula.p_value))
    assert 0 < float(found.p_error) < 0.02
    assert away < 3 * float(found.p_error)
    assert int(found.failed) == 0
    assert "±" in repr(found)


def test_toys_of_few_events_by_enumeration():
    """Two counts, nothing else: all outcomes can be written down."""
    model = Model(
        [
            Channel("A", [Sample("a", [2.0], [NormFactor("a")])]),
            Channel("B", [Sample("b", [1.5], [NormFactor("b")])]),
        ],
        poi=("a", "b"),
    ).with_bounds(a=(0, 50), b=(0, 50))  # below 0 nothing could be expected
    observed = np.array([3.0, 3.0])
    data = model.data({"A": observed[:1], "B": observed[1:]})
    rates = np.array([2.0, 1.5])

    def t(n):
        safe = np.where(n > 0, n, 1.0)
        return 2 * np.sum(rates - n + n * np.log(safe / rates), axis=-1)

    n = np.stack(np.meshgrid(np.arange(30.0), np.arange(30.0), indexing="ij"), -1)
    probability = stats.poisson.pmf(n, rates).prod(-1)
    exact = probability[t(n) >= t(observed) - 1e-9].sum()
    toys = fitkit.Toys(jax.random.key(2), 2000)
    found = fitkit.joint_test(model, data, {"a": 1.0, "b": 1.0}, calculator=toys)
    assert float(found.statistic) == pytest.approx(t(observed), rel=1e-9)
    assert abs(float(found.p_value) - exact) < 3 * float(found.p_error)
    # Far from what the formula says: the test would fail by it.
    formula = fitkit.joint_test(model, data, {"a": 1.0, "b": 1.0})
    assert abs(float(formula.p_value) - exact) > 5 * float(found.p_error)


def test_toys_at_several_points(model, data):
    toys = fitkit.Toys(jax.random.key(3), 60)
    found = fitkit.joint_test(model, data, np.array(POINTS[:2]), calculator=toys)
    assert found.p_value.shape == (2,)
    assert (found.p_error > 0).all()


# --- what is refused ------------------------------------------------------------------
def test_errors(model, data):
    with pytest.raises(ValueError, match="'a' is fixed"):
        fitkit.joint_test(model.with_fixed("a"), data, {"a": 1.0, "b": 1.0})
    with pytest.raises(ValueError, match="the model has none of the name 'c'"):
        fitkit.joint_test(model, data, {"a": 1.0, "c": 1.0})
    with pytest.raises(ValueError, match=r"of shape \(3,\), must run over the 2"):
        fitkit.joint_test(model, data, np.zeros(3))
    with pytest.raises(ValueError, match="got both"):
        fitkit.joint_test(model, data, {"a": 1.0}, ["a"])
    with pytest.raises(ValueError, match="given twice"):
        fitkit.joint_test(model, data, np.zeros(2), ["a", "a"])
    with pytest.raises(ValueError, match="needs a parameter of interest"):
        fitkit.joint_test(make(poi=None), data, np.zeros(0))
    with pytest.raises(ValueError, match="`contour` needs two parameters"):
        fitkit.contour(make(poi="a"), data)


# --- formats --------------------------------------------------------------------------
def test_documents(model, data, tmp_path):
    with pytest.raises(fitkit.WorkspaceError, match=r"several parameters of interest"):
        fitkit.write_workspace(tmp_path / "w.json", model, data)
    fitkit.write_workspace(tmp_path / "w.json", model.with_poi("a"), data)
    again, _ = fitkit.read_workspace(tmp_path / "w.json", poi=("a", "b"))
    assert again.poi == ("a", "b")
    with pytest.raises(fitkit.WorkspaceError, match="'c'"):
        fitkit.read_workspace(tmp_path / "w.json", poi=("a", "c"))
    fitkit.write_hs3(tmp_path / "w.hs3.json", model, data)
    assert fitkit.read_hs3(tmp_path / "w.hs3.json")[0].poi == ("a", "b")
    assert fitkit.read_hs3(tmp_path / "w.hs3.json", poi="b")[0].poi == "b"
