"""Objectives against published tables, closed forms and fitkit's own tests."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit
from neoskit import (
    Logarithm,
    Measurement,
    ModelObjective,
    binary_cross_entropy,
    discovery_pvalue,
    discovery_significance,
    expected_cls,
    expected_limit,
    generalised_variance,
    poi_variance,
)
from neoskit._gradient import statistics_for


def two_bins(u, d):
    """Two bins whose background moves by ±u up and ±d down (code 0)."""
    signal = fitkit.Sample("s", jnp.array([5.0, 11.0]), (fitkit.NormFactor("mu"),))
    shape = fitkit.HistoSys(
        "shape", lo=jnp.stack([50.0 + d, 50.0 - d]), hi=jnp.stack([50.0 + u, 50.0 - u])
    )
    background = fitkit.Sample("b", jnp.array([50.0, 50.0]), (shape,))
    channel = fitkit.Channel("SR", [signal, background])
    return fitkit.Model([channel], poi="mu", histosys_code="0")


@eqx.filter_jit
def numbers(u, d):
    model = two_bins(u, d)
    return (
        expected_cls(model),
        discovery_pvalue(model),
        jnp.sqrt(poi_variance(model)),
        jnp.sqrt(poi_variance(model, mu=0.0)),
        generalised_variance(model, mu=0.0),
    )


# arXiv:2203.05570's two-bin problem, computed independently with pyhf and by scanning
# the likelihood; six digits are given.
@pytest.mark.parametrize(
    ("u", "d", "expected"),
    [
        (0.0, 0.0, (0.10796, 0.048812, 0.64043, 0.58521, 0.34247)),
        (5.0, -5.0, (0.11607, 0.054206, 0.65499, 0.60412, 0.18248)),
        (10.0, -10.0, (0.12263, 0.057341, 0.66537, 0.61639, 0.075988)),
    ],
)
def test_the_two_bin_problem(u, d, expected):
    found = [float(x) for x in numbers(jnp.asarray(u), jnp.asarray(d))]
    assert found == pytest.approx(expected, rel=1e-4)


def test_the_medians_are_those_of_the_full_tests():
    model = two_bins(jnp.asarray(5.0), jnp.asarray(-3.0))
    background = model.expected_data({**model.init, "mu": 0.0})
    for statistic in (fitkit.QMu(), fitkit.QMuTilde()):
        test = fitkit.hypotest(model, background, 1.0, statistic=statistic)
        median = float(test.cls_expected[2])
        assert float(expected_cls(model)) == pytest.approx(median, rel=1e-8)
    signal = model.expected_data({**model.init, "mu": 1.0})
    z = float(fitkit.discovery(model, signal).significance_expected[2])
    assert float(discovery_significance(model)) == pytest.approx(z, rel=1e-8)


def counting(signal, background):
    channel = fitkit.Channel(
        "SR",
        [
            fitkit.Sample("s", jnp.stack([signal]), (fitkit.NormFactor("mu"),)),
            fitkit.Sample("b", jnp.stack([background])),
        ],
    )
    return fitkit.Model([channel], poi="mu")


@pytest.mark.parametrize("mu", [0.5, 1.0, 2.0])
def test_a_counting_experiment_has_closed_forms(mu):
    s, b = jnp.asarray(10.0), jnp.asarray(50.0)
    model = counting(s, b)
    z0 = fitkit.asimov_significance(mu * s, b)
    assert float(discovery_significance(model, mu)) == pytest.approx(float(z0))
    q = 2 * (mu * s - b * np.log1p(mu * s / b))
    cls = 2 * (1 - jax.scipy.stats.norm.cdf(np.sqrt(q)))
    assert float(expected_cls(model, mu)) == pytest.approx(float(cls))
    assert float(poi_variance(model, mu)) == pytest.approx(float((mu * s + b) / s**2))


def test_fixed_parameters_are_no_part_of_the_generalised_variance():
    channel = fitkit.Channel(
        "SR",
        [
            fitkit.Sample("s", [5.0, 5.0], (fitkit.NormFactor("mu"),)),
            # The second bin has no statistical error, so its factor is fixed.
            fitkit.Sample("b", [50.0, 50.0], (fitkit.StatError("stat", [5.0, 0.0]),)),
        ],
    )
    model = fitkit.Model([channel], poi="mu")
    # By hand, in (μ, γ₁), with ν = 55 in both bins: a Poisson and a Gaussian (10 %).
    information = np.array([[2 * 25 / 55, 250 / 55], [250 / 55, 2500 / 55 + 100]])
    expected = 1 / np.linalg.det(information)
    assert float(generalised_variance(model)) == pytest.approx(expected)


def test_a_fit_without_a_minimum_gives_nan_inside_jit():
    # A negative expectation has no likelihood.
    value = jax.jit(lambda b: expected_cls(counting(jnp.asarray(1.0), b)))(-5.0)
    assert jnp.isnan(value)


def test_a_model_without_poi_is_an_error():
    channel = fitkit.Channel("SR", [fitkit.Sample("b", [5.0])])
    with pytest.raises(ValueError, match=r"Measurement\(poi"):
        expected_cls(fitkit.Model([channel], poi=None))


@pytest.mark.parametrize(
    "objective",
    [
        expected_cls,
        expected_limit,
        discovery_pvalue,
        poi_variance,
    ],
)
def test_profiled_statistics_are_the_same(pipeline, control, objective):
    assert objective.statistics == "profiled"
    measurement = Measurement(("signal",))
    templates = pipeline.hard_templates(control)
    ours, theirs = (
        objective(measurement.model(templates, statistics=statistics))
        for statistics in ("profiled", "parameters")
    )
    assert float(ours) == pytest.approx(float(theirs), rel=1e-9)


def test_the_gradient_with_profiled_statistics(pipeline, control):
    measurement = Measurement(("signal",))
    templates = jax.tree.map(jnp.asarray, pipeline.hard_templates(control))

    def gradient(statistics):
        @jax.jit
        @jax.grad
        def of(templates):
            model = measurement.model(templates, statistics=statistics)
            return jnp.log(expected_cls(model))

        return jax.tree.leaves(of(templates))

    for ours, theirs in zip(gradient("profiled"), gradient("parameters"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def test_statistics_are_profiled_where_all_terms_allow_it():
    def own(model):
        return model.expected_data(model.init).main["SR"].sum()

    profiled = [
        expected_cls,
        functools.partial(expected_cls, mu=2.0),
        Logarithm(expected_limit),
        expected_cls + 20 * binary_cross_entropy,
    ]
    assert {statistics_for(each) for each in profiled} == {"profiled"}
    parameters = [
        own,
        generalised_variance,
        binary_cross_entropy,
        expected_cls + ModelObjective(own),
    ]
    assert {statistics_for(each) for each in parameters} == {"parameters"}
