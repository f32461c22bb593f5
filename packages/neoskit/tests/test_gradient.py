"""Every derivative of every objective agrees with finite differences, in float64."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit
import neoskit
from neoskit import (
    Measurement,
    Pipeline,
    value_and_gradient,
    value_and_gradient_chunked,
)


def sharp_limit(model):
    """The expected limit, to more digits than a finite difference asks for."""
    return fitkit.expected_limit(model, tolerance=1e-13)


OBJECTIVES = (
    neoskit.expected_cls,
    sharp_limit,
    neoskit.discovery_pvalue,
    neoskit.poi_variance,
    neoskit.generalised_variance,
)


@pytest.fixture
def rich(pipeline):
    """Every kind of systematic: shape, normalisation, free, luminosity, statistics."""
    measurement = Measurement(
        ("signal",),
        {
            "QCD": (fitkit.NormSys("qcd", 0.8, 1.25),),
            "W": (fitkit.NormFactor("w"),),
            "signal": (fitkit.Lumi(),),
        },
        settings={"lumi": fitkit.ParameterSettings(sigma=0.026)},
        mc_statistics=True,
    )
    return Pipeline(pipeline.observable, pipeline.binning, measurement)


def along(tree, seed):
    """A random direction in the space of a tree's arrays."""
    generator = np.random.default_rng(seed)
    return jax.tree.map(lambda x: generator.normal(size=x.shape), tree)


@pytest.mark.slow
def test_every_objective_by_network_edges_bandwidth_and_templates(rich, control):
    @eqx.filter_jit
    def values(at):
        layers, edges, bandwidth, shift = at
        edges = jnp.concatenate([jnp.zeros(1), edges, jnp.ones(1)])
        moved = eqx.tree_at(
            lambda p: (
                p.observable.network.layers,
                p.binning.edges.array.value,
                p.binning.bandwidth.value,
            ),
            rich,
            (layers, edges, bandwidth),
        )
        # Added to every template, variation and variance.
        templates = jax.tree.map(jnp.add, moved.templates(control), shift)
        model = rich.measurement.model(templates)
        return jnp.stack([objective(model) for objective in OBJECTIVES])

    filled = eqx.filter_jit(Pipeline.templates)(rich, control)
    at = (
        rich.observable.network.layers,
        rich.edges[1:-1],
        rich.binning.bandwidth.value,
        jax.tree.map(jnp.zeros_like, filled),
    )
    jacobian = eqx.filter_jit(jax.jacrev(values))(at)
    step = 1e-5
    for part, name in enumerate(("network", "edges", "bandwidth", "templates")):
        for seed in range(3):
            direction = list(jax.tree.map(jnp.zeros_like, at))
            direction[part] = along(at[part], seed)
            direction = tuple(direction)
            up, down = (
                values(jax.tree.map(lambda x, d, s=s: x + s * d, at, direction))
                for s in (step, -step)
            )
            numeric = (up - down) / (2 * step)
            exact = sum(
                jnp.sum(j * d, axis=range(1, j.ndim))
                for j, d in zip(
                    jax.tree.leaves(jacobian), jax.tree.leaves(direction), strict=True
                )
            )
            assert jnp.all(numeric != 0), name
            # The difference is wrong by h² × the third derivative / 6, below 1e-6 of
            # the first, and by the rounding of −2 ln L (1e-13) over the step.
            np.testing.assert_allclose(
                exact, numeric, rtol=2e-5, atol=1e-8, err_msg=f"{name} {seed}"
            )


def test_chunks_give_the_gradient_of_all_events(rich, control, rough_variance):
    whole = eqx.filter_jit(value_and_gradient)(rich, control, rough_variance)
    chunked = eqx.filter_jit(value_and_gradient_chunked)(
        rich, control, rough_variance, chunk=70
    )
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(chunked), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-15)


def test_learned_edges_get_a_gradient_and_fixed_ones_none(
    pipeline, blobs, rough_variance
):
    learned = Pipeline(
        pipeline.observable,
        neoskit.Binning(neoskit.LearnedEdges([0.0, 0.3, 0.6, 1.0]), bandwidth=0.1),
        pipeline.measurement,
    )
    _, gradient = eqx.filter_jit(value_and_gradient)(learned, blobs, rough_variance)
    assert jnp.any(gradient.binning.edges.raw != 0)
    assert gradient.binning.edges.low.value is None
    assert gradient.observable.network.mean.value is None
    assert gradient.binning.bandwidth.value is None


def test_zero_signal_from_the_network_is_finite(pipeline, blobs):
    def last(p):
        return p.observable.network.layers[-1]

    # All events score exactly 0.5; the bins look elsewhere.
    flat = eqx.tree_at(
        lambda p: (last(p).weight, last(p).bias),
        pipeline.with_edges([0.8, 0.9, 1.0]).with_bandwidth(jnp.asarray(1e-3)),
        replace_fn=jnp.zeros_like,
    )

    def both(model):
        return neoskit.expected_cls(model) + neoskit.discovery_pvalue(model)

    value, gradient = eqx.filter_jit(value_and_gradient)(flat, blobs, both)
    assert float(value) == pytest.approx(1.0 + 0.5)
    assert all(jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(gradient))


def test_a_chunk_has_an_event(pipeline, blobs, rough_variance):
    with pytest.raises(ValueError, match=r"chunk=...\)` must be at least 1; got 0"):
        value_and_gradient_chunked(pipeline, blobs, rough_variance, chunk=0)
