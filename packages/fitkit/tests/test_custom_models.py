"""Models that are no HistFactory models go through every routine, by autodiff alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm
from scipy import optimize, special, stats

import fitkit
from fitkit import (
    Channel,
    Data,
    HistoSys,
    Model,
    NormFactor,
    NormSys,
    Parameter,
    Sample,
    StatError,
)

LOW, HIGH, SLOTS = 100.0, 160.0, 300


class MassPeak(fitkit.AbstractModel):
    """A peak of known position over an exponential, unbinned and extended.

    Events come with weights, in a fixed number of slots: observed ones have weight 1
    and empty slots 0; the Asimov data are a fine grid.
    """

    poi = "signal"
    parameter_names = ("signal", "background", "slope", "resolution")

    @property
    def parameters(self):
        measured = fitkit.Normal(jnp.array(2.0), jnp.array(0.2))
        return {
            "signal": Parameter(10.0, lower=0.0, upper=500.0),
            "background": Parameter(150.0, lower=1e-3, upper=1e4),
            "slope": Parameter(0.02, lower=-0.2, upper=0.2),
            "resolution": Parameter(2.0, 0.5, 5.0, constraint=measured),
        }

    def density(self, params, mass):
        width, slope = params["resolution"], params["slope"]
        shape = jnp.exp(-slope * (mass - LOW))
        # (1 - exp(-x)) / x, finite where the slope vanishes
        x = slope * (HIGH - LOW)
        safe = jnp.where(jnp.abs(x) < 1e-6, 1.0, x)
        area = jnp.where(jnp.abs(x) < 1e-6, 1 - x / 2, -jnp.expm1(-safe) / safe)
        peak = norm.pdf(mass, 125.0, width)
        falling = shape / (area * (HIGH - LOW))
        return params["signal"] * peak + params["background"] * falling

    def expected_data(self, params):
        width = (HIGH - LOW) / SLOTS
        mass = LOW + width * (jnp.arange(SLOTS) + 0.5)
        main = {"mass": mass, "weight": width * self.density(params, mass)}
        return Data(main, {"resolution": params["resolution"]})

    def logpdf(self, params, data):
        mass, weight = data.main["mass"], data.main["weight"]
        log_density = weight @ jnp.log(self.density(params, mass))
        total = params["signal"] + params["background"]
        measured = norm.logpdf(data.aux["resolution"], params["resolution"], 0.2)
        return log_density - total + measured


@pytest.fixture(scope="module")
def events():
    """About 180 events, of which 25 in the peak."""
    rng = np.random.default_rng(2)
    falling = LOW + rng.exponential(50.0, 1000)
    falling = falling[falling < HIGH][:155]
    mass = np.concatenate([falling, rng.normal(125.0, 2.1, 25)])
    empty = SLOTS - len(mass)
    main = {
        "mass": jnp.asarray(np.pad(mass, (0, empty), constant_values=130.0)),
        "weight": jnp.asarray(np.pad(np.ones(len(mass)), (0, empty))),
    }
    return Data(main, {"resolution": jnp.array(2.0)})


def plain_twice_nll(vector, data):
    """The same likelihood with numpy and scipy, normalised by a sum over a grid."""
    signal, background, slope, width = vector
    mass, weight = (np.asarray(data.main[key]) for key in ("mass", "weight"))
    edges = np.linspace(LOW, HIGH, 4001)
    grid = (edges[1:] + edges[:-1]) / 2
    area = np.sum(np.exp(-slope * (grid - LOW))) * (edges[1] - edges[0])
    density = signal * stats.norm.pdf(mass, 125.0, width)
    density = density + background * np.exp(-slope * (mass - LOW)) / area
    log = np.sum(weight[weight > 0] * np.log(density[weight > 0]))
    aux = stats.norm.logpdf(float(data.aux["resolution"]), width, 0.2)
    return -2 * (log - signal - background + aux)


def plain_fit(data, held=None):
    bounds = [(0, 500), (1e-3, 1e4), (-0.2, 0.2), (0.5, 5)]
    start = np.array([10.0, 150.0, 0.02, 2.0])
    if held is not None:
        bounds[0], start[0] = (held, held), held
    best = optimize.minimize(
        plain_twice_nll,
        start,
        args=(data,),
        bounds=bounds,
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 5000, "maxfev": 10000},
    )
    return best.fun, best.x


def test_unbinned_fit(events):
    model = MassPeak()
    found = fitkit.fit(model, events)
    value, place = plain_fit(events)
    # Nelder-Mead stops where -2 log L changes by 1e-11; the plain normalisation is
    # good to 1e-8, which moves nothing by more than 1e-6
    np.testing.assert_allclose(found.twice_nll, value, atol=1e-5)
    np.testing.assert_allclose(found.y, place, rtol=1e-4)
    # extended: signal and background sum to the number of events
    total = found.params["signal"] + found.params["background"]
    np.testing.assert_allclose(total, 180.0, rtol=1e-9)
    held = fitkit.fixed_poi_fit(model, events, 5.0)
    np.testing.assert_allclose(held.twice_nll, plain_fit(events, 5.0)[0], atol=1e-5)


def test_unbinned_uncertainties(events):
    model = MassPeak()
    found = fitkit.fit(model, events)
    errors = fitkit.uncertainties(model, found.params, events)
    step = np.array([0.05, 0.05, 2e-5, 1e-3])

    def second(i, j):
        value = 0.0
        for a, b, sign in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)):
            at = np.asarray(found.y).copy()
            at[i] += a * step[i]
            at[j] += b * step[j]
            value += sign * plain_twice_nll(at, events)
        return value / (8 * step[i] * step[j])

    hessian = np.array([[second(i, j) for j in range(4)] for i in range(4)])
    expected = np.sqrt(np.diagonal(np.linalg.inv(hessian)))
    np.testing.assert_allclose(model.ravel(errors), expected, rtol=1e-3)


@pytest.mark.slow
def test_unbinned_test_and_limit(events):
    """CLs from plain fits of data and grid, and the formulae of arXiv:1007.1727."""
    model = MassPeak()
    free_value, free = plain_fit(events)
    _, without = plain_fit(events, 0.0)
    names = model.parameter_names
    conditional = dict(zip(names, without, strict=True))
    asimov = model.expected_data({k: jnp.asarray(v) for k, v in conditional.items()})
    asimov_value = plain_twice_nll(without, asimov)

    def plain_cls(tested):
        q = max(plain_fit(events, tested)[0] - free_value, 0.0) * (free[0] <= tested)
        q_asimov = plain_fit(asimov, tested)[0] - asimov_value
        root, root_asimov = np.sqrt(q), np.sqrt(q_asimov)
        if q <= q_asimov:
            both = stats.norm.sf(root), stats.norm.sf(root - root_asimov)
        else:
            both = (
                stats.norm.sf((q + q_asimov) / (2 * root_asimov)),
                stats.norm.sf((q - q_asimov) / (2 * root_asimov)),
            )
        return both[0] / both[1], stats.norm.sf(root_asimov) / 0.5

    result = fitkit.hypotest(model, events, 35.0)
    observed, expected = plain_cls(35.0)
    np.testing.assert_allclose(result.cls, observed, rtol=1e-4)
    np.testing.assert_allclose(result.cls_expected[2], expected, rtol=1e-4)
    limit = fitkit.upper_limit(model, events)
    np.testing.assert_allclose(plain_cls(float(limit.observed))[0], 0.05, rtol=1e-4)
    np.testing.assert_allclose(plain_cls(float(limit.expected[2]))[1], 0.05, rtol=1e-4)


# --- a modifier of one's own ---
SIGNAL, BACKGROUND = np.array([1.0, 4.0, 6.0]), np.array([60.0, 31.0, 12.0])
TILT = np.array([-1.0, 0.2, 1.5])
OBSERVED = np.array([64.0, 33.0, 19.0])
WIDTH = 0.15


@pytest.mark.parametrize("call", [fitkit.hypotest, fitkit.upper_limit])
def test_data_of_another_size_than_the_asimov_data(events, call):
    """Events without the empty slots: the message says which entry, and what to do."""
    main = {name: values[:180] for name, values in events.main.items()}
    args = MassPeak(), Data(main, events.aux)
    tested = (10.0,) if call is fitkit.hypotest else ()
    with pytest.raises(ValueError, match=rf"\({SLOTS},\).*mass.*\(180,\).*weight 0"):
        call(*args, *tested)


class Saturating(fitkit.AbstractModel):
    """A counting experiment whose signal grows no further than to three events."""

    parameter_names = ("mu",)
    poi = "mu"

    @property
    def parameters(self):
        return {"mu": Parameter(1.0, lower=0.0, upper=100.0)}

    def rate(self, params):
        return 3 * params["mu"] / (1 + params["mu"]) + 5.0

    def expected_data(self, params):
        return Data({"SR": self.rate(params)})

    def logpdf(self, params, data):
        return fitkit.poisson_logpdf(data.main["SR"], self.rate(params))


def test_a_limit_that_does_not_exist():
    """CLs ends where all three events are there; a level above has its limit."""
    model, data = Saturating(), Data({"SR": jnp.array(5.0)})
    q = 2 * stats.poisson.logpmf(5, 5.0) - 2 * stats.poisson.logpmf(5, 8.0)
    # Of data that are what the background expects both statistics are the same.
    least = 2 * stats.norm.sf(np.sqrt(q))
    with pytest.raises(fitkit.FitError, match="CLs does not fall to the level"):
        fitkit.upper_limit(model, data, level=0.98 * least)
    below = fitkit.upper_limit(model, data, level=0.98 * least, throw=False)
    # Where the background fluctuates down, less signal is excluded.
    np.testing.assert_array_equal(below.converged, [0, 1, 1, 0, 0, 0])
    assert np.isinf(below.observed)
    np.testing.assert_array_equal(np.isinf(below.expected), [0, 0, 1, 1, 1])
    above = fitkit.upper_limit(model, data, level=1.02 * least, throw=False)
    np.testing.assert_array_equal(above.converged, [1, 1, 1, 1, 0, 0])
    assert float(above.observed) > 10


def base_model(*more):
    signal = Sample("signal", SIGNAL, (NormFactor("mu"), NormSys("xs", 0.9, 1.1)))
    stat = StatError("stat", [2.0, 1.5, 0.9])
    return Model([Channel("SR", [signal, Sample("b", BACKGROUND, (stat, *more))])])


class Tilted(fitkit.AbstractModel):
    """A HistFactory model whose background leans: b -> b (1 + tilt x)."""

    base: Model
    poi = "mu"

    @property
    def parameter_names(self):
        return (*self.base.parameter_names, "tilt")

    @property
    def parameters(self):
        measured = fitkit.Normal(jnp.array(0.0), jnp.array(WIDTH))
        tilt = Parameter(0.0, -5 * WIDTH, 5 * WIDTH, constraint=measured)
        return self.base.parameters | {"tilt": tilt}

    def split(self, params):
        return {name: params[name] for name in self.base.parameter_names}

    def rates(self, params):
        signal, background = self.base.expected_yields(self.split(params))["SR"]
        return signal + background * (1 + params["tilt"] * TILT)

    def expected_data(self, params):
        aux = self.base.expected_data(self.split(params)).aux
        return Data({"SR": self.rates(params)}, aux | {"tilt": params["tilt"]})

    def logpdf(self, params, data):
        main = jnp.sum(fitkit.poisson_logpdf(data.main["SR"], self.rates(params)))
        tilt = norm.logpdf(data.aux["tilt"], params["tilt"], WIDTH)
        return main + tilt + self.base.constraint_logpdf(self.split(params), data)


@pytest.fixture(scope="module")
def tilted():
    model = Tilted(base_model())
    data = model.base.data({"SR": OBSERVED})
    return model, Data(data.main, data.aux | {"tilt": jnp.array(0.0)})


@pytest.fixture(scope="module")
def histfactory():
    """The same as a histosys: symmetric, so linear in every code, in units of WIDTH."""
    lo, hi = BACKGROUND * (1 - WIDTH * TILT), BACKGROUND * (1 + WIDTH * TILT)
    model = base_model(HistoSys("tilt", lo, hi))
    return model, model.data({"SR": OBSERVED})


def test_constraints_alone(histfactory):
    model, data = histfactory
    at = {name: value + 0.1 for name, value in model.init.items()}
    rates = model.expected_data(at).main["SR"]
    main = np.sum(stats.poisson.logpmf(OBSERVED, rates))
    rest = model.constraint_logpdf(at, data)
    np.testing.assert_allclose(rest + main, model.logpdf(at, data), rtol=1e-12)


def test_poisson_of_any_count():
    """Whole counts as scipy has them; others by the gamma function."""
    counts, rates = np.array([0.0, 3.0, 2000.0]), np.array([1.5, 2.5, 1950.0])
    ours = fitkit.poisson_logpdf(counts, rates)
    np.testing.assert_allclose(ours, stats.poisson.logpmf(counts, rates), rtol=1e-12)
    expected = 2.5 * np.log(3.0) - 3.0 - special.gammaln(3.5)
    np.testing.assert_allclose(fitkit.poisson_logpdf(2.5, 3.0), expected, rtol=1e-13)
    assert fitkit.poisson_logpdf(1.0, 0.0) == -np.inf
    assert fitkit.poisson_logpdf(0.0, 0.0) == 0.0


def test_own_modifier_is_fitted_as_a_histosys(tilted, histfactory):
    ours, theirs = fitkit.fit(*tilted), fitkit.fit(*histfactory)
    # the constraint of a histosys is on a parameter of unit width
    twice_log_width = 2 * np.log(WIDTH)
    difference = ours.twice_nll - theirs.twice_nll
    np.testing.assert_allclose(difference, twice_log_width, rtol=1e-9)
    assert theirs.params["mu"] > 0.1
    for name, value in theirs.params.items():
        scale = WIDTH if name == "tilt" else 1.0
        np.testing.assert_allclose(
            ours.params[name], scale * value, rtol=1e-7, atol=1e-9
        )
    held = fitkit.fixed_poi_fit(*tilted, 1.0), fitkit.fixed_poi_fit(*histfactory, 1.0)
    np.testing.assert_allclose(
        held[0].twice_nll - held[1].twice_nll, twice_log_width, rtol=1e-9
    )
    pairs = [
        fitkit.uncertainties(model, result.params, data)
        for (model, data), result in ((tilted, ours), (histfactory, theirs))
    ]
    np.testing.assert_allclose(pairs[0]["mu"], pairs[1]["mu"], rtol=1e-7)
    np.testing.assert_allclose(pairs[0]["tilt"], WIDTH * pairs[1]["tilt"], rtol=1e-7)


def test_own_modifier_is_tested_as_a_histosys(tilted, histfactory):
    ours, theirs = (fitkit.hypotest(*each, 1.0) for each in (tilted, histfactory))
    np.testing.assert_allclose(ours.cls, theirs.cls, rtol=1e-7)
    np.testing.assert_allclose(ours.cls_expected, theirs.cls_expected, rtol=1e-7)


@pytest.mark.slow
def test_limit_with_an_own_modifier_is_that_with_a_histosys(tilted, histfactory):
    ours, theirs = (fitkit.upper_limit(*each) for each in (tilted, histfactory))
    np.testing.assert_allclose(ours.observed, theirs.observed, rtol=1e-6)
    np.testing.assert_allclose(ours.expected, theirs.expected, rtol=1e-6)


def test_gradient_through_the_fit_of_an_own_model(tilted):
    model, data = tilted

    def best(counts):
        return fitkit.fit(model, Data({"SR": counts}, data.aux)).params["mu"]

    gradient = jax.grad(best)(jnp.asarray(OBSERVED))
    step = 1e-4
    for i in range(3):
        high, low = (
            best(jnp.asarray(OBSERVED).at[i].add(sign * step)) for sign in (1, -1)
        )
        np.testing.assert_allclose(gradient[i], (high - low) / (2 * step), rtol=1e-6)
