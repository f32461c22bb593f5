"""Asymptotic tails against the distributions that they are the tails of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import fitkit
from fitkit._hypotest.asymptotics import expected_tails, observed_tails

EVERY = [
    fitkit.QMu(),
    fitkit.QMuTilde(),
    fitkit.TMu(),
    fitkit.TMuTilde(),
]


def gaussian(statistic, best, tested):
    """The statistic of a best fit with a width of 1 (arXiv:1007.1727, section 3)."""
    best = np.asarray(best)
    if statistic.physical:
        # below 0 the likelihood is highest at 0
        q = np.where(best < 0, tested**2 - 2 * tested * best, (best - tested) ** 2)
    else:
        q = (best - tested) ** 2
    return q if statistic.two_sided else np.where(best < tested, q, 0.0)


@pytest.mark.parametrize("statistic", EVERY, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("tested", [0.7, 2.0])
def test_tails_are_those_of_the_distribution(statistic, tested):
    # The best fit on a fine grid of quantiles: the tail is a sum over it.
    grid = (np.arange(400_000) + 0.5) / 400_000
    normal = np.asarray(jax.scipy.special.ndtri(grid))
    under = {mu: gaussian(statistic, mu + normal, tested) for mu in (tested, 0.0)}
    for q in (0.2, 1.0, 3.0, 6.0):
        tails = observed_tails(statistic, jnp.array(q), jnp.array(tested**2))
        for log_tail, mu in ((tails.log_cl_sb, tested), (tails.log_cl_b, 0.0)):
            # the grid's spacing in probability
            np.testing.assert_allclose(
                jnp.exp(log_tail), np.mean(under[mu] > q), atol=1e-5
            )


@pytest.mark.parametrize("statistic", EVERY, ids=lambda s: type(s).__name__)
def test_the_band_is_the_test_of_its_outcomes(statistic):
    tested = 3.0  # so far from 0 that no outcome of the band is beyond it
    band = expected_tails(statistic, jnp.array(tested**2), fitkit.Asymptotics())
    for i, outcome in enumerate((-2.0, -1.0, 0.0, 1.0, 2.0)):
        q = (tested - outcome) ** 2
        # below 0 a one-sided band takes the formula of an unrestricted best fit
        free = fitkit.TMu() if statistic.two_sided else fitkit.QMu()
        same = statistic if statistic.two_sided else free
        tails = observed_tails(same, jnp.array(q), jnp.array(tested**2))
        np.testing.assert_allclose(band.log_cls[i], tails.log_cls, rtol=1e-12)


def test_two_sided_statistics_of_m0():
    """Published: t = q = 3.9549891 and t~ = q~ = 3.93824492 at mu = 1."""
    model = fitkit.uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0])
    data = model.data({"singlechannel": [51.0, 48.0]})
    wide = {model.poi: (-10.0, 10.0)}
    two, one = (
        fitkit.hypotest(model.with_bounds(wide), data, 1.0, statistic=s)
        for s in (fitkit.TMu(), fitkit.QMu())
    )
    np.testing.assert_allclose(two.statistic, 3.9549891, atol=2e-5)
    np.testing.assert_allclose(two.statistic, one.statistic, rtol=1e-12)
    np.testing.assert_allclose(two.cl_sb, 2 * one.cl_sb, rtol=1e-12)
    restricted = fitkit.hypotest(model, data, 1.0, statistic=fitkit.TMuTilde())
    np.testing.assert_allclose(restricted.statistic, 3.93824492, atol=2e-5)
    # an excess is evidence against a strength of 0.1, too: not so one-sided
    excess = model.data({"singlechannel": [75.0, 80.0]})
    assert fitkit.hypotest(model, excess, 0.1, statistic=fitkit.TMu()).cl_sb < 0.05
    assert fitkit.hypotest(model, excess, 0.1, statistic=fitkit.QMu()).cl_sb >= 0.5


def test_a_limit_needs_a_one_sided_statistic():
    model = fitkit.uncorrelated_background([12.0], [50.0], [3.0])
    data = model.data({"singlechannel": [51.0]})
    with pytest.raises(ValueError, match="statistic for exclusion"):
        fitkit.upper_limit(model, data, statistic=fitkit.TMu())


@pytest.mark.parametrize(("count", "tail"), [(100.0, 0.0), (265.0, 1e-200)])
def test_logarithms_where_probabilities_underflow(count, tail):
    """A signal of 1000 events that is not there."""
    samples = [
        fitkit.Sample("signal", [1000.0], (fitkit.NormFactor("mu"),)),
        fitkit.Sample("background", [100.0]),
    ]
    model = fitkit.Model([fitkit.Channel("SR", samples)], poi="mu")
    result = fitkit.hypotest(model, model.data({"SR": [count]}), 1.0)
    distance = 2 * (1000 - 100 * np.log(1100 / 100))
    q = 2 * (1100 - count - count * np.log(1100 / count))
    log_sb = stats.norm.logsf(np.sqrt(q))
    log_b = stats.norm.logsf(np.sqrt(q) - np.sqrt(distance))
    np.testing.assert_allclose(result.log_cl_sb, log_sb, rtol=1e-9)
    # within 1e-6 standard deviations: q is a difference of likelihoods of 1e3
    np.testing.assert_allclose(result.log_cl_b, log_b, rtol=1e-6)
    np.testing.assert_allclose(result.log_cls, log_sb - log_b, rtol=1e-9)
    assert bool(jnp.isfinite(result.log_cls_expected).all())
    if tail == 0.0:
        assert float(result.cl_sb) < 1e-307, "below what a float can be"
    else:
        assert 1e-205 < float(result.cl_sb) < 1e-195
        np.testing.assert_allclose(result.cls, np.exp(log_sb - log_b))
