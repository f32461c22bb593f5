"""A described run: every seed trained, judged and exported."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import equinox as eqx
import jax

from .._events import Dataset, Events
from .._export import export_workspace
from .._gradient import AnyObjective, trained_of
from .._pipeline import AbstractPipeline
from .._results import (
    Evaluation,
    Unblinded,
    evaluate,
    merged_edges,
    unblind,
)
from .._results.numbers import NUMBERS
from .._train import TrainingFailed, TrainState
from .builders import stage_tables
from .builders.training import build_objective
from .config import RunConfig
from .failure import Failure, noted
from .folder import RunFolder
from .seed import Trained as Trained
from .seed import partition_of, step_of, train_seed, two_parts
from .seed import untrained as untrained
from .snapshots import Recording
from .start import checkpoints
from .stop import Stop

if TYPE_CHECKING:
    from .pictures import Recorder


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


def judge(
    folder: RunFolder, config: RunConfig, trained: Trained, *, progress: bool = False
) -> Judged:
    """The expected result of one seed, written down with its workspace."""
    failures: list[Failure] = []
    pipeline, evaluation = trained.pipeline, None
    with noted(failures, "merging bins"):
        pipeline = rebinned(config, trained)
        # Inside: where bins are not merged by the rule, nothing is quoted from them.
        with noted(failures, "the expected result"):
            evaluation = evaluate(
                pipeline,
                trained.judges,
                objectives=_objectives(config, trained),
                replicas=config.evaluation.bootstrap,
                # Of the split, as it is the luck of the events that is drawn again.
                seed=config.split.seed,
                soft=config.evaluation.soft,
                progress=f"seed {trained.seed}, errors" if progress else False,
            )
            folder.save_evaluation(trained.seed, evaluation)
        with noted(failures, "the workspace"):
            _export(folder, config, trained, pipeline)
    return Judged(pipeline, evaluation, tuple(failures))


def _objectives(config: RunConfig, trained: Trained) -> dict[str, AnyObjective]:
    """What the training minimised in the end, unless it is judged anyway."""
    text = stage_tables(config)[-1].objective
    if text in NUMBERS:
        return {}
    objective = build_objective(text, trained.judges, trained.seed)
    # An adversary has parameters of its own, which are not kept: it has no value.
    own = eqx.filter(objective, trained_of(objective))
    return {} if jax.tree.leaves(own) else {text: objective}


def _export(
    folder: RunFolder, config: RunConfig, trained: Trained, pipeline: AbstractPipeline
) -> Path:
    # The first seed, not the best: seeds that are chosen by their result flatter it.
    file = folder.of_seed(trained.seed) / "workspace.json"
    export_workspace(file, pipeline, trained.judges)
    if trained.seed == folder.seeds_of(config)[0]:
        folder.workspace.write_bytes(file.read_bytes())
    return file


def unblind_seed(
    config: RunConfig, trained: Trained, observed: dict[str, Events]
) -> Unblinded:
    """The recorded events, scored and fitted with the bins that were chosen blind."""
    pipeline = rebinned(config, trained)
    # Only now do data and templates meet; bins and network were chosen without them.
    judges = trained.judges
    if isinstance(judges, Dataset):
        opened = Dataset(judges.channels, judges.counted, observed)
    else:
        opened = judges.with_observed(observed)
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
    stop: Stop | None = None,
) -> Result:
    """Trains, judges, exports and draws one seed into the run's folder.

    A training that was interrupted goes on from its checkpoint. Each step's numbers
    are on disk when the step is done, the parameters as soon as the training ends, also
    where Ctrl-C or an objective that is not finite ended it. What fails from there on
    is noted in the result.

    Args:
        folder: Where everything goes.
        config: The description.
        dataset: All events.
        seed: Which seed.
        draw: Whether pictures are drawn (needs the extra `plot`).
        animate: Whether one of them moves. Not with folds.
        progress: Whether progress is shown.
        stop: Whether it is to end; without a judgement where there is no time for it,
            or a fold is missing.

    Raises:
        TrainingFailed: There is no good step to keep.
        CannotWrite: The folder cannot be written; what is kept is named.
    """
    failures: list[Failure] = []
    recorder = None
    if draw and animate and config.split.folds is None:
        from .pictures import Recorder

        every = max(1, _steps(config) // 30)
        recorder = Recorder(two_parts(config, dataset)[1], every)

    missed: list[Failure] = []
    recording = recording_of(folder, config, dataset, seed)
    stop = Stop() if stop is None else stop
    states = checkpoints(folder, config, seed, stop)

    def watch(fold: int | None, state: TrainState, numbers: dict[str, float]) -> None:
        if recording.is_time(int(state.step)) and not missed:
            # Said once, as what fails now fails at each look; the training goes on.
            with noted(missed, "looks at the training"):
                numbers = {**recording.look(fold, state), **numbers}
        folder.log(seed=seed, **step_of(fold, state), **numbers)
        # A frame that cannot be had is said once, and ends the film, not the training.
        if recorder is not None and not failures:
            with noted(failures, "a frame of the film"):
                recorder(state.pipeline, int(state.step))

    try:
        trained = train_seed(
            config,
            dataset,
            seed,
            watch=watch,
            checkpoints=states,
            progress=f"seed {seed}" if progress else False,
        )
    except TrainingFailed as failed:
        trained = _until_then(config, dataset, seed, failed)
        failures.append(Failure("the training", failed))
    of_folds = config.split.folds is not None
    if trained.interrupted and (stop.at_once or of_folds):
        return Result(trained, None, (), tuple(failures))
    if of_folds and not missed:
        with noted(missed, "the looks at all folds together"):
            folder.forget_metrics(seed, None, after=-1)
            for line in recording.join(trained.pipeline):
                folder.log(seed=seed, **line)
    failures += missed
    folder.save_pipeline(seed, trained.pipeline)
    judged = judge(folder, config, trained, progress=progress)
    failures += judged.failures
    pictures: list[Path] = []
    if draw:
        with noted(failures, "the pictures"):
            for path in _drawn(folder, config, trained, judged.pipeline, recorder):
                pictures.append(path)  # one by one: the first stays if the second fails
    return Result(trained, judged.evaluation, tuple(pictures), tuple(failures))


def recording_of(
    folder: RunFolder, config: RunConfig, dataset: Dataset, seed: int
) -> Recording:
    """The looks at the trainings of a seed."""
    if config.split.folds is not None:
        return Recording(folder, config, seed, dataset, partition_of(config, seed))
    return Recording(folder, config, seed, two_parts(config, dataset)[1])


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
