"""The steps of one stage, one after the other: batches, bandwidths, states."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

from .._custom_types import Rows, Scalar
from .._events import Dataset, SampleKey, StoredDataset, batch, batches
from .._events.split import Totals
from .._gradient import (
    TrainingModel,
    needs_model,
    pseudo_events,
    statistics_for,
)
from .._pipeline import Pipeline
from .._templates import templates_of_counted
from .diagnosis import locate
from .stage import Stage
from .state import TrainState, advance, advance_stored

# Arrays in the host's memory.
_HELD = np.ndarray | np.generic


class Step(NamedTuple):
    """One step of a stage, made or not.

    Args:
        number: from 0, within the stage.
        objective: its value before the step.
        bandwidth: of the step.
        state: after it, without what the rule for what is kept remembers; `None` where
            it could not be made.
        place: where it could not be made: channel, process and bin, if it is one.
    """

    number: int
    objective: float
    bandwidth: Scalar
    state: TrainState | None
    place: str = ""


def steps_of(
    state: TrainState,
    stage: Stage,
    dataset: Dataset | StoredDataset,
    events: Dataset | StoredDataset,
    totals: Totals,
    seed: int,
) -> Iterator[Step]:
    """The steps that are left of a stage. One that could not be made is the last.

    Args:
        state: where the stage stands.
        stage: what is done.
        dataset: all events.
        events: those that are scored, on the device; stored ones as they are.
        totals: sums of weights of all events.
        seed: of the batches.
    """
    first = int(state.stage_step)
    draw: Iterator[Mapping[SampleKey, Rows] | None] = itertools.repeat(None)
    if stage.batch_size is not None:
        # Each stage draws anew, and a resumed one as it would have.
        _check_in_memory(dataset)
        draws = seed + 1_000_003 * int(state.stage)
        draw = batches(dataset, stage.batch_size, seed=draws, start=first)
    of_model = needs_model(stage.objective)
    model_of = _model_of(state.pipeline, stage, dataset) if of_model else None
    pipeline, memory = state.pipeline, (state.objective, state.optimiser)
    for step, rows in zip(range(first, stage.steps), draw, strict=False):
        width = _bandwidth(stage.bandwidth, step, pipeline)
        if not width > 0:
            yield Step(step, np.nan, width, None)
            return
        how = (
            model_of,
            width,
            stage.objective,
            stage.optimiser,
            stage.chunk_size,
            stage.logarithm and of_model,
        )
        if isinstance(events, StoredDataset):
            done = advance_stored(pipeline, memory, events, *how)
        else:
            done = advance(pipeline, memory, events, rows, totals, *how)
        pipeline, memory, value, finite = done
        if not finite and isinstance(events, StoredDataset):
            yield Step(step, float(value), width, None)
            return
        if not finite:
            seen = events if rows is None else batch(events, rows, totals)
            objective = eqx.combine(memory[0], stage.objective)
            place = locate(pipeline.with_bandwidth(width), seen, objective, model_of)
            yield Step(step, float(value), width, None, place)
            return
        new = TrainState(
            pipeline,
            *memory,
            None,
            state.stage,
            np.asarray(step + 1),
            state.step + (step + 1 - first),
        )
        yield Step(step, float(value), width, new)


def _check_in_memory(dataset: Dataset | StoredDataset) -> None:
    """Batches are drawn from events in memory."""
    if isinstance(dataset, StoredDataset):
        raise ValueError(
            "`Stage(batch_size=...)` draws events at random, which are read from disk "
            "in their order: leave it out for the exact gradient of all events, or "
            "train on `dataset.in_memory()`."
        )


def _model_of(
    pipeline: Pipeline, stage: Stage, dataset: Dataset | StoredDataset
) -> TrainingModel:
    measurement, added, counted = pipeline.measurement, {}, {}
    if stage.pseudo_events:
        added = pseudo_events(dataset, measurement.signals, stage.pseudo_events)
    if isinstance(dataset, Dataset):
        counted = templates_of_counted(dataset)
    # Onto the device once, not in every step.
    return jax.tree.map(
        lambda leaf: jnp.asarray(leaf) if isinstance(leaf, _HELD) else leaf,
        TrainingModel(
            measurement,
            added,
            counted,
            statistics_for(stage.objective),
            stage.nuisances_fixed,
        ),
    )


def _bandwidth(
    bandwidth: float | Callable[[int], ArrayLike] | None, step: int, pipeline: Pipeline
) -> Scalar:
    # An array, always of one type: a Python number would be compiled into the step.
    if bandwidth is None:
        return pipeline.binning.bandwidth.value
    return jnp.asarray(bandwidth(step) if callable(bandwidth) else bandwidth, float)
