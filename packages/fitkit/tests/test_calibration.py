"""Two thousand experiments: against closed-form profiles, and as often as promised.

The model is the two-bin uncorrelated background, where the profile over each bin's
factor is the root of a quadratic equation.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import fitkit

pytestmark = pytest.mark.slow

SIGNAL, BACKGROUND = np.array([12.0, 11.0]), np.array([50.0, 52.0])
TAU = (BACKGROUND / np.array([3.0, 7.0])) ** 2
EXPERIMENTS = 2000


@pytest.fixture(scope="module")
def model():
    return fitkit.uncorrelated_background(SIGNAL, BACKGROUND, [3.0, 7.0])


def experiments(strength, seed):
    """Counts and auxiliary counts, nuisances at nominal, `[experiments, bins]`."""
    rng = np.random.default_rng(seed)
    size = (EXPERIMENTS, 2)
    counts = rng.poisson(strength * SIGNAL + BACKGROUND, size).astype(float)
    return counts, rng.poisson(TAU, size).astype(float)


@pytest.fixture(scope="module")
def tested(model):
    """`tested(mu, counts, aux)`: all tests in one program."""

    @jax.jit
    @jax.vmap
    def test(mu, counts, aux):
        data = fitkit.Data({"singlechannel": counts}, {"uncorr_bkguncrt": aux})
        return fitkit.hypotest(model, data, mu, throw=False)

    def every(mu, counts, aux):
        result = test(jnp.full(len(counts), float(mu)), counts, aux)
        assert bool(result.converged.all())
        return result

    return every


# --- the closed form ----------------------------------------------------------------
def best_gamma(mu, n, m):
    """Root of n b / (mu s + g b) - b + m / g - tau = 0."""
    total = BACKGROUND + TAU
    a, c = total * BACKGROUND, m * mu * SIGNAL
    b = total * mu * SIGNAL - (n + m) * BACKGROUND
    return (-b + np.sqrt(b**2 + 4 * a * c)) / (2 * a)


def half_deviance(n, rate):
    return rate - n + _n_log_ratio(n, rate)


def _n_log_ratio(n, rate):
    return np.where(n > 0, n * np.log(np.where(n > 0, n, 1.0) / rate), 0.0)


def profile(mu, n, m):
    """Minus the log-likelihood ratio to the saturated model, least over gamma."""
    mu = np.asarray(mu, dtype=float)[..., None]
    gamma = best_gamma(mu, n, m)
    rate = mu * SIGNAL + gamma * BACKGROUND
    return np.sum(half_deviance(n, rate) + half_deviance(m, TAU * gamma), axis=-1)


def best_mu(n, m):
    """In [0, 10], by bisection of the slope (by the envelope theorem sum s (1 - n/nu),
    which rises)."""
    low, high = np.zeros(len(n)), np.full(len(n), 10.0)
    for _ in range(60):
        mu = (low + high) / 2
        rate = mu[:, None] * SIGNAL + best_gamma(mu[:, None], n, m) * BACKGROUND
        rises = np.sum(SIGNAL * (1 - n / rate), axis=1) > 0
        low, high = np.where(rises, low, mu), np.where(rises, mu, high)
    return (low + high) / 2


def closed_form(mu, n, m):
    """q-tilde, q_A, p_mu and CLs (arXiv:1007.1727, eqs. 16 and 64-66)."""
    best = best_mu(n, m)
    q = 2 * (profile(np.full(len(n), mu), n, m) - profile(best, n, m))
    q = np.where(best < mu, np.maximum(q, 0.0), 0.0)
    gamma = best_gamma(0.0, n, m)
    asimov = gamma * BACKGROUND, gamma * TAU
    q_a = 2 * profile(np.full(len(n), mu), *asimov)
    root, distance = np.sqrt(q), np.sqrt(q_a)
    beyond = q > q_a
    z_sb = np.where(beyond, (q + q_a) / (2 * distance), root)
    z_b = np.where(beyond, (q - q_a) / (2 * distance), root - distance)
    p = stats.norm.sf(z_sb)
    return q, q_a, p, p / stats.norm.sf(z_b)


def test_against_the_closed_form(tested):
    counts, aux = experiments(1.0, seed=1)
    result = tested(1.0, counts, aux)
    q, q_a, p, cls = closed_form(1.0, counts, aux)
    for found, expected in (
        (result.statistic, q),
        (result.statistic_asimov, q_a),
        (result.cl_sb, p),
        (result.cls, cls),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)
    assert np.mean(q > 0) > 0.4, "the comparison is not of zeros"


# --- frequencies ---------------------------------------------------------------------
@pytest.mark.parametrize("mu", [0.5, 1.0, 2.0])
def test_p_values_are_frequencies(tested, mu):
    result = tested(mu, *experiments(mu, seed=2))
    # 5 % of 2000 with a binomial error of 0.5 %
    assert abs(np.mean(result.cl_sb < 0.05) - 0.05) < 0.015


@pytest.mark.parametrize(
    ("mu", "coverage", "within"),
    [
        (0.0, 1.0, 0.0),
        (0.5, 0.9998, 0.0016),  # five binomial errors, here of 0.03 %
        (1.0, 0.979, 0.010),
        (2.0, 0.951, 0.015),
        (3.0, 0.949, 0.015),
    ],
)
def test_coverage_of_limits(tested, mu, coverage, within):
    """The true value is not excluded as often as 200 000 experiments tell."""
    result = tested(mu, *experiments(mu, seed=3))
    assert abs(np.mean(result.cls >= 0.05) - coverage) <= within


def test_band_contains_what_it_says(model, tested):
    nominal = fitkit.hypotest(model, fitkit.asimov_data(model, 0.0), 1.0)
    result = tested(1.0, *experiments(0.0, seed=4))
    for i, fraction in ((1, 0.16), (2, 0.50), (3, 0.84)):
        below = np.mean(result.cls < nominal.cls_expected[i])
        assert abs(below - fraction) < 0.035


# --- the same by pseudo-experiments --------------------------------------------------
def test_limit_by_toys(model):
    """Asymptotic formulae hold here (they cover), so toys agree within their errors."""
    data = model.data({"singlechannel": [51.0, 48.0]})
    toys = fitkit.Toys(jax.random.key(1), 2000, 1000)
    found = fitkit.upper_limit(model, data, calculator=toys)
    asymptotic = fitkit.upper_limit(model, data)
    assert found.converged.all()
    assert int(found.failed.sum()) == 0
    ours = np.append(found.observed, found.expected)
    theirs = np.append(asymptotic.observed, asymptotic.expected)
    errors = np.append(found.observed_error, found.expected_error)
    # 3 of their errors, and what asymptotic formulae are off by in the tails
    assert (np.abs(ours - theirs) < 3 * errors + 0.03 * theirs).all()
    # the lower end of the band, of experiments that few others reach, is known least
    assert (errors < np.array([0.1, 0.3, 0.1, 0.1, 0.1, 0.1]) * theirs).all()
    again = fitkit.hypotest(model, data, found.observed, calculator=toys)
    assert abs(float(again.cls) - 0.05) < float(again.cls_error)


def test_goodness_of_fit_by_toys(model):
    """One degree of freedom and large counts: the chi-squared distribution holds."""
    data = model.data({"singlechannel": [60.0, 35.0]})
    toys = fitkit.Toys(jax.random.key(2), 2000, 1000)
    # A strength that ends at 0 would be half a degree of freedom.
    wide = {"mu": (-4.0, 10.0)}
    found = fitkit.goodness_of_fit(model.with_bounds(wide), data, toys=toys)
    asymptotic = fitkit.goodness_of_fit(model.with_bounds(wide), data)
    difference = abs(float(found.p_value - asymptotic.p_value))
    assert difference < 4 * float(found.p_value_error)
    assert int(found.failed) == 0
