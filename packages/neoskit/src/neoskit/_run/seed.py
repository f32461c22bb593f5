"""One seed of a description: trained, gone on with, or read again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax

from .._events import Dataset, leave_out, split
from .._objectives import Objective, expected_cls
from .._pipeline import AbstractPipeline, CrossFit, Pipeline
from .._train import (
    AbstractKeep,
    Training,
    TrainingFailed,
    TrainState,
    cross_fit,
    train,
)
from .builders import build_keep, build_pipeline, build_stages, stage_tables
from .checkpoints import Checkpoints
from .config import ConfigError, RunConfig
from .writing import CannotWrite

Watch = Callable[[int | None, TrainState, dict[str, float]], None]
"""Called as `watch(fold, state, numbers)` while a seed trains."""


def step_of(fold: int | None, state: TrainState) -> dict[str, int]:
    """Where a training is, as a line of the metrics says it."""
    where = {} if fold is None else {"fold": fold}
    return where | {"stage": int(state.stage), "step": int(state.step)}


@dataclass(frozen=True)
class Trained:
    """One seed: what came out of its training, and the events that judge it.

    Args:
        seed: Which.
        pipeline: With the bins as trained.
        judges: Events that no network scores that has seen them.
        trainings: One, or one for each fold that was trained.
    """

    seed: int
    pipeline: AbstractPipeline
    judges: Dataset
    trainings: tuple[Training, ...]

    @property
    def interrupted(self) -> bool:
        """Whether it was ended before its end."""
        return any(training.interrupted for training in self.trainings)


def train_seed(
    config: RunConfig,
    dataset: Dataset,
    seed: int,
    *,
    monitor: Mapping[str, Objective] | None = None,
    watch: Watch | None = None,
    checkpoints: Checkpoints | None = None,
    progress: bool | str = True,
) -> Trained:
    """Trains one seed on the events that the description leaves to training.

    Args:
        config: The description.
        dataset: All events.
        seed: Of the initial parameters and of the batches.
        monitor: What is followed on held-out events; with folds nothing is.
        watch: Sees every step that is made.
        checkpoints: Where its states are kept, and where it goes on if it has any.
        progress: Whether progress is shown; a text is put before it.

    Raises:
        TrainingFailed: A step could not be made; the one before is kept.
        CannotWrite: The folder cannot be written; what is kept is named.
    """
    stages = build_stages(stage_tables(config), dataset, seed)
    keep, validation = build_keep(config), config.split.validation
    folds = config.split.folds
    current: int | None = None  # the fold that is trained

    def start(pipeline: Pipeline, fold: int | None) -> Pipeline | TrainState:
        if checkpoints is None:
            return pipeline
        # Of the rule the shape alone matters here, and any events give it.
        rule = keep if isinstance(keep, AbstractKeep) else keep(dataset)
        return checkpoints.begin(pipeline, stages, rule, fold)

    def options(begun: Pipeline | TrainState, fold: int | None) -> dict[str, Any]:
        nonlocal current
        current = fold
        found: dict[str, Any] = {
            "seed": seed,
            "every": config.training.every,
            "progress": progress,
        }
        if fold is not None and progress is not False:
            title = f"{progress}, " if isinstance(progress, str) else ""
            found["progress"] = f"{title}fold {fold + 1}/{folds}"
        if watch is not None:
            found["callback"] = _callback(watch, fold, begun)
        if checkpoints is not None:
            found["after_step"] = checkpoints.after_step(fold)
        return found

    try:
        if folds is None:
            seen, judges = two_parts(config, dataset)
            if validation is not None and not isinstance(keep, AbstractKeep):
                shares = (1.0 - validation, validation)
                seen, aside = split(seen, shares, seed=config.split.seed + 1)
                keep = keep(aside)
            pipeline = build_pipeline(config, seen, jax.random.key(seed))
            first = start(pipeline, None)
            # The objective of the paper whatever is trained on, so that curves of
            # trainings on different objectives can be laid side by side.
            followed = {"expected_cls": expected_cls} if monitor is None else monitor
            training = train(
                first,
                seen,
                stages,
                keep=keep,
                held_out=judges,
                monitor=followed,
                **options(first, None),
            )
            trained = Trained(seed, training.pipeline, judges, (training,))
        else:
            begun: dict[int, Pipeline | TrainState] = {}

            def build(seen: Dataset, fold: int) -> Pipeline | TrainState:
                # All folds start from one network: so signal has the same end of the
                # observable in each, and a bin the same meaning.
                pipeline = build_pipeline(config, seen, jax.random.key(seed))
                begun[fold] = start(pipeline, fold)
                return begun[fold]

            both, trainings = cross_fit(
                build,
                dataset,
                stages,
                folds=folds,
                partition=partition_of(config, seed),
                validation=validation,
                keep=keep,
                of_fold=lambda fold: options(begun[fold], fold),
            )
            trained = Trained(seed, both, dataset, trainings)
    except TrainingFailed as failed:
        # The start of a training is in its description.
        if checkpoints is not None and int(failed.training.state.step):
            checkpoints.save(failed.training.state, current)
        raise
    except CannotWrite as error:
        if checkpoints is None:
            raise
        raise CannotWrite(f"{error} {checkpoints.kept}") from error
    if checkpoints is not None and trained.interrupted:
        # Ctrl-C may have come within a step: the state is that of the step before.
        checkpoints.save(trained.trainings[-1].state, current)
    return trained


def _callback(
    watch: Watch, fold: int | None, begun: Pipeline | TrainState
) -> Callable[[TrainState, dict[str, float]], None]:
    # What is computed where a training goes on was seen when it was left.
    seen = int(begun.step) if isinstance(begun, TrainState) else -1

    def callback(state: TrainState, numbers: dict[str, float]) -> None:
        if int(state.step) != seen:
            watch(fold, state, numbers)

    return callback


def partition_of(config: RunConfig, seed: int) -> int:
    """The seed of the folds: of the description, or one of its own for each seed."""
    return config.split.seed + (seed if config.split.repartition else 0)


def untrained(config: RunConfig, dataset: Dataset, seed: int) -> Trained:
    """The same before its training: the shape into which a saved one is read."""
    if config.split.folds is None:
        seen, judges = two_parts(config, dataset)
        pipeline = build_pipeline(config, seen, jax.random.key(seed))
        return Trained(seed, pipeline, judges, ())
    count, partition = config.split.folds, partition_of(config, seed)
    folds = tuple(
        build_pipeline(
            config,
            leave_out(dataset, fold, count, seed=partition),
            jax.random.key(seed),
        )
        for fold in range(count)
    )
    return Trained(seed, CrossFit(folds, partition), dataset, ())


def two_parts(config: RunConfig, dataset: Dataset) -> tuple[Dataset, Dataset]:
    """The events to train on and those held out, where there are no folds."""
    share = config.split.held_out
    if share is None:
        raise ConfigError("`split.folds` is given: no part of the events is held out.")
    seen, judges = split(dataset, (1.0 - share, share), seed=config.split.seed)
    return seen, judges
