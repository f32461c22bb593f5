"""Statistical factors profiled in closed form, against the same written out.

Both ways find the same minimum, by different steps of Newton's method. The last one
leaves less than 1e-8 widths to the minimum, and of a value the square of that; at one
point the closed form and its derivatives are exact.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

import fitkit
from fitkit import (
    Channel,
    ExpressionFactor,
    HistoSys,
    Model,
    Normal,
    NormFactor,
    NormSys,
    ParameterSettings,
    Poisson,
    Sample,
    ShapeSys,
    StatError,
)

CLOSE = {"rtol": 1e-9, "atol": 1e-9}
CLOSE_POINTS = {"rtol": 1e-8, "atol": 1e-8}
COUNTS = {"SR": [66.0, 55.0, 39.0, 0.0, 2.0], "CR": [110.0, 85.0]}


def channels(
    *,
    partly=False,
    constraint=Normal,
    signal=(3.0, 6.0, 9.0, 2.0, 0.0),
    error=(0.6, 0.7, 0.9, 0.5, 0.0),
    scale=1.0,
    more=(),
):
    """A signal, two backgrounds and a control channel; bin 4 has no signal."""

    def stat(errors, wanted=True):
        return (StatError("mc_SR", errors, constraint),) if wanted else ()

    samples = [
        Sample("signal", signal, (NormFactor("mu"), *more, *stat(error, not partly))),
        Sample(
            "background",
            np.array([50.0, 40.0, 20.0, 0.5, 1.5]) * scale,
            (
                NormSys("norm", 0.9, 1.1),
                HistoSys(
                    "shape",
                    np.array([48.0, 39.0, 21.0, 0.4, 1.4]) * scale,
                    np.array([53.0, 42.0, 19.0, 0.65, 1.7]) * scale,
                ),
                *stat([4.0, 3.0, 3.0, 0.4, 0.0]),
            ),
        ),
        Sample(
            "other",
            [5.0, 4.0, 2.0, 0.0, 0.5],
            (NormSys("xs", 0.8, 1.3), *stat([1.0, 0.5, 1.0, 0.0, 0.6], not partly)),
        ),
    ]
    control = Sample(
        "background",
        [100.0, 90.0],
        (
            NormSys("norm", 0.95, 1.1),
            NormFactor("k"),
            StatError("mc_CR", [5.0, 6.0], constraint),
        ),
    )
    return [Channel("SR", samples), Channel("CR", [control])]


def both(specification, **options):
    """The model with written-out factors, and with profiled ones."""
    return (
        Model(specification, **options),
        Model(specification, mc_statistics="profiled", **options),
    )


def shapesys():
    """Two shapesys that meet in each bin: one of them stays a parameter."""
    return [
        Channel(
            "SR",
            [
                Sample("signal", [4.0, 8.0], (NormFactor("mu"),)),
                Sample("a", [30.0, 20.0], (ShapeSys("a", [4.0, 5.0]),)),
                Sample(
                    "b", [9.0, 7.0], (NormSys("n", 0.8, 1.2), ShapeSys("b", [2.0, 0.0]))
                ),
            ],
        )
    ]


CASES = {
    "all samples": channels(),
    "some samples": channels(partly=True),
    "Poisson": channels(constraint=Poisson),
    "Poisson, some samples": channels(partly=True, constraint=Poisson),
    "interference": channels(signal=(3.0, -2.0, 9.0, 2.0, 0.3)),
    "few events": channels(error=(3.0, 4.0, 5.0, 2.0, 0.4), scale=0.1),
    "function": channels(
        partly=True, more=(ExpressionFactor("f", "1 + 0.1 * mu + 0.05 * mu * xs"),)
    ),
}


@pytest.fixture(params=CASES)
def models(request):
    return both(CASES[request.param])


def entries_of(model, names):
    places = model.parameter_shapes.places
    return np.concatenate([np.r_[places[name]] for name in names])


def test_profiled_factors_are_no_parameters():
    written, profiled = both(channels())
    assert profiled.parameter_names == ("mu", "norm", "shape", "xs", "k")
    assert profiled.profiled_names == ("mc_SR", "mc_CR")
    assert written.profiled_names == ()
    # Data are the same for both.
    data = profiled.data(COUNTS)
    assert data.aux.keys() == written.data(COUNTS).aux.keys()
    assert jax.tree.structure(data) == jax.tree.structure(written.data(COUNTS))


def test_fits_are_those_with_written_out_factors(models):
    written, profiled = models
    data = written.data(COUNTS)
    for fit in (
        fitkit.fit,
        lambda model, data: fitkit.fixed_poi_fit(model, data, 1.3),
    ):
        wanted, got = fit(written, data), fit(profiled, data)
        np.testing.assert_allclose(got.twice_nll, wanted.twice_nll, **CLOSE)
        params = {**got.params, **profiled.profiled_factors(got.params, data)}
        for name, value in params.items():
            np.testing.assert_allclose(value, wanted.params[name], **CLOSE_POINTS)
        names = profiled.parameter_names
        own = np.ix_(entries_of(written, names), entries_of(written, names))
        np.testing.assert_allclose(
            fitkit.covariance(profiled, got.params, data),
            fitkit.covariance(written, params, data)[own],
            **CLOSE,
        )


def test_tests_and_limits_are_those_with_written_out_factors(models):
    written, _ = models
    data = written.data(COUNTS)
    for options in ({}, {"statistic": fitkit.QMu()}):
        wanted, got = (fitkit.hypotest(model, data, 1.0, **options) for model in models)
        np.testing.assert_allclose(got.statistic, wanted.statistic, **CLOSE)
        np.testing.assert_allclose(
            got.log_cls_expected, wanted.log_cls_expected, **CLOSE_POINTS
        )
    wanted, got = (fitkit.upper_limit(model, data) for model in models)
    # A limit is where a search for a root ends.
    np.testing.assert_allclose(got.observed, wanted.observed, rtol=1e-6)
    np.testing.assert_allclose(got.expected, wanted.expected, rtol=1e-6)


def test_asimov_data_have_the_factors_of_the_fit(models):
    written, _ = models
    data = written.data(COUNTS)
    wanted, got = (fitkit.asimov_data(model, 0.5, data) for model in models)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, **CLOSE_POINTS), got, wanted
    )


def test_yields_and_their_errors_are_those_with_written_out_factors(models):
    written, _ = models
    for data in (None, written.data(COUNTS)):
        wanted, got = (fitkit.predicted_yields(model, data) for model in models)
        for field in ("total", "error", "channel_total", "channel_error", "samples"):
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, **CLOSE_POINTS),
                getattr(got, field),
                getattr(wanted, field),
            )


def test_gradient_and_hessian_are_derivatives_of_the_value(models):
    _, profiled = models
    data = profiled.data(COUNTS)
    likelihood = profiled.negative_log_likelihood(data)
    y = profiled.ravel({"mu": 0.7, "norm": 0.3, "shape": -0.4, "xs": 0.2, "k": 1.1})
    at = likelihood.derivatives(y)
    np.testing.assert_allclose(at.value, likelihood.value(y), rtol=1e-12)
    np.testing.assert_allclose(at.gradient, likelihood.gradient(y), rtol=1e-12)
    step = 1e-5
    unit = step * np.eye(y.size)
    # Central differences: an error of step^2 times third derivatives of about 100.
    numeric = [likelihood.value(y + u) - likelihood.value(y - u) for u in unit]
    np.testing.assert_allclose(
        at.gradient, np.array(numeric) / (2 * step), rtol=1e-6, atol=1e-6
    )
    numeric = [likelihood.gradient(y + u) - likelihood.gradient(y - u) for u in unit]
    np.testing.assert_allclose(
        at.hessian.dense(), np.array(numeric) / (2 * step), rtol=1e-6, atol=1e-6
    )
    # The same by automatic differentiation through the closed form.
    with jax.enable_x64(True):
        np.testing.assert_allclose(
            at.hessian.dense(), jax.hessian(likelihood.value)(jnp.array(y)), **CLOSE
        )
    assert np.linalg.eigvalsh(at.convex.dense()).min() > -1e-9


@pytest.mark.parametrize("constraint", [Normal, Poisson])
@pytest.mark.parametrize(
    ("scaled", "others", "count", "aux"),
    [
        (30.0, 0.0, 35.0, 1.0),
        (30.0, 5.0, 0.0, 1.1),
        (2.0, 0.0, 0.0, 0.9),
        (-4.0, 12.0, 3.0, 1.0),  # the interference of a signal
        (14.0, -2.0, 9.0, 1.2),
        (0.0, 7.0, 5.0, 1.0),
        (1e-8, 3.0, 5.0, 1.0),
        (1e6, 10.0, 9.9e5, 1.0),
    ],
)
def test_the_closed_form_is_the_minimum_of_one_bin(
    scaled, others, count, aux, constraint
):
    """Against a search in one dimension on the probabilities themselves."""
    sigma = 0.25
    # A sample with the factor and one without; others cannot be negative in Poisson.
    specification = [
        Channel(
            "SR",
            [
                Sample(
                    "scaled",
                    [1.0],
                    (NormFactor("s"), StatError("g", [1.0], constraint)),
                ),
                Sample("others", [1.0], (NormFactor("o"),)),
            ],
        )
    ]
    model = Model(
        specification,
        poi=None,
        settings={"g": ParameterSettings(sigma=sigma, bounds=(1e-10, 50.0))},
        mc_statistics="profiled",
    )
    measured = aux if constraint is Normal else aux / sigma**2
    data = fitkit.Data({"SR": [count]}, {"g": [measured]})
    params = {"s": scaled, "o": others}

    def minus_log(gamma):
        rate = gamma * scaled + others
        if rate < 0:
            return np.inf
        main = rate - count * np.log(rate) if count else rate
        if constraint is Normal:
            return main - stats.norm.logpdf(aux, gamma, sigma)
        return main + gamma / sigma**2 - measured * np.log(gamma)

    high = 20.0 if scaled >= 0 else -others / scaled
    low = max(1e-10, -others / scaled if others < 0 else 0.0)
    best = optimize.minimize_scalar(
        minus_log, bounds=(low, high), method="bounded", options={"xatol": 1e-11}
    )
    gamma = model.profiled_factors(params, data)["g"][0]
    # Where a function of 1e6 is flat: the root of rounding.
    assert gamma == pytest.approx(best.x, abs=3e-5, rel=3e-5)
    assert minus_log(gamma) <= best.fun + 1e-9 * abs(best.fun) + 1e-9


def test_a_factor_stays_inside_its_bounds():
    """A bin without counts pulls its factor below 0, were it not for the bound."""
    sample = Sample("s", [40.0], (NormFactor("mu"), StatError("mc", [20.0])))
    options = {"settings": {"mu": ParameterSettings(fixed=True)}}
    for bounds in ((1e-10, 10.0), (0.3, 10.0), (0.0, 0.9)):
        options["settings"]["mc"] = ParameterSettings(bounds=bounds)
        written, profiled = both([Channel("SR", [sample])], **options)
        for count in (0.0, 100.0):
            data = written.data({"SR": [count]})
            wanted, got = (fitkit.fit(model, data) for model in (written, profiled))
            assert got.twice_nll == pytest.approx(float(wanted.twice_nll), abs=1e-9)
            factor = profiled.profiled_factors(got.params, data)["mc"][0]
            assert factor == pytest.approx(float(wanted.params["mc"][0]), abs=1e-9)


def test_of_two_factors_in_a_bin_one_stays_a_parameter():
    written, profiled = both(shapesys())
    assert profiled.profiled_names == ("a",)
    assert profiled.parameter_names == ("mu", "n", "b")
    data = written.data({"SR": [50.0, 28.0]})
    wanted, got = fitkit.fit(written, data), fitkit.fit(profiled, data)
    np.testing.assert_allclose(got.twice_nll, wanted.twice_nll, **CLOSE)
    np.testing.assert_allclose(got.params["b"], wanted.params["b"], **CLOSE)
    factors = profiled.profiled_factors(got.params, data)
    np.testing.assert_allclose(factors["a"], wanted.params["a"], **CLOSE)


def test_masked_bins_leave_factors_at_their_auxiliary_data(models):
    written, profiled = (model.with_masked("SR") for model in models)
    data = written.data({"CR": [120.0, 80.0]})
    data.aux["mc_SR"] = data.aux["mc_SR"] * 1.05
    wanted, got = (
        fitkit.fixed_poi_fit(model, data, 1.0) for model in (written, profiled)
    )
    np.testing.assert_allclose(got.twice_nll, wanted.twice_nll, **CLOSE)
    factors = profiled.profiled_factors(got.params, data)
    for name, value in {**got.params, **factors}.items():
        np.testing.assert_allclose(value, wanted.params[name], **CLOSE_POINTS)


def test_auxiliary_data_of_pseudo_experiments_fluctuate(models):
    _, profiled = models
    rng = np.random.default_rng(3)
    params = {**profiled.init, "mc_CR": np.array([1.2, 0.7])}
    likelihood = profiled._likelihood(
        params, profiled.expected_data(params), nominal=True
    )
    draws = [likelihood.sample(rng, profiled.ravel(params)) for _ in range(4000)]
    size = profiled.parameter_shapes.size
    measured = np.array([aux[size:] for _, aux in draws])
    deviations = likelihood.deviations(profiled.ravel(params))[1][size:]
    expected = likelihood.expected(profiled.ravel(params))[1][size:]
    # Means of 4000 to 5 standard deviations, variances likewise (their relative error
    # is the root of 2 / 4000).
    error = np.maximum(deviations, 1e-12) / np.sqrt(4000)
    assert np.all(np.abs(measured.mean(axis=0) - expected) < 5 * error)
    used = deviations > 0
    ratio = measured.std(axis=0)[used] / deviations[used]
    assert np.all(np.abs(ratio - 1) < 5 * np.sqrt(0.5 / 4000) + 0.02)
    # And a fit to one is that with written-out factors.
    written = models[0]
    data = profiled.sample(jax.random.key(2), params)
    wanted, got = fitkit.fit(written, data), fitkit.fit(profiled, data)
    np.testing.assert_allclose(got.twice_nll, wanted.twice_nll, **CLOSE)


def test_factors_among_the_parameters_are_used(models):
    written, profiled = models
    data = written.data(COUNTS)
    factors = {"mc_SR": [1.1, 0.9, 1.0, 1.2, 1.0], "mc_CR": [0.95, 1.02]}
    params = {**profiled.init, **{k: np.array(v) for k, v in factors.items()}}
    np.testing.assert_allclose(
        profiled.logpdf(params, data), written.logpdf(params, data), rtol=1e-12
    )
    np.testing.assert_allclose(
        profiled.constraint_logpdf(params, data),
        written.constraint_logpdf(params, data),
        rtol=1e-12,
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12),
        profiled.expected_data(params),
        written.expected_data(params),
    )
    with pytest.raises(ValueError, match=r"'mc_CR'.*shape"):
        profiled.logpdf({**params, "mc_CR": np.ones(3)}, data)


def test_pulls_and_breakdown_are_those_with_written_out_factors(models):
    written, _ = models
    data = written.data(COUNTS)
    wanted, got = (fitkit.pulls(model, data) for model in models)
    assert set(got.names) == set(wanted.names)
    order = [wanted.names.index(name) for name in got.names]
    for field in ("pull", "constraint", "best", "uncertainty", "nominal", "width"):
        np.testing.assert_allclose(
            getattr(got, field), getattr(wanted, field)[order], **CLOSE_POINTS
        )
    groups = {"theory": ["norm", "xs"], "statistics": [StatError], "rest": ["shape"]}
    for of in (None, groups):
        wanted, got = (fitkit.breakdown(model, data, of) for model in models)
        for field in ("total", "contributions", "statistical", "alone"):
            np.testing.assert_allclose(
                getattr(got, field), getattr(wanted, field), rtol=1e-7, atol=1e-7
            )
    wanted, got = (fitkit.ranking(model, data) for model in models)
    order = [wanted.names.index(name) for name in got.names]
    for field in ("up", "down", "prefit_up", "by_observable"):
        np.testing.assert_allclose(
            getattr(got, field), getattr(wanted, field)[order], rtol=1e-6, atol=1e-7
        )


def test_factors_can_be_fixed(models):
    written, profiled = models
    data = written.data(COUNTS)
    for values in ({}, {"mc_CR": np.array([1.1, 0.9])}):
        wanted = fitkit.fit(written.with_fixed("mc_CR", values), data)
        got = fitkit.fit(profiled.with_factors("mc_CR", values), data)
        np.testing.assert_allclose(got.twice_nll, wanted.twice_nll, **CLOSE)
    with pytest.raises(ValueError, match=r"'mc_SR' is profiled.*with_factors"):
        profiled.with_fixed("mc_SR")
    with pytest.raises(ValueError, match="Did you mean 'mc_SR'"):
        profiled.with_factors("mc_Sr")
    with pytest.raises(fitkit.WorkspaceError, match="profiled"):
        fitkit.write_workspace("model.json", profiled, data)


def test_documents_are_read_with_profiled_factors():
    document = {
        "channels": [
            {
                "name": "SR",
                "samples": [
                    {
                        "name": "signal",
                        "data": [5.0, 3.0],
                        "modifiers": [
                            {"name": "mu", "type": "normfactor", "data": None}
                        ],
                    },
                    {
                        "name": "background",
                        "data": [50.0, 20.0],
                        "modifiers": [
                            {"name": "mc", "type": "staterror", "data": [5.0, 4.0]}
                        ],
                    },
                ],
            }
        ],
        "observations": [{"name": "SR", "data": [60.0, 17.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
    profiled, data = fitkit.read_workspace(document, mc_statistics="profiled")
    written, _ = fitkit.read_workspace(document)
    assert profiled.parameter_names == ("mu",)
    wanted, got = fitkit.fit(written, data), fitkit.fit(profiled, data)
    np.testing.assert_allclose(got.twice_nll, wanted.twice_nll, **CLOSE)
    table = fitkit.grid([document], compute=fitkit.fit, mc_statistics="profiled")
    assert "mc" not in str(table)
    with pytest.raises(ValueError, match="mc_statistics"):
        Model(channels(), mc_statistics="analytic")


def test_errors_name_the_factor_and_the_bin():
    bad = [Channel("SR", [Sample("s", [5.0, 4.0], (StatError("mc", [1.0, -2.0]),))])]
    with pytest.raises(ValueError, match=r"'SR'.*'s'.*StatError 'mc'.*bin 1.*negative"):
        Model(bad, poi=None, mc_statistics="profiled")
    lost = [Channel("SR", [Sample("s", [5.0, -4.0], (StatError("mc", [1.0, 2.0]),))])]
    with pytest.warns(UserWarning, match=r"'SR', factor 'mc', bin 1"):
        Model(lost, poi=None, mc_statistics="profiled")


def templates_of(partly):
    return {
        "signal": np.array([3.0, 6.0, 9.0]),
        "background": np.array([50.0, 40.0, 20.0]),
        "errors": np.array([[0.6, 0.7, 0.9], [4.0, 3.0, 3.0]]),
        "up": np.array([52.0, 40.5, 19.0]),
    }


def model_of(templates, *, partly, constraint, mc_statistics="profiled"):
    errors = [StatError("mc", each, constraint) for each in templates["errors"]]
    signal = (NormFactor("mu"),) if partly else (NormFactor("mu"), errors[0])
    shape = HistoSys(
        "shape", 2 * templates["background"] - templates["up"], templates["up"]
    )
    return Model(
        [
            Channel(
                "SR",
                [
                    Sample("signal", templates["signal"], signal),
                    Sample(
                        "background",
                        templates["background"],
                        (NormSys("norm", 0.9, 1.15), shape, errors[1]),
                    ),
                ],
            )
        ],
        mc_statistics=mc_statistics,
    )


DATA = {"SR": np.array([54.0, 41.0, 27.0])}


def numbers_of(templates, **options):
    """A best fit's value, its covariance, a conditional fit, and an expected test."""
    model = model_of(templates, **options)
    data = model.data(DATA)
    best = fitkit.fit(model, data)
    covariance = fitkit.covariance(model, best.params, data)
    fixed = fitkit.fixed_poi_fit(model, data, 1.4)
    expected = model.expected_data({**model.init, "mu": 0.0})
    exclusion = fitkit.fixed_poi_fit(model, expected, 1.0)
    factors = model.profiled_factors(fixed.params, data)["mc"]
    return jnp.stack(
        [
            jnp.asarray(x)
            for x in (
                best.twice_nll,
                best.params["mu"],
                covariance[0, 0],
                covariance[0, 1],
                fixed.twice_nll,
                fixed.params["shape"],
                exclusion.twice_nll,
                factors[2],
            )
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("partly", "constraint"), [(False, Normal), (True, Normal), (True, Poisson)]
)
def test_templates_and_their_errors_have_gradients(partly, constraint):
    options = {"partly": partly, "constraint": constraint}
    templates = templates_of(partly)
    with jax.enable_x64(True):
        compiled = jax.jit(jax.jacrev(lambda t: numbers_of(t, **options)))
        got = jax.tree.map(np.asarray, compiled(jax.tree.map(jnp.asarray, templates)))
    for name, table in templates.items():
        for index in np.ndindex(table.shape):
            step = 1e-4 * table[index]
            sides = []
            for sign in (1, -1):
                moved = {k: v.copy() for k, v in templates.items()}
                moved[name][index] += sign * step
                sides.append(np.asarray(numbers_of(moved, **options)))
            # Errors of central differences: third derivatives times step^2 / 6, and
            # what a fit leaves of its minimum, 1e-9, over the step.
            np.testing.assert_allclose(
                got[name][(slice(None), *index)],
                (sides[0] - sides[1]) / (2 * step),
                rtol=1e-5,
                atol=2e-6,
                err_msg=f"{name}{index}",
            )


@pytest.mark.slow
def test_limits_have_gradients():
    options = {"partly": True, "constraint": Normal}
    templates = templates_of(True)

    def limit(templates):
        model = model_of(templates, **options)
        return fitkit.upper_limit(model, model.data(DATA)).observed

    with jax.enable_x64(True):
        got = jax.jit(jax.grad(limit))(jax.tree.map(jnp.asarray, templates))
    for name, index in (("signal", (2,)), ("background", (1,)), ("errors", (1, 2))):
        step, sides = 1e-3 * templates[name][index], []
        for sign in (1, -1):
            moved = {k: v.copy() for k, v in templates.items()}
            moved[name][index] += sign * step
            sides.append(float(limit(moved)))
        numeric = (sides[0] - sides[1]) / (2 * step)
        # Of a root that a search finds to about 1e-8.
        assert float(got[name][index]) == pytest.approx(numeric, rel=1e-4, abs=1e-5)


PUBLISHED = (
    "likelihoods/measurements/agc_ttbar.json",
    "likelihoods/measurements/atlas_ttZ_4l.json",
    "likelihoods/bkgonly/onshell_SUSY-2019-09.json",
    "likelihoods/3LRJR/BkgOnly.json",
    "sbottom A",
)


@pytest.mark.parametrize("constraint", [Normal, Poisson])
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_likelihoods_have_the_same_best_fits(
    name, constraint, load_json, sbottom
):
    patch = None
    if name == "sbottom A":
        document = sbottom("RegionA/BkgOnly.json")
        patch = sbottom("RegionA/patch.sbottom_600_280_150.json")
    else:
        document = load_json(name)
    options = {"patch": patch, "staterror_constraint": constraint, "poi": None}
    written, data = fitkit.read_workspace(document, **options)
    profiled, same = fitkit.read_workspace(
        document, mc_statistics="profiled", **options
    )
    # Nominal counts are made of sums in another order.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-14), same, data)
    assert profiled.profiled_names
    wanted, got = fitkit.fit(written, data), fitkit.fit(profiled, data)
    np.testing.assert_allclose(got.twice_nll, wanted.twice_nll, rtol=1e-12)
    params = {**got.params, **profiled.profiled_factors(got.params, data)}
    assert params.keys() == wanted.params.keys()
    for parameter, value in wanted.params.items():
        np.testing.assert_allclose(params[parameter], value, rtol=2e-8, atol=2e-8)
    names = profiled.parameter_names
    own = np.ix_(entries_of(written, names), entries_of(written, names))
    np.testing.assert_allclose(
        fitkit.covariance(profiled, got.params, data),
        fitkit.covariance(written, params, data)[own],
        **CLOSE,
    )


def many_systematics():
    """Far more systematics than elements: the Hessian has interpolated blocks."""
    rng = np.random.default_rng(2)
    samples = []
    for name, yields in (("signal", [4.0, 9.0]), ("background", [60.0, 30.0])):
        yields = np.array(yields)
        own = [NormFactor("mu")] if name == "signal" else []
        for k in range(40):
            up = yields * (1 + 0.02 * rng.normal(size=2))
            own.append(HistoSys(f"h{k}", 2 * yields - up, up))
            own.append(NormSys(f"n{k}", 0.99, 1.01 + 0.005 * rng.uniform()))
        samples.append(Sample(name, yields, [*own, StatError("mc", 0.1 * yields)]))
    return [Channel("SR", samples)], {"SR": [70.0, 44.0]}


def second_factor():
    """A second factor of each bin stays a parameter: a block of one for each bin."""
    shape, error = np.linspace(20.0, 60.0, 30), StatError("mc", np.full(30, 2.0))
    signal = Sample("signal", np.linspace(9, 1, 30), (NormFactor("mu"), error))
    own = (ShapeSys("own", 0.15 * shape), NormSys("n", 0.9, 1.1), error)
    counts = np.random.default_rng(3).poisson(shape + 5).astype(float)
    return (
        [Channel("SR", [signal, Sample("background", shape, own)])],
        {"SR": counts},
    )


@pytest.mark.parametrize("specified", [many_systematics, second_factor])
def test_blocks_of_the_hessian_are_those_with_written_out_factors(specified):
    specification, counts = specified()
    written, profiled = both(specification)
    assert profiled.arrays.partition is not None
    data = written.data(counts)
    wanted, got = fitkit.fit(written, data), fitkit.fit(profiled, data)
    np.testing.assert_allclose(got.twice_nll, wanted.twice_nll, **CLOSE)
    likelihood = profiled.negative_log_likelihood(data)
    y = profiled.ravel(got.params) + 0.05
    at, step = likelihood.derivatives(y), 1e-5
    unit = step * np.eye(y.size)
    numeric = [likelihood.gradient(y + u) - likelihood.gradient(y - u) for u in unit]
    np.testing.assert_allclose(
        at.hessian.dense(), np.array(numeric) / (2 * step), rtol=1e-6, atol=1e-5
    )
    # On the convex part Newton's method falls back where it must.
    assert np.linalg.eigvalsh(at.convex.dense()).min() > -1e-8


def test_goodness_of_fit_is_that_with_written_out_factors(models):
    written, _ = models
    data = written.data(COUNTS)
    wanted, got = (fitkit.goodness_of_fit(model, data) for model in models)
    np.testing.assert_allclose(got.statistic, wanted.statistic, **CLOSE)
    assert got.degrees_of_freedom == wanted.degrees_of_freedom
