"""The loop around the step: stages, batches, monitoring, progress, interruption."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

import fitkit

from .._checks import check_count
from .._events import Dataset, sums_of_weights
from .._gradient import AnyObjective, needs_model
from .._pipeline import Pipeline
from .._progress import progress_bar
from .diagnosis import where, why
from .keep import AbstractKeep, KeepLast, hard_loss
from .memory import freed_memory_kept
from .stage import Stage, Stages, stages_of
from .state import TrainState, initial_state
from .steps import steps_of


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

AfterStep = Callable[[TrainState], None]
"""Called with the state after a step."""


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
    after_step: AfterStep | None = None,
    progress: bool | str = True,
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
        after_step: called with the state after every step; after the last one of a
            stage with the state that the next stage begins with.
            `functools.partial(save_checkpoint, path)` loses no step. A
            `KeyboardInterrupt` that it raises ends the training as Ctrl-C does.
        progress: whether to show step, stage, loss, what is followed and the time left:
            a bar on a terminal (needs tqdm, as the extra `neoskit[cli]` brings it),
            a line now and then in a log file. A text is put before it.

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
    totals, events = {}, dataset
    if isinstance(dataset, Dataset):
        totals = jax.tree.map(jnp.asarray, sums_of_weights(dataset))
        # Onto the device once, not in every step.
        events = jax.tree.map(jnp.asarray, _scored(dataset))
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

    rest = sum(stage.steps for stage in stages[int(state.stage) :])
    done = int(state.step)
    total = done + rest - int(state.stage_step)
    bar = progress_bar(total, "step", progress, done=done)
    with freed_memory_kept(), bar as show:
        try:
            # Step 0 is followed, too: what a training gained is seen against its start.
            watch(state)
            while int(state.stage) < len(stages):
                number = int(state.stage)
                stage = stages[number]
                last = number + 1 == len(stages)
                steps = steps_of(state, stage, dataset, events, totals, seed)
                # One that was saved between its last step and its end does not go on.
                if keep.ends(state.kept, int(state.stage_step)):
                    steps = iter(())
                for step, value, width, new, place in steps:
                    # A schedule may come to 0 after hours: no time to lose them.
                    if new is None:
                        here = where(number, len(stages), stage, step)
                        reason = why(here, value, width, stage, place)
                        raise TrainingFailed(reason, so_far())
                    kept = keep.after_step(
                        state.kept, new.pipeline, stage.objective, step + 1
                    )
                    state = dataclasses.replace(new, kept=kept)
                    losses.append(value)
                    ends = step + 1 == stage.steps or keep.ends(kept, step + 1)
                    if int(state.step) % every == 0 or (last and ends):
                        watch(state, loss=value)
                    show(f"{_of_stages(number, stages)}loss {value:.4g}{watch.newest}")
                    if ends:
                        break
                    if after_step is not None:
                        after_step(state)
                ours = keep.kept(state.kept, state.pipeline)
                state = _next_stage(state, ours, stages, keep)
                if after_step is not None:
                    after_step(state)
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


def _check(dataset: Dataset, every: int) -> None:
    if not dataset.scored:
        raise ValueError(
            "`train(dataset=...)` has no channel that is scored: there is nothing for "
            "the observable to learn. Leave one out of `Dataset(counted=...)`."
        )
    never = "To follow nothing leave `held_out` and `callback` out."
    check_count("train(every=...)", every, hint=never)


def _scored(dataset: Dataset) -> Dataset:
    # Recorded events are never handed to a training, not even to be ignored.
    return Dataset({name: dataset.channels[name] for name in dataset.scored})


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

    @property
    def newest(self) -> str:
        """What was found last, to be read beside the loss."""
        return "".join(
            f", {name} {next(reversed(values.values())):.4g}"
            for name, values in self.values.items()
            if values
        )

    def __call__(self, state: TrainState, **numbers: float) -> None:
        for name, objective in self.monitor.items():
            now = hard_loss(state.pipeline, self.held_out, objective)
            numbers[name] = self.values[name][int(state.step)] = now
        if self.callback is not None:
            self.callback(state, numbers)


def _of_stages(number: int, stages: tuple[Stage, ...]) -> str:
    if len(stages) == 1:
        return ""
    return f"stage {number + 1}/{len(stages)} {stages[number].name}, "
