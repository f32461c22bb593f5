"""The loop around the step: batches, schedule, monitoring, progress, interruption."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import ArrayLike, Float

import fitkit

from .._checks import check_count
from .._custom_types import Rows, Scalar
from .._events import Dataset, SampleKey, batches, sums_of_weights
from .._gradient import AbstractEventObjective
from .._objectives import Objective
from .._pipeline import Pipeline, fill_hard
from .._progress import progress_bar
from .state import Logarithm, TrainState, advance, initial_state

# One object for all trainings that name no optimiser, so that they share one
# compilation of the step.
_ADAM = optax.adam(1e-3)


@dataclass(frozen=True)
class Training:
    """What a training leaves behind.

    Args:
        state: pipeline, optimiser and step at the end; give it to `train` to go on.
        losses: the objective before each step, on that step's events with smooth bins.
        monitored: for each number that was followed its values on held-out events with
            hard bins, by the step after which they were taken (0 is before the first).
        interrupted: whether Ctrl-C ended it.
    """

    state: TrainState
    losses: Float[np.ndarray, " steps"]
    monitored: dict[str, dict[int, float]] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def pipeline(self) -> Pipeline:
        """The trained pipeline."""
        return self.state.pipeline

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


def train(
    pipeline: Pipeline | TrainState,
    dataset: Dataset,
    objective: Objective | AbstractEventObjective,
    *,
    steps: int,
    optimiser: optax.GradientTransformation = _ADAM,
    batch_size: int | None = None,
    chunk_size: int | None = None,
    bandwidth: float | Callable[[int], ArrayLike] | None = None,
    logarithm: bool = True,
    seed: int = 0,
    held_out: Dataset | None = None,
    monitor: Mapping[str, Objective] | None = None,
    every: int = 1,
    callback: Callable[[int, Pipeline, dict[str, float]], None] | None = None,
    progress: bool = True,
) -> Training:
    """Train a pipeline's observable, and its edges if they are learned.

    Ctrl-C ends the training and keeps what was trained.

    Args:
        pipeline: where to start; the `state` of an earlier training goes on with it.
        dataset: the events to train on.
        objective: what is minimised: any function from a model to a scalar, or
            `binary_cross_entropy`.
        steps: how many steps to make (from now on).
        optimiser: any of optax's. The default is Adam with learning rate 1e-3.
        batch_size: the most events per sample in one step, drawn anew without
            repetition; each sample is scaled to its whole sum of weights. The value
            of the objective on a batch is a biased estimate of that on all events,
            the more the smaller the batch. `None` takes all events in every step.
        chunk_size: with all events, how many of the largest sample are in memory
            together; the gradient stays exact. `None` takes all at once.
        bandwidth: in place of the pipeline's own; a function of the step (`anneal`, or
            any optax schedule) changes it as the training goes on.
        logarithm: whether to minimise the logarithm of an objective of the model. It
            has the same minimum, and its gradient keeps its size while a CLs or a
            p-value falls by orders of magnitude: with the gradient of the CLs itself,
            Adam all but stops. Turn it off for an objective that may be negative.
        seed: of the batches.
        held_out: events to follow the training with, never trained on.
        monitor: what to compute on them, with hard bins, by name; the default is the
            objective itself if it is one of the model.
        every: after how many steps that is done. It is done before the first step, too.
        callback: called with step, pipeline and the newest numbers each time that they
            are computed (`"loss"` is among them, except before the first step).
        progress: whether to show a bar with the loss (needs tqdm, as the extra
            `neoskit[cli]` brings it).

    Returns:
        The trained pipeline with the history of its training.

    Raises:
        RuntimeError: float64 is off.
        ValueError: options that exclude each other or make no sense; a dataset whose
            channels are all counted.
        TrainingFailed: the objective or its gradient is NaN or infinite, or a bandwidth
            is not positive. The exception has the training up to there.
    """
    fitkit.require_float64()
    _check_options(dataset, steps, batch_size, chunk_size, every)
    if batch_size is not None and chunk_size is not None:
        raise ValueError(
            "`train` takes either `batch_size` (few events per step) or `chunk_size` "
            "(all events, a part at a time), not both."
        )
    minimised = objective
    if logarithm and not isinstance(objective, AbstractEventObjective):
        minimised = Logarithm(objective)
    state = (
        pipeline
        if isinstance(pipeline, TrainState)
        else initial_state(pipeline, optimiser)
    )
    first = int(state.step)
    draw: Iterable[Mapping[SampleKey, Rows] | None] = itertools.repeat(None)
    if batch_size is not None:
        draw = batches(dataset, batch_size, seed=seed, start=first)
    # Of the whole dataset, before any batch: each batch is scaled to these.
    totals = sums_of_weights(dataset)
    # Onto the device once, not in every step.
    events, totals = jax.tree.map(jnp.asarray, (_without_data(dataset), totals))
    # Step 0 is followed, too: what a training gained is seen against its start.
    watch = _Watch(held_out, _monitored(objective, held_out, monitor), callback)
    watch(first, state.pipeline)
    losses: list[float] = []
    interrupted = False

    def so_far(interrupted: bool = False) -> Training:
        return Training(state, np.array(losses), watch.values, interrupted)

    with progress_bar(steps, "step", progress) as show:
        try:
            for step, rows in zip(range(first, first + steps), draw, strict=False):
                width = _bandwidth(bandwidth, step, state.pipeline)
                # A schedule may come to 0 after hours: not the time to lose them.
                if not width > 0:
                    raise TrainingFailed(_no_bandwidth(step, width), so_far())
                state, value, finite = advance(
                    state,
                    events,
                    rows,
                    totals,
                    width,
                    minimised,
                    optimiser,
                    chunk_size,
                )
                if not finite:
                    why = _why(step, value, width, minimised is not objective)
                    raise TrainingFailed(why, so_far())
                losses.append(float(value))
                show(f"loss {losses[-1]:.4g}")
                if (step + 1) % every == 0 or step + 1 == first + steps:
                    watch(step + 1, state.pipeline, loss=losses[-1])
        # Between two steps or within one: `state` is that of the last complete step.
        except KeyboardInterrupt:
            interrupted = True
    return so_far(interrupted)


def _check_options(
    dataset: Dataset,
    steps: int,
    batch_size: int | None,
    chunk_size: int | None,
    every: int,
) -> None:
    if not dataset.scored:
        raise ValueError(
            "`train(dataset=...)` has no channel that is scored: there is nothing for "
            "the observable to learn. Leave one out of `Dataset(counted=...)`."
        )
    check_count("train(steps=...)", steps, least=0)
    hint = "Leave it out to take all events in every step."
    if batch_size is not None:
        check_count("train(batch_size=...)", batch_size, hint=hint)
    if chunk_size is not None:
        check_count("train(chunk_size=...)", chunk_size, hint=hint)
    never = "To follow nothing leave `held_out` and `callback` out."
    check_count("train(every=...)", every, hint=never)


def _without_data(dataset: Dataset) -> Dataset:
    # Recorded events are never handed to a training, not even to be ignored.
    return Dataset(dataset.channels, dataset.counted)


def _monitored(
    objective: Objective | AbstractEventObjective,
    held_out: Dataset | None,
    monitor: Mapping[str, Objective] | None,
) -> dict[str, Objective]:
    if held_out is None:
        if monitor:
            raise ValueError(
                "`train(monitor=...)` is computed on events that are not trained on: "
                "give them as `held_out`, for example from `split`."
            )
        return {}
    if monitor is None:
        if isinstance(objective, AbstractEventObjective):
            return {}
        return {"objective": objective}
    return dict(monitor)


def _follow(
    pipeline: Pipeline, dataset: Dataset, objectives: tuple[Objective, ...]
) -> list[Scalar]:
    # Of concrete templates fitkit computes at once, on NumPy: to compile the fit of a
    # number that is only looked at would take longer than many steps.
    model = pipeline.measurement.model(fill_hard(pipeline, dataset))
    return [objective(model) for objective in objectives]


@dataclass
class _Watch:
    """Computes the monitored numbers, keeps them and hands them to the callback."""

    held_out: Dataset | None
    monitor: dict[str, Objective]
    callback: Callable[[int, Pipeline, dict[str, float]], None] | None
    values: dict[str, dict[int, float]] = field(init=False)

    def __post_init__(self) -> None:
        self.values = {name: {} for name in self.monitor}

    def __call__(self, step: int, pipeline: Pipeline, **numbers: float) -> None:
        if self.monitor:
            objectives = tuple(self.monitor.values())
            now = _follow(pipeline, self.held_out, objectives)
            numbers |= dict(zip(self.monitor, map(float, now), strict=True))
            for name in self.monitor:
                self.values[name][step] = numbers[name]
        if self.callback is not None:
            self.callback(step, pipeline, numbers)


def _bandwidth(
    bandwidth: float | Callable[[int], ArrayLike] | None, step: int, pipeline: Pipeline
) -> Scalar:
    # An array, always of one type: a Python number would be compiled into the step.
    if bandwidth is None:
        return pipeline.binning.bandwidth.value
    return jnp.asarray(bandwidth(step) if callable(bandwidth) else bandwidth, float)


def _no_bandwidth(step: int, bandwidth: Scalar) -> str:
    return (
        f"Training stopped at step {step}: `train(bandwidth=...)` must be positive; "
        f"got {float(bandwidth):.4g}. `anneal` falls to a bandwidth and never to 0."
    )


def _why(step: int, value: Scalar, bandwidth: Scalar, logarithm: bool) -> str:
    if jnp.isfinite(value):
        what = f"the gradient is not finite (objective {value:.4g}"
    elif logarithm:
        what = f"the logarithm of the objective does not exist (objective {value:.4g}"
    else:
        what = f"the objective is not finite ({value}"
    return (
        f"Training stopped at step {step}: {what}, bandwidth {bandwidth:.3g}). The "
        "parameters are those before this step, in the exception's `training`. Usual "
        "causes: a bin without background (give `Measurement(floor=...)`, use fewer "
        "bins or a larger bandwidth), too large a learning rate, an objective that may "
        "be negative (`logarithm=False`)."
    )
