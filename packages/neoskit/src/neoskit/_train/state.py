"""Where a training stands, and the step that moves it on."""

from collections.abc import Mapping
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Int, PyTree

import relaxed

from .._custom_types import Rows, Scalar
from .._events import Dataset, SampleKey, StoredDataset, batch
from .._events.split import Totals
from .._gradient import (
    AnyObjective,
    TrainingModel,
    of_batch,
    of_chunks,
    of_stored,
    trained_of,
)
from .._pipeline import Pipeline, trained_leaves
from .keep import AbstractKeep, KeepLast
from .stage import Stage


@final
class TrainState(eqx.Module):
    """All that a training needs to go on.

    Args:
        pipeline: as trained so far, with the bandwidth of the last step.
        objective: what the stage's objective itself trains (an adversary), else empty.
        optimiser: the optimiser's own state.
        kept: what the rule for what is kept remembers.
        stage: the number of the stage, from 0; that of all stages at the end.
        stage_step: how many steps of the stage are done.
        step: how many steps are done in all.
    """

    pipeline: Pipeline
    objective: PyTree
    optimiser: PyTree
    kept: PyTree
    stage: Int[np.ndarray, ""]
    stage_step: Int[np.ndarray, ""]
    step: Int[np.ndarray, ""]


def initial_state(
    pipeline: Pipeline,
    stage: Stage,
    keep: AbstractKeep | None = None,
    *,
    number: int = 0,
    step: int = 0,
) -> TrainState:
    """The state before the first step of a stage.

    Args:
        pipeline: where the stage starts.
        stage: the stage.
        keep: the rule for what is kept; `KeepLast()` by default.
        number: of the stage.
        step: how many steps were done in earlier stages.
    """
    trained = eqx.filter(pipeline, trained_leaves(pipeline))
    objective = eqx.filter(stage.objective, trained_of(stage.objective))
    keep = KeepLast() if keep is None else keep
    return TrainState(
        pipeline,
        objective,
        stage.optimiser.init((trained, objective)),
        keep.start(pipeline),
        np.asarray(number),
        np.asarray(0),
        np.asarray(step),
    )


@eqx.filter_jit
def advance(
    pipeline: Pipeline,
    memory: tuple[PyTree, PyTree],
    dataset: Dataset,
    rows: Mapping[SampleKey, Rows] | None,
    totals: Totals,
    model_of: TrainingModel | None,
    bandwidth: Scalar,
    objective: AnyObjective,
    optimiser: optax.GradientTransformation,
    chunk: int | None,
    logarithm: bool,
) -> tuple[Pipeline, tuple[PyTree, PyTree], Scalar, Bool[Array, ""]]:
    """One step: compiled once for all steps, also while the bandwidth changes.

    Args:
        pipeline: before the step.
        memory: what the objective trains, and the optimiser's state.
        dataset: all events that are scored.
        rows: those of a batch.
        totals: sums of weights of all events.
        model_of: makes the model that the objective sees, if it sees one.
        bandwidth, objective, optimiser, chunk, logarithm: of the stage.

    Returns:
        Pipeline and memory after the step, the value of the objective before it, and
        whether what is minimised, its gradient and the step that it leads to were
        finite. Where not, all stays.
    """
    theirs, remembered = memory
    pipeline = pipeline.with_bandwidth(bandwidth)
    objective = eqx.combine(theirs, objective)
    if rows is not None:
        dataset = batch(dataset, rows, totals)
    # What is not finite is looked at below: a program that could raise would wait for
    # Python, and Python for it.
    with relaxed.errors_as_nan():
        if chunk is None:
            value, gradient = of_batch(
                pipeline, dataset, objective, model_of, logarithm
            )
        else:
            value, gradient = of_chunks(
                pipeline, dataset, objective, chunk, model_of, logarithm
            )
    return _moved(pipeline, theirs, remembered, value, gradient, optimiser, logarithm)


def advance_stored(
    pipeline: Pipeline,
    memory: tuple[PyTree, PyTree],
    dataset: StoredDataset,
    model_of: TrainingModel | None,
    bandwidth: Scalar,
    objective: AnyObjective,
    optimiser: optax.GradientTransformation,
    chunk: int | None,
    logarithm: bool,
) -> tuple[Pipeline, tuple[PyTree, PyTree], Scalar, Bool[Array, ""]]:
    """The same step on events on disk: what is compiled is one chunk, and the move.

    Args, returns: as of `advance`.
    """
    theirs, remembered = memory
    pipeline = pipeline.with_bandwidth(bandwidth)
    objective = eqx.combine(theirs, objective)
    value, gradient = of_stored(
        pipeline, dataset, objective, chunk, model_of, logarithm
    )
    return _moved_compiled(
        pipeline, theirs, remembered, value, gradient, optimiser, logarithm
    )


def _moved(
    pipeline: Pipeline,
    theirs: PyTree,
    remembered: PyTree,
    value: Scalar,
    gradient: PyTree,
    optimiser: optax.GradientTransformation,
    logarithm: bool,
) -> tuple[Pipeline, tuple[PyTree, PyTree], Scalar, Bool[Array, ""]]:
    # Optimisers with weight decay pull at all that they are given.
    trained = eqx.filter(pipeline, trained_leaves(pipeline)), theirs
    updates, moved = optimiser.update(gradient, remembered, trained)
    after = eqx.apply_updates((pipeline, theirs), updates)
    # Looked at inside the program: one bit comes back to the loop, not the gradient.
    # A finite gradient may still lead to parameters that are not.
    parts = [
        jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((value, gradient, updates))
    ]
    finite = jnp.stack(parts).all()

    # The step is made either way, and then taken or not: a compiled program cannot
    # raise, and the loop that does needs the parameters of before.
    def choose(new: PyTree, old: PyTree) -> PyTree:
        return jnp.where(finite, new, old) if eqx.is_array(new) else new

    (pipeline, theirs), remembered = jax.tree.map(
        choose, (after, moved), ((pipeline, theirs), remembered)
    )
    # What is told is the objective itself, whichever scale was minimised on.
    value = jnp.exp(value) if logarithm else value
    return pipeline, (theirs, remembered), value, finite


_moved_compiled = eqx.filter_jit(_moved)
