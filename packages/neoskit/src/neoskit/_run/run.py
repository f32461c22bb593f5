"""A described run: every seed trained, judged and exported."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jax

from .._config import ConfigError, RunConfig
from .._evaluate import Evaluation, evaluate
from .._events import Dataset, Events
from .._export import export_workspace
from .._gradient import AbstractEventObjective
from .._objectives import Objective, expected_cls
from .._pipeline import AbstractPipeline, CrossFit, Pipeline
from .._rebinning import merged_edges
from .._split import leave_out, split
from .._train import Training, cross_fit, train
from .._unblind import Unblinded, unblind
from .build import (
    OBJECTIVES,
    build_bandwidth,
    build_optimiser,
    build_pipeline,
)
from .folder import RunFolder

Watch = Callable[[int, int, Pipeline, dict[str, float]], None]
"""Called as `watch(seed, step, pipeline, numbers)` while a seed trains."""


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
    objective: Objective | AbstractEventObjective | None = None,
    monitor: Mapping[str, Objective] | None = None,
    watch: Watch | None = None,
    progress: bool = True,
) -> Trained:
    """Trains one seed on the events that the description leaves to training.

    Args:
        config: The description.
        dataset: All events.
        seed: Of the initial parameters and of the batches.
        objective: In place of the one that is described.
        monitor: What is followed on held-out events; with folds nothing is.
        watch: Sees every step.
        progress: Whether a bar is shown.
    """
    table = config.training
    objective = OBJECTIVES[table.objective] if objective is None else objective
    options = {
        "steps": table.steps,
        "optimiser": build_optimiser(table),
        "batch_size": table.batch,
        "chunk_size": table.chunk,
        "logarithm": table.logarithm,
        "bandwidth": build_bandwidth(config),
        "seed": seed,
        "every": table.every,
        "progress": progress,
    }
    if watch is not None:
        options["callback"] = lambda step, now, numbers: watch(seed, step, now, numbers)
    if config.split.folds is not None:
        folds = config.split.folds
        pipeline, trainings = cross_fit(
            # All folds start from one network: so signal has the same end of the
            # observable in each, and a bin the same meaning.
            lambda seen, _: build_pipeline(config, seen, jax.random.key(seed)),
            dataset,
            objective,
            folds=folds,
            **options,
        )
        return Trained(seed, pipeline, dataset, trainings)
    seen, judges = two_parts(config, dataset)
    training = train(
        build_pipeline(config, seen, jax.random.key(seed)),
        seen,
        objective,
        held_out=judges,
        monitor={"expected_cls": expected_cls} if monitor is None else monitor,
        **options,
    )
    return Trained(seed, training.pipeline, judges, (training,))


def untrained(config: RunConfig, dataset: Dataset, seed: int) -> Trained:
    """The same before its training: the shape into which a saved one is read."""
    if config.split.folds is None:
        seen, judges = two_parts(config, dataset)
        pipeline = build_pipeline(config, seen, jax.random.key(seed))
        return Trained(seed, pipeline, judges, ())
    folds = tuple(
        build_pipeline(
            config, leave_out(dataset, fold, config.split.folds), jax.random.key(seed)
        )
        for fold in range(config.split.folds)
    )
    return Trained(seed, CrossFit(folds), dataset, ())


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


def judge(folder: RunFolder, config: RunConfig, trained: Trained) -> Evaluation:
    """The expected result of one seed, written down with its workspace."""
    pipeline = rebinned(config, trained)
    evaluation = evaluate(pipeline, trained.judges)
    folder.save_evaluation(trained.seed, evaluation)
    export(folder, config, trained)
    return evaluation


def export(folder: RunFolder, config: RunConfig, trained: Trained) -> Path:
    """Writes the workspace of one seed, and of the first one beside the description."""
    pipeline = rebinned(config, trained)
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
    opened = Dataset(trained.judges.channels, trained.judges.counted, observed)
    return unblind(pipeline.hard_model(opened), pipeline.observed(opened))


@dataclass(frozen=True)
class Result:
    """One seed, trained and judged.

    Args:
        trained: What came out of the training.
        evaluation: The expected result on the events that judge.
        pictures: What was drawn.
    """

    trained: Trained
    evaluation: Evaluation
    pictures: tuple[Path, ...]


def run_seed(
    folder: RunFolder,
    config: RunConfig,
    dataset: Dataset,
    seed: int,
    *,
    objective: Objective | AbstractEventObjective | None = None,
    draw: bool = True,
    animate: bool = False,
    progress: bool = True,
) -> Result:
    """Trains, judges, exports and draws one seed into the run's folder.

    Each step's numbers are on disk when the step is done, the parameters as soon as
    the training ends, also where Ctrl-C ended it.

    Args:
        folder: Where everything goes.
        config: The description.
        dataset: All events.
        seed: Which seed.
        objective: In place of the one that is described.
        draw: Whether pictures are drawn (needs the extra `plot`).
        animate: Whether one of them moves. Not with folds.
        progress: Whether a bar is shown.
    """
    recorder = None
    if draw:
        from .pictures import Recorder, animation, curves_of, frame, picture

        if animate and config.split.folds is None:
            every = max(1, config.training.steps // 30)
            recorder = Recorder(two_parts(config, dataset)[1], every)

    def watch(seed: int, step: int, now: Pipeline, numbers: dict[str, float]) -> None:
        folder.log(seed=seed, step=step, **numbers)
        if recorder is not None:
            recorder(seed, step, now, numbers)

    trained = train_seed(
        config, dataset, seed, objective=objective, watch=watch, progress=progress
    )
    folder.save_pipeline(seed, trained.pipeline)
    evaluation = judge(folder, config, trained)
    pictures = []
    if draw:
        signals = config.measurement.signals
        curves = curves_of(folder.metrics(), seed)
        now = frame(rebinned(config, trained), trained.judges, config.training.steps)
        path = folder.picture(f"seed-{seed}.png")
        pictures.append(picture(path, now, trained.judges, curves, signals))
        if recorder is not None and recorder.frames:
            path = folder.picture(f"seed-{seed}.gif")
            pictures.append(animation(path, recorder, curves, signals))
    return Result(trained, evaluation, tuple(pictures))


def load(folder: RunFolder, dataset: Dataset, seed: int) -> Trained:
    """One trained seed of an earlier run.

    Raises:
        ConfigError: Where the seed was not trained.
    """
    config = folder.config
    blank = untrained(config, dataset, seed)
    return Trained(seed, folder.load_pipeline(seed, blank.pipeline), blank.judges, ())
