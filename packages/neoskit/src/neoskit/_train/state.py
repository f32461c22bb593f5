"""Where a training stands, and the step that moves it on."""

from collections.abc import Mapping
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Int, PyTree

import fitkit

from .._custom_types import Rows, Scalar
from .._events import Dataset, SampleKey, batch
from .._events.split import Totals
from .._gradient import (
    AbstractEventObjective,
    value_and_gradient,
    value_and_gradient_chunked,
)
from .._objectives import Objective
from .._pipeline import Pipeline, trained_leaves


@final
class TrainState(eqx.Module):
    """All that a training needs to go on.

    Args:
        pipeline: as trained so far, with the bandwidth of the last step.
        optimiser: the optimiser's own state.
        step: how many steps are done.
    """

    pipeline: Pipeline
    optimiser: PyTree
    step: Int[Array, ""]


def initial_state(
    pipeline: Pipeline, optimiser: optax.GradientTransformation
) -> TrainState:
    """The state before the first step."""
    trained = eqx.filter(pipeline, trained_leaves(pipeline))
    return TrainState(pipeline, optimiser.init(trained), jnp.asarray(0))


@final
class Logarithm(eqx.Module):
    """The logarithm of an objective: the same minimum, another scale of gradient.

    An expected CLs falls by five orders of magnitude in the first steps, and with it
    its gradient: Adam, which divides by the root of past squared gradients, would
    coast on for tens of steps in the direction of the first ones and then stand still.
    """

    objective: Objective

    def __call__(self, model: fitkit.Model) -> Scalar:
        return jnp.log(self.objective(model))


@eqx.filter_jit
def advance(
    state: TrainState,
    dataset: Dataset,
    rows: Mapping[SampleKey, Rows] | None,
    totals: Totals,
    bandwidth: Scalar,
    objective: Objective | AbstractEventObjective,
    optimiser: optax.GradientTransformation,
    chunk: int | None,
) -> tuple[TrainState, Scalar, Bool[Array, ""]]:
    """One step: compiled once for all steps, also while the bandwidth changes.

    Returns:
        The new state, the value of the objective before the step, and whether what is
        minimised and its gradient were finite. Where not, the parameters stay.
    """
    pipeline = state.pipeline.with_bandwidth(bandwidth)
    if rows is not None:
        dataset = batch(dataset, rows, totals)
    if chunk is None:
        value, gradient = value_and_gradient(pipeline, dataset, objective)
    else:
        value, gradient = value_and_gradient_chunked(
            pipeline, dataset, objective, chunk=chunk
        )
    # Looked at inside the program: one bit comes back to the loop, not the gradient.
    parts = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((value, gradient))]
    finite = jnp.stack(parts).all()
    # Optimisers with weight decay pull at all that they are given.
    trained = eqx.filter(pipeline, trained_leaves(pipeline))
    updates, memory = optimiser.update(gradient, state.optimiser, trained)
    moved = TrainState(eqx.apply_updates(pipeline, updates), memory, state.step + 1)
    stays = TrainState(pipeline, state.optimiser, state.step)

    # The step is made either way, and then taken or not: a compiled program cannot
    # raise, and the loop that does needs the parameters of before.
    def choose(new: PyTree, old: PyTree) -> PyTree:
        return jnp.where(finite, new, old) if eqx.is_array(new) else new

    # What is told is the objective itself, whichever scale was minimised on.
    if isinstance(objective, Logarithm):
        value = jnp.exp(value)
    return jax.tree.map(choose, moved, stays), value, finite
