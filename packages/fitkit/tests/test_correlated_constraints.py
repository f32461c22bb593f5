"""More terms in a likelihood: correlated, log-normal and gamma constraints, priors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import fitkit
from fitkit import (
    Channel,
    CorrelatedNormal,
    Gamma,
    HistoSys,
    LogNormal,
    Model,
    NormFactor,
    NormSys,
    QuadraticTerm,
    Sample,
    StatError,
)

COVARIANCE = np.array([[0.04, 0.021], [0.021, 0.09]])
# Second differences of a function of order 1 with steps of 1e-4.
SECOND = 1e-5


def make(**options):
    samples = [
        Sample("a", [20.0, 5.0, 3.0], [NormFactor("a"), NormSys("xs", 0.9, 1.2)]),
        Sample("b", [4.0, 18.0, 6.0], [NormFactor("b")]),
        Sample(
            "c",
            [10.0, 12.0, 30.0],
            [
                NormFactor("norm"),
                HistoSys("jes", [9.0, 12.5, 31.0], [11.5, 11.0, 29.0]),
                StatError("mc", [1.0, 1.5, 2.0]),
            ],
        ),
    ]
    return Model([Channel("SR", samples)], poi="a", **options)


COUNTS = {"SR": [37.0, 33.0, 41.0]}
TERMS = {
    "correlated": CorrelatedNormal(("a", "b"), [1.1, 0.9], COVARIANCE),
    "correlated entries": CorrelatedNormal(
        ("mc[0]", "jes"), [1.0, 0.2], [[0.01, -0.03], [-0.03, 1.0]]
    ),
    "log-normal": LogNormal("norm", 0.9, 1.3),
    "log-normal prior": LogNormal("norm", 0.9, 1.3, prior=True),
    "gamma": Gamma("norm", 12.0, 11.0),
    "gamma prior": Gamma("norm", 2.5, 3.0, prior=True),
    "quadratic": QuadraticTerm(
        ("a", "jes"), [1.2, 0.1], [[30.0, 4.0], [4.0, 2.0]], [0.3, -0.2]
    ),
    "bent quadratic": QuadraticTerm(("a", "b"), [1.0, 1.0], [[1.0, 3.0], [3.0, 1.0]]),
}


@pytest.fixture(params=TERMS)
def problem(request):
    model = fitkit.with_terms(make(), TERMS[request.param])
    return model, model.data(COUNTS)


def some_point(model):
    rng = np.random.default_rng(7)
    vectors = model.parameter_vectors()
    return vectors.init + rng.normal(0, 0.08, vectors.init.shape)


# --- densities ------------------------------------------------------------------------
def density(term, x, aux):
    """Minus the logarithm of the density, by scipy; None where there is none."""
    match term:
        case CorrelatedNormal():
            return -stats.multivariate_normal(x, term.covariance).logpdf(aux)
        case LogNormal(prior=False):
            sigma = np.log(1.3)
            return -stats.lognorm(sigma, scale=x[0]).logpdf(aux)
        case LogNormal():
            return -stats.lognorm(np.log(1.3), scale=aux).logpdf(x[0])
        case Gamma():
            # For counts that need not be whole: n! as a gamma function.
            rate = term.tau * x[0]
            log_factorial = float(jax.scipy.special.gammaln(aux + 1.0))
            return rate - aux * np.log(rate) + log_factorial
    return None


@pytest.mark.parametrize("name", TERMS)
def test_densities(name):
    term = TERMS[name]
    x = np.array([0.83, 1.17][: len(term.names)])
    aux = np.asarray(term.aux) if term.aux is None else 1.07 * np.asarray(term.aux)
    expected = density(term, x, aux)
    if expected is None:
        away = x - term.at
        expected = term.slope @ away + away @ term.matrix @ away / 2
        aux = None
    found = float(term.value(x, aux)) + float(term.saturated(aux))
    assert found == pytest.approx(float(expected), rel=1e-12)


def test_logpdf_is_normalised_with_terms():
    model = make()
    both = fitkit.with_terms(model, TERMS["correlated"], TERMS["log-normal"])
    data, params = both.data(COUNTS), model.unravel(some_point(model))
    own = float(model.logpdf(params, model.data(COUNTS)))
    x = np.array([float(params["a"]), float(params["b"])])
    own += stats.multivariate_normal(x, COVARIANCE).logpdf([1.1, 0.9])
    own += stats.lognorm(np.log(1.3), scale=float(params["norm"])).logpdf(0.9)
    assert float(both.logpdf(params, data)) == pytest.approx(own, rel=1e-12)
    likelihood = both.negative_log_likelihood(data)
    value = float(likelihood.value(both.ravel(params)) + likelihood.saturated())
    assert value == pytest.approx(-own, rel=1e-12)


# --- derivatives ----------------------------------------------------------------------
def test_derivatives_against_finite_differences(problem):
    model, data = problem
    likelihood, y = model.negative_log_likelihood(data), some_point(model)
    at = likelihood.derivatives(y)
    gradient, hessian = np.asarray(at.gradient), np.asarray(at.hessian.dense())
    np.testing.assert_allclose(likelihood.gradient(y), gradient, rtol=1e-12)
    assert float(at.value) == pytest.approx(float(likelihood.value(y)), rel=1e-12)
    for i in range(y.size):
        step = np.zeros(y.size)
        step[i] = 1e-5
        by_value = (likelihood.value(y + step) - likelihood.value(y - step)) / 2e-5
        assert gradient[i] == pytest.approx(float(by_value), rel=1e-6, abs=1e-6)
        by_gradient = (
            np.asarray(likelihood.gradient(y + step))
            - np.asarray(likelihood.gradient(y - step))
        ) / 2e-5
        np.testing.assert_allclose(hessian[i], by_gradient, rtol=1e-6, atol=SECOND)
    assert np.linalg.eigvalsh(np.asarray(at.convex.dense())).min() > -1e-9


def test_derivatives_against_autodiff_on_both_engines(problem):
    model, data = problem
    likelihood, y = model.negative_log_likelihood(data), some_point(model)
    at = likelihood.derivatives(y)
    traced = jax.jit(lambda y: likelihood.derivatives(y))(y)
    np.testing.assert_allclose(traced.gradient, at.gradient, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        traced.exact.border, at.exact.border, rtol=1e-10, atol=1e-12
    )

    def value(y):
        return -model.logpdf(model.unravel(y), data)

    gradient, hessian = jax.jit(lambda y: (jax.grad(value)(y), jax.hessian(value)(y)))(
        y
    )
    np.testing.assert_allclose(gradient, at.gradient, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(hessian, at.hessian.dense(), rtol=1e-9, atol=1e-9)


# --- fits -----------------------------------------------------------------------------
def test_fits_against_iminuit(problem):
    iminuit = pytest.importorskip("iminuit")
    model, data = problem
    # That with a saddle far away has its minimum inside.
    best = fitkit.fit(model, data)
    likelihood, vectors = (
        model.negative_log_likelihood(data),
        model.parameter_vectors(),
    )
    minuit = iminuit.Minuit(
        lambda y: float(likelihood.value(y)),
        np.array(vectors.init),
        grad=lambda y: np.asarray(likelihood.gradient(y)),
    )
    minuit.errordef = minuit.LIKELIHOOD
    minuit.limits = list(zip(vectors.lower, vectors.upper, strict=True))
    minuit.strategy, minuit.tol = 2, 1e-6
    minuit.migrad()
    assert minuit.valid
    value = float(best.twice_nll) / 2 - float(likelihood.saturated())
    assert value == pytest.approx(minuit.fval, abs=1e-8)
    errors = np.sqrt(np.diagonal(best.covariance))
    # Minuit ends within a thousandth of a standard deviation.
    np.testing.assert_allclose(
        np.asarray(best.y) / errors, np.array(minuit.values) / errors, atol=2e-3
    )


def test_correlation_matters():
    """What one measurement says of `b` through `a`, in closed form."""
    channel = Channel("SR", [Sample("a", [100.0], [NormFactor("a")])])
    side = Channel("CR", [Sample("b", [0.0], [NormFactor("b")]), Sample("c", [1.0])])
    term = CorrelatedNormal(("a", "b"), [1.0, 1.0], COVARIANCE)
    model = fitkit.with_terms(Model([channel, side], poi="b"), term)
    data = model.data({"SR": [130.0], "CR": [1.0]})
    best = fitkit.fit(model, data)
    a, b = float(best.params["a"]), float(best.params["b"])
    # Nothing else is known of b: it follows a by the regression line.
    assert b - 1 == pytest.approx(0.021 / 0.04 * (a - 1), rel=1e-6)
    hessian = np.linalg.inv(COVARIANCE)
    hessian[0, 0] += 130.0 / a**2
    np.testing.assert_allclose(best.covariance, np.linalg.inv(hessian), rtol=1e-6)


def test_equal_to_the_constraint_that_the_model_has():
    """Unit normal constraints written as a term, or as those of modifiers."""
    free = [NormSys("xs", 0.9, 1.2, constraint=None), NormFactor("mu")]
    own = [NormSys("xs", 0.9, 1.2), NormFactor("mu")]

    def model(modifiers):
        samples = [Sample("s", [20.0, 5.0], modifiers), Sample("b", [7.0, 9.0])]
        return Model([Channel("SR", samples)])

    term = CorrelatedNormal("xs", [0.0], [[1.0]], label="xs")
    one, other = model(own), fitkit.with_terms(model(free), term)
    counts = {"SR": [33.0, 12.0]}
    first, second = (fitkit.fit(each, each.data(counts)) for each in (one, other))
    assert float(first.twice_nll) == pytest.approx(float(second.twice_nll), abs=1e-9)
    np.testing.assert_allclose(first.y, second.y, atol=1e-8)
    limits = [
        float(fitkit.upper_limit(each, each.data(counts)).observed)
        for each in (one, other)
    ]
    assert limits[0] == pytest.approx(limits[1], rel=1e-7)


def test_gamma_is_a_control_region():
    """A count of 12 where 11 are expected: as a channel of its own."""

    def model(channels):
        samples = [Sample("s", [8.0], [NormFactor("mu")])]
        samples += [Sample("b", [20.0], [NormFactor("norm")])]
        return Model([Channel("SR", samples), *channels])

    control = Channel("CR", [Sample("b", [11.0], [NormFactor("norm")])])
    one = model([control])
    other = fitkit.with_terms(model([]), Gamma("norm", 12.0, 11.0))
    first = fitkit.fit(one, one.data({"SR": [33.0], "CR": [12.0]}))
    second = fitkit.fit(other, other.data({"SR": [33.0]}))
    assert float(first.twice_nll) == pytest.approx(float(second.twice_nll), abs=1e-9)
    np.testing.assert_allclose(first.y, second.y, rtol=1e-7)
    np.testing.assert_allclose(first.covariance, second.covariance, rtol=1e-6)


def test_quadratic_term_of_another_fit():
    """The other measurement's best fit and Hessian in the place of its data."""
    poisson = Channel("B", [Sample("a", [9e6], [NormFactor("a")])])
    other = Model([poisson], poi="a")
    data = other.data({"B": [8.1e6]})
    best = fitkit.fit(other, data)
    term = QuadraticTerm(("a",), best.y, best.hessian)
    own = make()
    replaced = fitkit.with_terms(own, term)
    together = Model(
        [
            *[Channel("SR", _samples())],
            poisson,
        ],
        poi="a",
    )
    expected = fitkit.fit(together, together.data(COUNTS | {"B": [8.1e6]}))
    found = fitkit.fit(replaced, replaced.data(COUNTS))
    # Of millions of counts the likelihood is a parabola to its third derivative.
    for name in ("a", "b", "norm"):
        assert float(found.params[name]) == pytest.approx(
            float(expected.params[name]), rel=1e-5
        )
        assert float(found.uncertainties[name]) == pytest.approx(
            float(expected.uncertainties[name]), rel=1e-5
        )


def _samples():
    return [
        Sample("a", [20.0, 5.0, 3.0], [NormFactor("a"), NormSys("xs", 0.9, 1.2)]),
        Sample("b", [4.0, 18.0, 6.0], [NormFactor("b")]),
        Sample(
            "c",
            [10.0, 12.0, 30.0],
            [
                NormFactor("norm"),
                HistoSys("jes", [9.0, 12.5, 31.0], [11.5, 11.0, 29.0]),
                StatError("mc", [1.0, 1.5, 2.0]),
            ],
        ),
    ]


def test_prior_pulls_and_is_told():
    model = make()
    free = fitkit.fit(model, model.data(COUNTS))
    prior = CorrelatedNormal(("norm",), [0.5], [[0.01]], prior=True)
    with_prior = fitkit.with_terms(model, prior)
    best = fitkit.fit(with_prior, with_prior.data(COUNTS))
    assert best.params["norm"] < free.params["norm"]
    assert best.priors == with_prior.priors == ("norm",)
    assert "with priors on norm" in repr(best)
    assert free.priors == ()
    assert "prior" not in repr(free)
    # It has no auxiliary data, and settings do not lose it.
    assert "norm" not in with_prior.data(COUNTS).aux
    fixed = with_prior.with_fixed("jes").with_bounds(norm=(0, 3)).with_init(a=0.9)
    assert fixed.priors == ("norm",)
    fitted = fitkit.fit(fixed, with_prior.data(COUNTS))
    assert fitted.params["norm"] < free.params["norm"]


# --- tests, toys, profiles ------------------------------------------------------------
def test_asimov_data_of_a_measurement():
    model = fitkit.with_terms(make(), TERMS["correlated"], TERMS["log-normal prior"])
    data = model.data(COUNTS)
    asimov = fitkit.asimov_data(model, 0.5, data)
    fixed = fitkit.fixed_poi_fit(model, data, 0.5)
    assert asimov.aux["a+b"][0] == 0.5
    assert asimov.aux["a+b"][1] == pytest.approx(float(fixed.params["b"]), rel=1e-9)
    assert "norm" not in asimov.aux


def test_fits_are_differentiated():
    """With respect to the counts and to what was measured elsewhere."""
    model = make()

    def a(x):
        term = CorrelatedNormal(("a", "b"), [x[0], 0.9], COVARIANCE)
        both = fitkit.with_terms(model, term)
        counts = {"SR": jnp.array([37.0, 33.0, 41.0]) + x[1] * jnp.array([1.0, 0, 0])}
        return fitkit.fit(both, both.data(counts)).params["a"]

    x = np.array([1.1, 0.0])
    slopes = jax.jit(jax.grad(a))(x)
    for i in range(2):
        step = np.zeros(2)
        step[i] = 1e-4
        slope = (float(a(x + step)) - float(a(x - step))) / 2e-4
        assert float(slopes[i]) == pytest.approx(slope, rel=1e-6)


def test_pseudo_experiments_draw_measurements_and_keep_priors():
    model = fitkit.with_terms(
        make(), TERMS["correlated"], TERMS["gamma"], TERMS["log-normal prior"]
    )
    params = model.init | {"a": np.array(1.3), "norm": np.array(0.8)}
    keys = jax.random.split(jax.random.key(4), 400)
    toys = [model.sample(key, params).aux for key in keys]
    drawn = np.array([each["a+b"] for each in toys])
    # Means and covariances of 400 draws, to four of their standard errors.
    np.testing.assert_allclose(drawn.mean(0), [1.3, 1.0], atol=4 * 0.3 / 20)
    np.testing.assert_allclose(np.cov(drawn.T), COVARIANCE, atol=4 * 0.09 * 1.5 / 20)
    counts = np.array([each["norm"] for each in toys])
    assert counts.mean() == pytest.approx(8.8, abs=4 * 3 / 20)
    assert (counts == np.round(counts)).all()
    likelihood = model.negative_log_likelihood(model.data(COUNTS))
    _, aux = likelihood.sample(jax.random.key(1), model.ravel(params))
    assert float(aux[2]) == 0.9
    toys = fitkit.Toys(jax.random.key(0), 40)
    tested = fitkit.hypotest(model, model.data(COUNTS), 1.0, calculator=toys)
    assert int(tested.failed.sum()) == 0


def test_what_was_known_before():
    model = fitkit.with_terms(make(), TERMS["correlated"])
    pulls = fitkit.pulls(model, model.data(COUNTS))
    row = pulls.names.index("b")
    assert float(pulls.nominal[row]) == 0.9
    assert float(pulls.width[row]) == pytest.approx(0.3, rel=1e-12)
    # Yields before the fit have the covariance of both strengths.
    before = fitkit.predicted_yields(model.with_fixed("norm", "xs", "jes", "mc"))
    slopes = np.array([[20.0, 5.0, 3.0], [4.0, 18.0, 6.0]])
    variance = np.einsum("ib,ij,jb->b", slopes, COVARIANCE, slopes)
    np.testing.assert_allclose(before.error["SR"], np.sqrt(variance), rtol=1e-9)
    assert list(before.samples["SR"]) == ["a", "b", "c"]
    ranking = fitkit.ranking(model, model.data(COUNTS))
    assert np.isfinite(ranking.up).all()
    assert np.isfinite(float(ranking.statistical))
    impacts = fitkit.impacts(model, model.data(COUNTS))
    assert {*impacts.names} == {*ranking.names}


def test_stored_fit(tmp_path):
    model = fitkit.with_terms(make(), TERMS["correlated"], TERMS["gamma prior"])
    data = model.data(COUNTS)
    best = fitkit.fit(model, data)
    best.save(tmp_path / "fit.npz", model, data)
    again = fitkit.FitResult.load(tmp_path / "fit.npz", model, data)
    assert again.priors == ("norm",)
    other = fitkit.with_terms(make(), TERMS["correlated"], TERMS["gamma"])
    with pytest.raises(ValueError, match="of another model"):
        fitkit.FitResult.load(tmp_path / "fit.npz", other, other.data(COUNTS))


def test_profiled_statistics():
    """Factors in closed form or as parameters: the same fits, tests and yields."""
    term = CorrelatedNormal(("a", "jes"), [1.1, 0.2], [[0.04, 0.06], [0.06, 1.0]])
    plain = fitkit.with_terms(make(), term)
    profiled = fitkit.with_terms(make(mc_statistics="profiled"), term)
    one, other = (fitkit.fit(m, m.data(COUNTS)) for m in (plain, profiled))
    assert float(one.twice_nll) == pytest.approx(float(other.twice_nll), abs=1e-8)
    for name in ("a", "b", "jes", "norm"):
        assert float(other.params[name]) == pytest.approx(
            float(one.params[name]), abs=1e-6
        )
        assert float(other.uncertainties[name]) == pytest.approx(
            float(one.uncertainties[name]), rel=1e-5
        )
    asimov = fitkit.asimov_data(profiled, 0.5, profiled.data(COUNTS))
    np.testing.assert_allclose(
        asimov.main["SR"],
        fitkit.asimov_data(plain, 0.5, plain.data(COUNTS)).main["SR"],
        rtol=1e-6,
    )
    tests = [fitkit.hypotest(m, m.data(COUNTS)) for m in (plain, profiled)]
    assert float(tests[0].cls) == pytest.approx(float(tests[1].cls), rel=1e-6)
    yields = [fitkit.predicted_yields(m, m.data(COUNTS)) for m in (plain, profiled)]
    np.testing.assert_allclose(yields[0].error["SR"], yields[1].error["SR"], rtol=1e-5)


def test_models_of_ones_own():
    class Line(fitkit.AbstractModel):
        parameter_names: tuple = ("slope", "offset")
        poi: str = "slope"

        @property
        def parameters(self):
            return {name: fitkit.Parameter(1.0) for name in self.parameter_names}

        def expected_data(self, params):
            x = jnp.arange(4.0)
            return fitkit.Data({"y": params["slope"] * x + params["offset"]})

        def logpdf(self, params, data):
            away = data.main["y"] - self.expected_data(params).main["y"]
            return -jnp.sum(away**2) / 2

    term = CorrelatedNormal(("slope", "offset"), [2.0, 0.0], [[1.0, 0.5], [0.5, 1.0]])
    model = fitkit.with_terms(Line(), term)
    data = fitkit.Data(
        {"y": jnp.array([0.5, 2.0, 5.0, 6.0])}, {"slope+offset": term.aux}
    )
    best = fitkit.fit(model, data)
    design = np.stack([np.arange(4.0), np.ones(4)], axis=1)
    weight = np.linalg.inv(term.covariance)
    matrix = design.T @ design + weight
    exact = np.linalg.solve(
        matrix, design.T @ np.array([0.5, 2.0, 5.0, 6.0]) + weight @ np.array([2.0, 0])
    )
    np.testing.assert_allclose(best.y, exact, rtol=1e-9)
    np.testing.assert_allclose(best.covariance, np.linalg.inv(matrix), rtol=1e-9)


# --- what is refused ------------------------------------------------------------------
def refused(function, error, message):
    with pytest.raises(error, match=message):
        function()


WRONG = {
    "unknown": (
        lambda: LogNormal("nrm", 1.0, 1.2),
        r"no single parameter 'nrm'.*'norm'",
    ),
    "per bin": (lambda: Gamma("mc", 9.0, 9.0), r"'mc'.*such as mc\[0\]"),
    "taken": (lambda: LogNormal("xs", 1.0, 1.2), "called 'xs' already"),
    "kappa": (lambda: LogNormal("norm", 1.0, 0.9), "`kappa` .* greater than 1"),
    "median": (lambda: LogNormal("norm", -1.0, 1.9), "`median` .* greater than 0"),
    "count": (lambda: Gamma("norm", -1.0, 1.9), "`count` .* not negative"),
    "tau": (lambda: Gamma("norm", 1.0, 0.0), "`tau` .* greater than 0"),
    "sizes": (
        lambda: CorrelatedNormal(("a", "b"), [1.0], COVARIANCE),
        "2 parameters needs 2 means",
    ),
    "twice": (
        lambda: CorrelatedNormal(("a", "a"), [1.0, 1.0], COVARIANCE),
        "names, each once",
    ),
    "not symmetric": (
        lambda: CorrelatedNormal(("a", "b"), [1, 1], [[1.0, 0.2], [0.1, 1.0]]),
        "not symmetric",
    ),
    "not definite": (
        lambda: CorrelatedNormal(("a", "b"), [1, 1], [[1.0, 1.0], [1.0, 1.0]]),
        "not positive definite",
    ),
    "quadratic sizes": (
        lambda: QuadraticTerm(("a", "b"), [1.0], COVARIANCE),
        "`QuadraticTerm` of 2 parameters",
    ),
    "quadratic symmetry": (
        lambda: QuadraticTerm(("a", "b"), [1, 1], [[1.0, 0.2], [0.1, 1.0]]),
        "not symmetric",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors(case):
    term, message = WRONG[case]
    refused(lambda: fitkit.with_terms(make(), term()), ValueError, message)


def test_more_errors():
    model = fitkit.with_terms(make(), TERMS["correlated"])
    refused(
        lambda: fitkit.with_terms(model, TERMS["correlated"]),
        ValueError,
        r"'a\+b' already",
    )
    refused(
        lambda: fitkit.with_terms(make(), "a"), TypeError, "`with_terms` takes terms"
    )
    refused(
        lambda: fitkit.fit(model, make().data(COUNTS)),
        ValueError,
        r"auxiliary data of the term 'a\+b': there are none",
    )
    refused(
        lambda: model.with_factors("mc"),
        AttributeError,
        "call it before `with_terms`",
    )
    twice = fitkit.with_terms(model, TERMS["gamma"])
    assert len(twice.terms) == 2
    assert twice.with_poi("b").with_masked("SR").poi == "b"
