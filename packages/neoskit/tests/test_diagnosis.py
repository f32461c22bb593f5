"""A step that cannot be made: where it fails, and what is kept."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neoskit
from neoskit import Dataset, Events, Process, Stage, TrainingFailed, train


def leaves(tree):
    return jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))


def log_background(model):
    """Minus infinity where a bin has no background."""
    return jnp.log(model.expected_data({**model.init, "mu": jnp.zeros(())}).main["SR"])


def failing(pipeline, dataset, objective, **options):
    options = {"pseudo_events": 0.0, "logarithm": False, "steps": 3, **options}
    with pytest.raises(TrainingFailed) as failure:
        train(pipeline, dataset, Stage(objective, **options), progress=False)
    return str(failure.value), failure.value.training


@pytest.fixture
def wide(pipeline):
    """A last bin that no score reaches."""
    binning = neoskit.Binning([0.0, 0.5, 40.0, 50.0], bandwidth=0.1)
    return neoskit.Pipeline(pipeline.observable, binning, pipeline.measurement)


def test_a_bin_without_background_is_named(pipeline):
    def at(score):
        return Process(Events(np.full((50, 1), score)))

    dataset = Dataset({"SR": {"signal": at(0.8), "W": at(0.2)}})
    apart = neoskit.Pipeline(
        neoskit.FeatureScore(0),
        # The edges are what is trained.
        neoskit.Binning(neoskit.LearnedEdges([0.0, 0.5, 1.0]), bandwidth=1e-3),
        pipeline.measurement,
    )
    said, _ = failing(apart, dataset, lambda model: log_background(model).sum())
    assert "stopped at step 0: the objective is not finite (-inf" in said
    assert "Channel 'SR', bin 1: 50 signal events and no background." in said


@pytest.mark.slow
def test_a_bin_with_an_infinite_derivative_is_named(wide, blobs):
    said, _ = failing(wide, blobs, lambda model: log_background(model).sum())
    assert "Channel 'SR', process 'background', bin 2: it has the derivative" in said


def test_an_observable_that_is_not_finite_is_named(pipeline, blobs):
    broken = eqx.tree_at(
        lambda p: p.observable.network.layers[-1].bias,
        pipeline,
        jnp.full(1, jnp.nan),
    )
    said, _ = failing(broken, blobs, neoskit.binary_cross_entropy)
    assert "What the observable says is not finite for 400 of 400 events" in said
    assert "process 'background' in the channel 'SR'" in said


@pytest.mark.slow
def test_a_derivative_that_does_not_exist_is_laid_at_the_first_bin(pipeline, blobs):
    def nothing(model):
        return jnp.nan * model.expected_data(model.init).main["SR"].sum()

    said, _ = failing(pipeline, blobs, nothing)
    assert "process 'background', bin 0: it has the derivative nan" in said


def test_a_finite_gradient_may_lead_nowhere(pipeline, blobs):
    """And the parameters that are kept are those of before."""
    said, training = failing(
        pipeline, blobs, neoskit.binary_cross_entropy, optimiser=optax.sgd(jnp.inf)
    )
    assert "the gradient is not finite, or the parameters that it leads to" in said
    for kept, start in zip(leaves(training.pipeline), leaves(pipeline), strict=True):
        np.testing.assert_array_equal(kept, start)
