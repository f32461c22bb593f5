"""The loop around the step: stages, batches, monitoring, progress, interruption."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float

import fitkit

from .._checks import check_count
from .._custom_types import Rows, Scalar
from .._events import Dataset, SampleKey, batches, sums_of_weights
from .._gradient import AnyObjective, TrainingModel, needs_model, pseudo_events
from .._pipeline import Pipeline
from .._progress import progress_bar
from .keep import AbstractKeep, KeepLast, hard_loss
from .stage import Stage, Stages, stages_of
from .state import TrainState, advance, initial_state


@dataclass(frozen=True)
class Training:
    """What a training leaves behind.

    Args:
        state: pipeline, optimiser, stage and step at the end; give it to `train`, with
            the same stages, to go on.
        pipeline: the trained pipeline, as the rule for what is kept chose it.
        losses: the objective of the stage before each step, on that step's events with
            smooth bins.
        monitored: for each number that was followed its values on held-out events with
            hard bins, by the step after which they were taken (0 is before the first).
        interrupted: whether Ctrl-C ended it.
    """

    state: TrainState
    pipeline: Pipeline
    losses: Float[np.ndarray, " steps"]
    monitored: dict[str, dict[int, float]] = field(default_factory=dict)
    interrupted: bool = False

    def __repr__(self) -> str:
        done = int(self.state.step)
        last = f"loss {self.losses[-1]:.4g}" if len(self.losses) else "no steps"
        end = ", interrupted" if self.interrupted else ""
        followed = "".join(
            f", {name} {values[max(values)]:.4g}"
            for name, values in self.monitored.items()
            if values
        )
        return f"Training(step {done}: {last}{followed}{end})"


class TrainingFailed(RuntimeError):
    """A step could not be made: its objective or gradient was not finite.

    Args:
        message: what happened and what may help.
        training: everything up to the last good step.
    """

    def __init__(self, message: str, training: Training):
        super().__init__(message)
        self.training = training


Callback = Callable[[TrainState, dict[str, float]], None]
"""Called with the state and the newest numbers."""


def train(
    pipeline: Pipeline | TrainState,
    dataset: Dataset,
    stages: Stages,
    *,
    keep: AbstractKeep = KeepLast(),
    seed: int = 0,
    held_out: Dataset | None = None,
    monitor: Mapping[str, AnyObjective] | None = None,
    every: int = 1,
    callback: Callback | None = None,
    progress: bool = True,
) -> Training:
    """Train a pipeline's observable, and its edges if they are learned.

    Ctrl-C ends the training and keeps what was trained.

    Args:
        pipeline: where to start; the `state` of an earlier training goes on with it,
            and ends as if it had never been interrupted.
        dataset: the events to train on.
        stages: what to do, a `Stage` or a list of them. An objective is enough: one of
            the model trains a classifier by the `recipe`, first on cross entropy, then
            shortly on the objective; all others are one stage.
        keep: which parameters each stage leaves to the next one, or as the result:
            `KeepLast()`, `KeepBest(validation)` or `KeepAverage()`.
        seed: of the batches.
        held_out: events to follow the training with, never trained on.
        monitor: what to compute on them, with hard bins, by name; the default is the
            last stage's objective if it is one of the model.
        every: after how many steps that is done. It is done before the first step, too.
        callback: called with the state and the newest numbers each time that they are
            computed (`"loss"` is among them, except before the first step).
        progress: whether to show a bar with stage and loss (needs tqdm, as the extra
            `neoskit[cli]` brings it).

    Returns:
        The trained pipeline with the history of its training.

    Raises:
        RuntimeError: float64 is off.
        TypeError: something else than stages or an objective.
        ValueError: options that exclude each other or make no sense; a dataset whose
            channels are all counted.
        TrainingFailed: the objective or its gradient is NaN or infinite, or a bandwidth
            is not positive. The exception has the training up to there.

    Example:
        >>> from neoskit import Stage, binary_cross_entropy, gaussian_blobs
        >>> from neoskit import Binning, Measurement, NeuralObservable
        >>> jax.config.update("jax_enable_x64", True)
        >>> pipeline = Pipeline(
        ...     NeuralObservable(2, (8,), key=jax.random.key(0)),
        ...     Binning([0.0, 0.5, 1.0]),
        ...     Measurement(("signal",)),
        ... )
        >>> stage = Stage(binary_cross_entropy, steps=3)
        >>> training = train(pipeline, gaussian_blobs(100), stage, progress=False)
        >>> len(training.losses)
        3
    """
    fitkit.require_float64()
    start = pipeline
    first = start.pipeline if isinstance(start, TrainState) else start
    stages = stages_of(stages, first)
    _check(dataset, every)
    # Of the whole dataset, before any batch: each batch is scaled to these.
    totals = sums_of_weights(dataset)
    # Onto the device once, not in every step.
    events = jax.tree.map(jnp.asarray, _without_data(dataset))
    totals = jax.tree.map(jnp.asarray, totals)
    state = (
        start
        if isinstance(start, TrainState)
        else initial_state(start, stages[0], keep)
    )
    watch = _Watch(held_out, _monitored(stages, held_out, monitor), callback)
    losses: list[float] = []
    interrupted = False

    def so_far(interrupted: bool = False) -> Training:
        at_end = int(state.stage) == len(stages)
        ours = state.pipeline if at_end else keep.kept(state.kept, state.pipeline)
        return Training(state, ours, np.array(losses), watch.values, interrupted)

    left = sum(stage.steps for stage in stages[int(state.stage) :])
    with progress_bar(left - int(state.stage_step), "step", progress) as show:
        try:
            # Step 0 is followed, too: what a training gained is seen against its start.
            watch(state)
            while int(state.stage) < len(stages):
                number = int(state.stage)
                stage = stages[number]
                last = number + 1 == len(stages)
                for done in _steps(state, stage, dataset, events, totals, seed):
                    step, value, width, new = done
                    # A schedule may come to 0 after hours: no time to lose them.
                    if new is None:
                        where = _where(number, len(stages), stage, step)
                        why = _why(where, value, width, stage)
                        raise TrainingFailed(why, so_far())
                    kept = keep.after_step(
                        state.kept, new.pipeline, stage.objective, step + 1
                    )
                    state = eqx.tree_at(
                        lambda s: s.kept, new, kept, is_leaf=lambda x: x is None
                    )
                    losses.append(value)
                    show(f"{_of_stages(number, stages)}loss {value:.4g}")
                    ends = step + 1 == stage.steps or keep.ends(kept, step + 1)
                    if int(state.step) % every == 0 or (last and ends):
                        watch(state, loss=value)
                    if ends:
                        break
                ours = keep.kept(state.kept, state.pipeline)
                state = _next_stage(state, ours, stages, keep)
        # Between two steps or within one: `state` is that of the last complete step.
        except KeyboardInterrupt:
            interrupted = True
    return so_far(interrupted)


def _next_stage(
    state: TrainState,
    pipeline: Pipeline,
    stages: tuple[Stage, ...],
    keep: AbstractKeep,
) -> TrainState:
    number, step = int(state.stage) + 1, int(state.step)
    # At the end of all there is nothing to optimise, but a state to tell where it is.
    stage = stages[min(number, len(stages) - 1)]
    return initial_state(pipeline, stage, keep, number=number, step=step)


_Step = tuple[int, float, Scalar, TrainState | None]


def _steps(
    state: TrainState,
    stage: Stage,
    dataset: Dataset,
    events: Dataset,
    totals: dict,
    seed: int,
) -> Iterable[_Step]:
    """The steps that are left of a stage: number, objective, bandwidth, new state.

    The state is `None` where the step could not be made.
    """
    first = int(state.stage_step)
    draw: Iterable[Mapping[SampleKey, Rows] | None] = itertools.repeat(None)
    if stage.batch_size is not None:
        # Each stage draws anew, and a resumed one as it would have.
        draws = seed + 1_000_003 * int(state.stage)
        draw = batches(dataset, stage.batch_size, seed=draws, start=first)
    of_model = needs_model(stage.objective)
    model_of = TrainingModel(
        state.pipeline.measurement,
        _pseudo_events(stage, dataset, state.pipeline) if of_model else {},
        stage.nuisances_fixed,
    )
    pipeline, memory = state.pipeline, (state.objective, state.optimiser)
    for step, rows in zip(range(first, stage.steps), draw, strict=False):
        width = _bandwidth(stage.bandwidth, step, pipeline)
        if not width > 0:
            yield step, np.nan, width, None
            return
        pipeline, memory, value, finite = advance(
            pipeline,
            memory,
            events,
            rows,
            totals,
            model_of,
            width,
            stage.objective,
            stage.optimiser,
            stage.chunk_size,
            stage.logarithm and of_model,
        )
        if not finite:
            yield step, float(value), width, None
            return
        new = TrainState(
            pipeline,
            *memory,
            None,
            state.stage,
            np.asarray(step + 1),
            state.step + (step + 1 - first),
        )
        yield step, float(value), width, new


def _pseudo_events(stage: Stage, dataset: Dataset, pipeline: Pipeline) -> dict:
    if not stage.pseudo_events:
        return {}
    signals = pipeline.measurement.signals
    return pseudo_events(dataset, signals, stage.pseudo_events)


def _check(dataset: Dataset, every: int) -> None:
    if not dataset.scored:
        raise ValueError(
            "`train(dataset=...)` has no channel that is scored: there is nothing for "
            "the observable to learn. Leave one out of `Dataset(counted=...)`."
        )
    never = "To follow nothing leave `held_out` and `callback` out."
    check_count("train(every=...)", every, hint=never)


def _without_data(dataset: Dataset) -> Dataset:
    # Recorded events are never handed to a training, not even to be ignored.
    return Dataset(dataset.channels, dataset.counted)


def _monitored(
    stages: tuple[Stage, ...],
    held_out: Dataset | None,
    monitor: Mapping[str, AnyObjective] | None,
) -> dict[str, AnyObjective]:
    if held_out is None:
        if monitor:
            raise ValueError(
                "`train(monitor=...)` is computed on events that are not trained on: "
                "give them as `held_out`, for example from `split`."
            )
        return {}
    if monitor is None:
        objective = stages[-1].objective
        return {"objective": objective} if needs_model(objective) else {}
    return dict(monitor)


@dataclass
class _Watch:
    """Computes the monitored numbers, keeps them and hands them to the callback."""

    held_out: Dataset | None
    monitor: dict[str, AnyObjective]
    callback: Callback | None
    values: dict[str, dict[int, float]] = field(init=False)

    def __post_init__(self) -> None:
        self.values = {name: {} for name in self.monitor}

    def __call__(self, state: TrainState, **numbers: float) -> None:
        for name, objective in self.monitor.items():
            now = hard_loss(state.pipeline, self.held_out, objective)
            numbers[name] = self.values[name][int(state.step)] = now
        if self.callback is not None:
            self.callback(state, numbers)


def _bandwidth(
    bandwidth: float | Callable[[int], ArrayLike] | None, step: int, pipeline: Pipeline
) -> Scalar:
    # An array, always of one type: a Python number would be compiled into the step.
    if bandwidth is None:
        return pipeline.binning.bandwidth.value
    return jnp.asarray(bandwidth(step) if callable(bandwidth) else bandwidth, float)


def _of_stages(number: int, stages: tuple[Stage, ...]) -> str:
    if len(stages) == 1:
        return ""
    return f"stage {number + 1}/{len(stages)} {stages[number].name}, "


def _where(number: int, count: int, stage: Stage, step: int) -> str:
    if count == 1:
        return f"step {step}"
    return f"step {step} of stage {number + 1}, {stage.name}"


def _why(where: str, value: float, bandwidth: Scalar, stage: Stage) -> str:
    if not bandwidth > 0:
        return (
            f"Training stopped at {where}: `Stage(bandwidth=...)` must be positive; "
            f"got {float(bandwidth):.4g}. `anneal` falls to a bandwidth and never to 0."
        )
    logarithm = stage.logarithm and needs_model(stage.objective)
    if np.isfinite(value) and (value > 0 or not logarithm):
        what = f"the gradient is not finite (objective {value:.4g}"
    elif logarithm:
        what = f"the logarithm of the objective does not exist (objective {value:.4g}"
    else:
        what = f"the objective is not finite ({value}"
    return (
        f"Training stopped at {where}: {what}, bandwidth {bandwidth:.3g}). The "
        "parameters are those before this step, in the exception's `training`. Usual "
        "causes: a bin without background (give `Measurement(floor=...)`, use fewer "
        "bins or a larger bandwidth), too large a learning rate, an objective that may "
        "be negative (`logarithm=False`)."
    )
