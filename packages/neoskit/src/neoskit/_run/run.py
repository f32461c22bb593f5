"""A described run: every seed trained, judged and exported."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from .._events import Dataset, Events, leave_out, split
from .._objectives import Objective, expected_cls
from .._pipeline import AbstractPipeline, CrossFit
from .._results import (
    Evaluation,
    Unblinded,
    evaluate,
    export_workspace,
    merged_edges,
    unblind,
)
from .._train import (
    AbstractKeep,
    Training,
    TrainingFailed,
    TrainState,
    cross_fit,
    train,
)
from .builders import build_keep, build_pipeline, build_stages, stage_tables
from .config import ConfigError, RunConfig
from .failure import Failure, noted
from .folder import RunFolder

if TYPE_CHECKING:
    from .pictures import Recorder

Watch = Callable[[int, TrainState, dict[str, float]], None]
"""Called as `watch(seed, state, numbers)` while a seed trains."""


@dataclass(frozen=True)
class Trained:
    """One seed: what came out of its training, and the events that judge it.

    Args:
        seed: Which.
        pipeline: With the bins as trained.
        judges: Events that no network scores that has seen them.
        trainings: One, or one for each fold.
    """

    seed: int
    pipeline: AbstractPipeline
    judges: Dataset
    trainings: tuple[Training, ...]

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return any(training.interrupted for training in self.trainings)


def train_seed(
    config: RunConfig,
    dataset: Dataset,
    seed: int,
    *,
    monitor: Mapping[str, Objective] | None = None,
    watch: Watch | None = None,
    progress: bool = True,
) -> Trained:
    """Trains one seed on the events that the description leaves to training.

    Args:
        config: The description.
        dataset: All events.
        seed: Of the initial parameters and of the batches.
        monitor: What is followed on held-out events; with folds nothing is.
        watch: Sees every step.
        progress: Whether a bar is shown.
    """
    table = config.training
    stages = build_stages(stage_tables(config), dataset, seed)
    options: dict[str, Any] = {
        "seed": seed,
        "every": table.every,
        "progress": progress,
    }
    if watch is not None:
        options["callback"] = lambda state, numbers: watch(seed, state, numbers)
    keep, validation = build_keep(config), config.split.validation
    if config.split.folds is not None:
        pipeline, trainings = cross_fit(
            # All folds start from one network: so signal has the same end of the
            # observable in each, and a bin the same meaning.
            lambda seen, _: build_pipeline(config, seen, jax.random.key(seed)),
            dataset,
            stages,
            folds=config.split.folds,
            partition=_partition(config, seed),
            validation=validation,
            keep=keep,
            **options,
        )
        return Trained(seed, pipeline, dataset, trainings)
    seen, judges = two_parts(config, dataset)
    if validation is not None and not isinstance(keep, AbstractKeep):
        shares = (1.0 - validation, validation)
        seen, aside = split(seen, shares, seed=config.split.seed + 1)
        keep = keep(aside)
    training = train(
        build_pipeline(config, seen, jax.random.key(seed)),
        seen,
        stages,
        keep=keep,
        held_out=judges,
        # The objective of the paper whatever is trained on, so that curves of
        # trainings on different objectives can be laid side by side.
        monitor={"expected_cls": expected_cls} if monitor is None else monitor,
        **options,
    )
    return Trained(seed, training.pipeline, judges, (training,))


def _partition(config: RunConfig, seed: int) -> int:
    """The seed of the folds: of the description, or one of its own for each seed."""
    return config.split.seed + (seed if config.split.repartition else 0)


def untrained(config: RunConfig, dataset: Dataset, seed: int) -> Trained:
    """The same before its training: the shape into which a saved one is read."""
    if config.split.folds is None:
        seen, judges = two_parts(config, dataset)
        pipeline = build_pipeline(config, seen, jax.random.key(seed))
        return Trained(seed, pipeline, judges, ())
    count, partition = config.split.folds, _partition(config, seed)
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


def rebinned(config: RunConfig, trained: Trained) -> AbstractPipeline:
    """The pipeline with the bins that its numbers are quoted from."""
    rule = config.rebinning
    if rule is None:
        return trained.pipeline
    edges = merged_edges(
        trained.pipeline,
        trained.judges,
        largest_error=rule.largest_error,
        raw_events=rule.raw_events,
    )
    return trained.pipeline.with_edges(edges)


@dataclass(frozen=True)
class Judged:
    """The expected result of one seed, as far as there is one.

    Args:
        pipeline: With the bins that numbers are quoted from; those of the training
            where merging them failed.
        evaluation: The numbers; `None` where the model could not be judged.
        failures: What could not be done.
    """

    pipeline: AbstractPipeline
    evaluation: Evaluation | None
    failures: tuple[Failure, ...]


def judge(folder: RunFolder, config: RunConfig, trained: Trained) -> Judged:
    """The expected result of one seed, written down with its workspace."""
    failures: list[Failure] = []
    pipeline, evaluation = trained.pipeline, None
    with noted(failures, "merging bins"):
        pipeline = rebinned(config, trained)
        # Inside: where bins are not merged by the rule, nothing is quoted from them.
        with noted(failures, "the expected result"):
            evaluation = evaluate(pipeline, trained.judges)
            folder.save_evaluation(trained.seed, evaluation)
        with noted(failures, "the workspace"):
            _export(folder, trained, pipeline)
    return Judged(pipeline, evaluation, tuple(failures))


def export(folder: RunFolder, config: RunConfig, trained: Trained) -> Path:
    """Writes the workspace of one seed, and of the first one beside the description."""
    return _export(folder, trained, rebinned(config, trained))


def _export(folder: RunFolder, trained: Trained, pipeline: AbstractPipeline) -> Path:
    # The first seed, not the best: seeds that are chosen by their result flatter it.
    file = folder.of_seed(trained.seed) / "workspace.json"
    export_workspace(file, pipeline, trained.judges)
    if trained.seed == folder.seeds[0]:
        folder.workspace.write_bytes(file.read_bytes())
    return file


def unblind_seed(
    config: RunConfig, trained: Trained, observed: dict[str, Events]
) -> Unblinded:
    """The recorded events, scored and fitted with the bins that were chosen blind."""
    pipeline = rebinned(config, trained)
    # Only now do data and templates meet; bins and network were chosen without them.
    opened = Dataset(trained.judges.channels, trained.judges.counted, observed)
    return unblind(pipeline.hard_model(opened), pipeline.observed(opened))


@dataclass(frozen=True)
class Result:
    """One seed, trained and judged.

    Args:
        trained: What came out of the training.
        evaluation: The expected result on the events that judge, if there is one.
        pictures: What was drawn.
        failures: What could not be done after, or at the end of, the training.
    """

    trained: Trained
    evaluation: Evaluation | None
    pictures: tuple[Path, ...]
    failures: tuple[Failure, ...] = ()


def run_seed(
    folder: RunFolder,
    config: RunConfig,
    dataset: Dataset,
    seed: int,
    *,
    draw: bool = True,
    animate: bool = False,
    progress: bool = True,
) -> Result:
    """Trains, judges, exports and draws one seed into the run's folder.

    Each step's numbers are on disk when the step is done, the parameters as soon as
    the training ends, also where Ctrl-C or an objective that is not finite ended it.
    What fails from there on is noted in the result.

    Args:
        folder: Where everything goes.
        config: The description.
        dataset: All events.
        seed: Which seed.
        draw: Whether pictures are drawn (needs the extra `plot`).
        animate: Whether one of them moves. Not with folds.
        progress: Whether a bar is shown.

    Raises:
        TrainingFailed: There is no good step to keep.
    """
    failures: list[Failure] = []
    recorder = None
    if draw and animate and config.split.folds is None:
        from .pictures import Recorder

        every = max(1, _steps(config) // 30)
        recorder = Recorder(two_parts(config, dataset)[1], every)

    def watch(seed: int, state: TrainState, numbers: dict[str, float]) -> None:
        where = {"stage": int(state.stage), "step": int(state.step)}
        folder.log(seed=seed, **where, **numbers)
        # A frame that cannot be had is said once, and ends the film, not the training.
        if recorder is not None and not failures:
            with noted(failures, "a frame of the film"):
                recorder(state.pipeline, int(state.step))

    try:
        trained = train_seed(config, dataset, seed, watch=watch, progress=progress)
    except TrainingFailed as failed:
        trained = _until_then(config, dataset, seed, failed)
        failures.append(Failure("the training", failed))
    folder.save_pipeline(seed, trained.pipeline)
    judged = judge(folder, config, trained)
    failures += judged.failures
    pictures: list[Path] = []
    if draw:
        with noted(failures, "the pictures"):
            for path in _drawn(folder, config, trained, judged.pipeline, recorder):
                pictures.append(path)  # one by one: the first stays if the second fails
    return Result(trained, judged.evaluation, tuple(pictures), tuple(failures))


def _steps(config: RunConfig) -> int:
    return sum(stage.steps for stage in stage_tables(config))


def _until_then(
    config: RunConfig, dataset: Dataset, seed: int, failed: TrainingFailed
) -> Trained:
    """What was trained before a step failed, if that is anything."""
    training = failed.training
    # Of folds the others are missing: one alone judges no events.
    if config.split.folds is not None or not len(training.losses):
        raise failed
    judges = two_parts(config, dataset)[1]
    return Trained(seed, training.pipeline, judges, (training,))


def _drawn(
    folder: RunFolder,
    config: RunConfig,
    trained: Trained,
    pipeline: AbstractPipeline,
    recorder: "Recorder | None",
) -> Iterator[Path]:
    # Here, not above: without pictures a run needs no matplotlib.
    from .pictures import animation, curves_of, frame, picture

    seed, signals = trained.seed, config.measurement.signals
    curves = curves_of(folder.metrics(), seed)
    now = frame(pipeline, trained.judges, _steps(config))
    path = folder.picture(f"seed-{seed}.png")
    yield picture(path, now, trained.judges, curves, signals)
    if recorder is not None and recorder.frames:
        path = folder.picture(f"seed-{seed}.gif")
        yield animation(path, recorder, curves, signals)


def load(folder: RunFolder, dataset: Dataset, seed: int) -> Trained:
    """One trained seed of an earlier run.

    Raises:
        ConfigError: Where the seed was not trained.
    """
    config = folder.config
    blank = untrained(config, dataset, seed)
    return Trained(seed, folder.load_pipeline(seed, blank.pipeline), blank.judges, ())
