"""Simplified likelihoods: the equations of the papers, and the full model beside."""

import json

import jax
import numpy as np
import pytest
from scipy import optimize, stats

import fitkit
from fitkit import Channel, Model, NormFactor, NormSys, Sample

SIGNAL, BACKGROUND = np.array([10.0, 5.0, 2.0]), np.array([50.0, 40.0, 8.0])
COVARIANCE = np.array([[30.0, 12.0, 2.0], [12.0, 16.0, -1.0], [2.0, -1.0, 4.0]])
THIRD = np.array([120.0, -40.0, 6.0])
COUNTS = {"bins": [58.0, 43.0, 11.0]}


def by_equations(mean, covariance, third):
    """Eqs. 2.9 to 2.12 of arXiv:1809.05548 as they are printed."""
    m2 = np.diagonal(covariance)
    angle = 4 * np.pi / 3 + np.arctan(np.sqrt(8 * m2**3 / third**2 - 1)) / 3
    c = -np.sign(third) * np.sqrt(2 * m2) * np.cos(angle)
    b = np.sqrt(m2 - 2 * c**2)
    bb, cc = np.outer(b, b), np.outer(c, c)
    rho = (np.sqrt(bb**2 + 8 * cc * covariance) - bb) / (4 * cc)
    return mean - c, b, c, rho


def test_coefficients_are_those_of_the_equations():
    known = fitkit.SimplifiedLikelihood(
        SIGNAL, BACKGROUND, COVARIANCE, THIRD
    ).coefficients
    a, b, c, rho = by_equations(BACKGROUND, COVARIANCE, THIRD)
    np.testing.assert_allclose(known.constant, a, rtol=1e-12)
    np.testing.assert_allclose(known.linear, b, rtol=1e-12)
    # The printed forms cancel to 1e-15 of sqrt(2 m2), a hundred times what is left.
    np.testing.assert_allclose(known.quadratic, c, rtol=1e-11)
    np.testing.assert_allclose(known.correlation, rho, rtol=1e-10)
    # And back, by eqs. 2.6 to 2.8.
    for found, given in zip(
        known.moments(), (BACKGROUND, COVARIANCE, THIRD), strict=True
    ):
        np.testing.assert_allclose(found, given, rtol=1e-12)


def test_moments_of_random_backgrounds_come_back():
    """Any a, b, c and correlation: the moments, and from these the same again."""
    random = np.random.default_rng(7)
    for _ in range(20):
        bins = random.integers(2, 6)
        b = random.uniform(1.0, 5.0, bins)
        # The branch that eq. 2.9 picks: 2 |c| <= b.
        c = random.uniform(-0.3, 0.3, bins) * b
        root = random.normal(size=(bins, bins + 2))
        root /= np.linalg.norm(root, axis=1, keepdims=True)
        rho = root @ root.T
        mean = random.uniform(20.0, 80.0, bins)
        covariance = np.outer(b, b) * rho + 2 * np.outer(c, c) * rho**2
        third = 6 * b**2 * c + 8 * c**3
        known = fitkit.SimplifiedLikelihood(mean, mean, covariance, third).coefficients
        np.testing.assert_allclose(known.linear, b, rtol=1e-10)
        np.testing.assert_allclose(known.quadratic, c, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(known.correlation, rho, rtol=1e-9, atol=1e-12)


def test_the_likelihood_is_that_of_equation_2_4():
    """Plain SciPy: Poisson terms of the rates, a normal density of theta."""
    model = fitkit.SimplifiedLikelihood(SIGNAL, BACKGROUND, COVARIANCE, THIRD)
    data = model.data(COUNTS)
    a, b, c, rho = by_equations(BACKGROUND, COVARIANCE, THIRD)

    def plain(theta, mu):
        rate = mu * SIGNAL + a + b * theta + c * theta**2
        if (rate <= 0).any():
            return np.inf
        main = stats.poisson.logpmf(COUNTS["bins"], rate).sum()
        return -2 * (main + stats.multivariate_normal.logpdf(theta, cov=rho))

    found = []
    for mu in (0.0, 0.7, 2.0):
        best = optimize.minimize(
            plain, np.zeros(3), (mu,), method="BFGS", options={"gtol": 1e-8}
        )
        ours = fitkit.fixed_poi_fit(model, data, mu)
        theta = model.coefficients.root @ ours.params["theta"]
        # BFGS with numerical derivatives.
        np.testing.assert_allclose(theta, best.x, atol=1e-5)
        found.append(float(ours.twice_nll) - best.fun)
    # Constant in all parameters: densities of theta and of independent directions.
    np.testing.assert_allclose(found, found[0], rtol=0, atol=1e-8)


def test_derivatives():
    model = fitkit.SimplifiedLikelihood(SIGNAL, BACKGROUND, COVARIANCE, THIRD)
    likelihood = model.negative_log_likelihood(model.data(COUNTS))
    y = np.array([0.7, 0.4, -0.8, 1.1])
    at = likelihood.derivatives(y)
    gradient, hessian = (
        jax.jit(of(likelihood.value))(y) for of in (jax.grad, jax.hessian)
    )
    np.testing.assert_allclose(at.gradient, gradient, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(at.hessian.dense(), hessian, rtol=1e-11, atol=1e-12)
    assert np.linalg.eigvalsh(at.convex.dense()).min() > 0


def test_one_bin_has_a_closed_form():
    """Profile of one bin without third moment: theta solves a quadratic equation."""
    b, sigma, s, n = 50.0, 5.0, 10.0, 64.0
    model = fitkit.SimplifiedLikelihood([s], [b], [[sigma**2]])
    data = model.data({"bins": [n]})

    def twice_nll(mu):
        # theta + sigma (1 - n/(B + sigma theta)) = 0 with B = mu s + b.
        total = mu * s + b
        p, q = total / sigma + sigma, total - n
        theta = (-p + np.sqrt(p**2 - 4 * q)) / 2
        rate = total + sigma * theta
        return 2 * (rate - n * np.log(rate)) + theta**2

    best = fitkit.fit(model, data)
    np.testing.assert_allclose(best.params["mu"], (n - b) / s, rtol=1e-8)
    for mu in (0.0, 1.0, 3.0):
        q = fitkit.fixed_poi_fit(model, data, mu).twice_nll - best.twice_nll
        np.testing.assert_allclose(q, twice_nll(mu) - twice_nll((n - b) / s), rtol=1e-9)


@pytest.fixture(scope="module")
def skewed():
    """Few large log-normal uncertainties: a background that is far from normal."""
    samples = [
        Sample("signal", [2.0, 6.0, 12.0], [NormFactor("mu")]),
        Sample("one", [60.0, 25.0, 6.0], [NormSys("xs", 0.7, 1 / 0.7, code="1")]),
        Sample(
            "two",
            [30.0, 20.0, 9.0],
            [NormSys("jes", 1 / 1.4, 1.4, code="1"), NormSys("lumi", 0.98, 1.02)],
        ),
    ]
    model = Model([Channel("SR", samples)])
    return model, model.data({"SR": [95.0, 50.0, 25.0]})


def test_moments_of_log_normal_yields_are_exact(skewed):
    """Of the paper's section 3.3: one log-normal background."""
    sample = Sample("b", [100.0], [NormSys("xs", 1 / 1.3, 1.3, code="1")])
    signal = Sample("s", [10.0], [NormFactor("mu")])
    model = Model([Channel("SR", [signal, sample])])
    simple, data = fitkit.simplified_likelihood(
        model, model.data({"SR": [110.0]}), samples=200_000
    )
    v = np.log(1.3) ** 2
    mean = 100 * np.exp(v / 2)
    variance = 100**2 * (np.exp(2 * v) - np.exp(v))
    third = 100**3 * (np.exp(4.5 * v) - 3 * np.exp(2.5 * v) + 2 * np.exp(1.5 * v))
    found = simple.moments
    # Statistical errors of 200 000 samples, four of them.
    error = np.sqrt(variance / 2e5)
    np.testing.assert_allclose(found[0], [mean], atol=4 * error)
    np.testing.assert_allclose(found[1], [[variance]], rtol=4 * np.sqrt(4 / 2e5))
    np.testing.assert_allclose(found[2], [third], rtol=0.1)
    np.testing.assert_allclose(simple.signal, [10.0])
    assert data.main["SR"] == [110.0]


def test_third_moments_bring_it_nearer_to_the_full_model(skewed):
    """The paper's test, section 5: t_mu of the full likelihood and of both others."""
    model, data = skewed
    mus = np.array([0.0, 0.5, 2.0, 3.0, 4.0])

    def statistics(model, data):
        best = fitkit.fit(model, data).twice_nll
        return np.array(
            [
                float(fitkit.fixed_poi_fit(model, data, mu).twice_nll - best)
                for mu in mus
            ]
        )

    full = statistics(model, data)
    quadratic, linear = (
        statistics(*fitkit.simplified_likelihood(model, data, third_moments=third))
        for third in (True, False)
    )
    off, worse = (np.abs(each - full).max() for each in (quadratic, linear))
    assert off < 0.5 * worse
    # What cubic terms and off-diagonal third moments leave.
    assert off < 0.1 * full.max()


def test_other_channels_constrain_the_chosen_ones():
    """A control region's data act through the covariance, and once alone."""
    k = NormFactor("k")
    signal = [Sample("signal", [5.0, 8.0], [NormFactor("mu")])]
    model = Model(
        [
            Channel("SR", [*signal, Sample("b", [40.0, 10.0], [k])]),
            Channel("CR", [Sample("b", [400.0], [k])]),
        ]
    )
    data = model.data({"SR": [52.0, 16.0], "CR": [440.0]})
    simple, own = fitkit.simplified_likelihood(model, data, "SR", third_moments=False)
    assert simple.channel_names == ("SR",)
    # k = 440/400 with the relative error 1/sqrt(440), one for both bins.
    mean, covariance, third = simple.moments
    np.testing.assert_allclose(mean, [44.0, 11.0], rtol=1e-9)
    width = np.array([44.0, 11.0]) / np.sqrt(440)
    np.testing.assert_allclose(covariance, np.outer(width, width), rtol=0.03)
    assert third is None
    assert simple.parameter_shapes["theta"] == (1,)  # one direction, two bins
    full = fitkit.upper_limit(model, data)
    ours = fitkit.upper_limit(simple, own)
    # A count of 440 is normal to a percent of its error.
    np.testing.assert_allclose(ours.observed, full.observed, rtol=5e-3)
    np.testing.assert_allclose(ours.expected, full.expected, rtol=1e-2)
    with pytest.raises(ValueError, match="do not determine 'k'"):
        fitkit.simplified_likelihood(model, data)


def test_all_that_takes_a_model_takes_it(tmp_path):
    model = fitkit.SimplifiedLikelihood(
        SIGNAL, BACKGROUND, COVARIANCE, THIRD, channels={"SR": 2, "VR": 1}
    )
    data = model.data({"SR": [58.0, 43.0], "VR": [11.0]})
    best = fitkit.fit(model, data)
    before = fitkit.predicted_yields(model)
    # Of the linear terms alone, as those of any model.
    linear = model.coefficients.linear
    np.testing.assert_allclose(before.error["SR"], linear[:2], rtol=1e-9)
    ranked = fitkit.impacts(model, data, best=best)
    assert {*ranked.names} == {"theta[0]", "theta[1]", "theta[2]"}
    masked = model.with_masked("VR")
    alone = fitkit.SimplifiedLikelihood(
        SIGNAL[:2], BACKGROUND[:2], COVARIANCE[:2, :2], THIRD[:2]
    )
    np.testing.assert_allclose(
        fitkit.upper_limit(masked, data).observed,
        fitkit.upper_limit(alone, alone.data({"bins": [58.0, 43.0]})).observed,
        rtol=2e-6,  # the default tolerance of a limit is 1e-6
    )
    path = tmp_path / "fit.npz"
    best.save(path, model, data)
    again = fitkit.FitResult.load(path, model, data)
    np.testing.assert_array_equal(again.y, best.y)
    assert 0 < float(fitkit.goodness_of_fit(model, data).p_value) < 1


def test_pseudo_experiments_have_the_moments():
    model = fitkit.SimplifiedLikelihood(SIGNAL, BACKGROUND, COVARIANCE, THIRD)
    random = np.random.default_rng(3)
    likelihood = model.negative_log_likelihood(model.data(COUNTS))
    y = np.array([1.0, 0.2, -0.1, 0.3])
    drawn = [likelihood.sample(random, y) for _ in range(4000)]
    counts = np.array([each.counts for each in drawn])
    rate = likelihood.expected(y).counts
    # Five standard errors of 4000.
    error = np.sqrt(rate / 4000)
    assert (np.abs(counts.mean(axis=0) - rate) < 5 * error).all()
    aux = np.array([each.aux for each in drawn])
    assert (aux[:, 0] == 0).all()
    np.testing.assert_allclose(aux[:, 1:].mean(axis=0), y[1:], atol=5 / np.sqrt(4000))
    np.testing.assert_allclose(aux[:, 1:].std(axis=0), 1.0, atol=0.08)


def test_results_have_gradients_by_the_signal():
    model = fitkit.SimplifiedLikelihood(SIGNAL, BACKGROUND, COVARIANCE, THIRD)
    data, mu = model.data(COUNTS), 2.0

    def smallest(signal):
        return fitkit.smallest_twice_nll(
            model.with_signal(signal), data, mu, on_host=True
        )

    best = fitkit.fixed_poi_fit(model, data, mu)
    value, slope = jax.value_and_grad(smallest)(SIGNAL)
    np.testing.assert_allclose(value, best.twice_nll, rtol=1e-12)
    # Envelope theorem: of the Poisson terms at the minimum alone.
    rate = model.expected_data(best.params).main["bins"]
    expected = 2 * mu * (1 - COUNTS["bins"] / rate)
    np.testing.assert_allclose(slope, expected, rtol=1e-7)


def test_written_and_read_again(tmp_path):
    model = fitkit.SimplifiedLikelihood(
        SIGNAL, BACKGROUND, COVARIANCE, THIRD, channels={"SR": 2, "VR": 1}, poi="r"
    )
    data = model.data({"SR": [58.0, 43.0], "VR": [11.0]})
    path = tmp_path / "simple.json"
    fitkit.write_simplified_likelihood(path, model, data)
    again, same = fitkit.read_simplified_likelihood(path)
    assert (again.layout, again.poi) == (model.layout, "r")
    assert fitkit.fit(again, same).twice_nll == fitkit.fit(model, data).twice_nll
    # As the reference code has it: the rows one after the other.
    document = json.loads(path.read_text())
    document["covariance"] = COVARIANCE.ravel().tolist()
    again, _ = fitkit.read_simplified_likelihood(document)
    np.testing.assert_array_equal(again.moments[1], COVARIANCE)


BROKEN = {
    "nbins": (4, "They must be the same"),
    "data": ([1.0, -2.0, 3.0], "not be negative"),
    "signal": ([1.0], "has shape"),
    "covariance": ([[1.0, 2.0], [3.0]], "3 rows of 3 numbers"),
    "third_moment": ([1e6, 0.0, 0.0], "third moment of bin 0"),
    "channels": ([{"name": "a", "bins": 2}], "has 2 bins"),
    "background": ("many", "background"),
    "sigma": ([1.0], "sigma"),
}


@pytest.mark.parametrize("key", BROKEN)
def test_broken_documents_are_told(key):
    value, message = BROKEN[key]
    document = {
        "nbins": 3,
        "data": [58.0, 43.0, 11.0],
        "signal": SIGNAL.tolist(),
        "background": BACKGROUND.tolist(),
        "covariance": COVARIANCE.tolist(),
        key: value,
    }
    with pytest.raises(fitkit.WorkspaceError, match=message):
        fitkit.read_simplified_likelihood(document)


def test_matrices_that_are_no_covariances_are_told():
    uneven = COVARIANCE + np.triu(np.ones((3, 3)), 1)
    with pytest.raises(ValueError, match="not symmetric"):
        fitkit.SimplifiedLikelihood(SIGNAL, BACKGROUND, uneven)
    with pytest.raises(ValueError, match="eigenvalue"):
        fitkit.SimplifiedLikelihood([1.0, 1.0], [9.0, 9.0], [[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(ValueError, match="variance of bin 1 is negative"):
        fitkit.SimplifiedLikelihood([1.0, 1.0], [9.0, 9.0], np.diag([1.0, -1.0]))


def test_a_bin_without_uncertainty():
    model = fitkit.SimplifiedLikelihood([5.0, 4.0], [20.0, 9.0], np.diag([4.0, 0.0]))
    assert model.parameter_shapes["theta"] == (1,)
    data = model.expected_data({"mu": 1.0, "theta": np.zeros(1)})
    np.testing.assert_allclose(fitkit.fit(model, data).params["mu"], 1.0, rtol=1e-7)
