"""One set of events, several ways of training: trained seed by seed and compared.

All trainings of a seed have the same folds, initial parameters and batches, and are
judged on the same events.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from .._events import Dataset
from .._pipeline import AbstractPipeline
from .._results import Comparison, HeadRoom, compare, head_room
from .._train import TrainState
from .config import EvaluationTable, RunConfig
from .documents import comparison_document
from .failure import Failure, noted
from .folder import RunFolder
from .run import judge
from .seed import Trained, step_of, train_seed
from .start import checkpoints
from .stop import Stop
from .ways import Way, ways_of


@dataclass(frozen=True)
class Compared:
    """What came out, for the seeds that were trained in every way.

    Args:
        ways: Names of the ways; the last one is what `[training]` describes.
        seeds: Those that were trained in every way.
        comparison: Their numbers, by the names of the ways.
        head_room: What the uncertainties cost the first baseline's first seed; `None`
            where that cannot be had.
        interrupted: Whether Ctrl-C ended it.
        failures: What could not be trained or judged, and is not compared.
    """

    ways: tuple[str, ...]
    seeds: tuple[int, ...]
    comparison: Comparison
    head_room: HeadRoom | None
    interrupted: bool = False
    failures: tuple[Failure, ...] = ()

    @property
    def objective(self) -> str:
        """The way that is compared with all others."""
        return self.ways[-1]

    @property
    def baselines(self) -> tuple[str, ...]:
        """The others."""
        return self.ways[:-1]


def run_comparison(
    folder: RunFolder,
    config: RunConfig,
    dataset: Dataset,
    *,
    draw: bool = True,
    progress: bool = True,
    stop: Stop | None = None,
    tell: Callable[[HeadRoom], None] | None = None,
) -> Compared:
    """Trains the baselines and what `[training]` describes, and compares them.

    Trainings that were interrupted go on from their checkpoints. The parameters of each
    are in the folder with their expected result as soon as it is done, and the numbers
    of all, in `comparison.json`, when this returns.

    Args:
        folder: Where they are written, in one folder per way.
        config: The description.
        dataset: All events.
        draw: Whether a picture is drawn (needs the extra `plot`).
        progress: Whether progress is shown.
        stop: Whether it is to end.
        tell: Called with the head-room of the first baseline, before anything is
            trained on the objective.

    Raises:
        ConfigError: A baseline is the objective itself.
        CannotWrite: The folder cannot be written; what is kept is named.
        KeyboardInterrupt: Ctrl-C came before the first seed was done.
        Exception: No seed could be trained in every way and judged; the first reason.
    """
    ways = ways_of(config)
    stop = Stop() if stop is None else stop
    done: dict[int, list[AbstractPipeline]] = {}
    failures: list[Failure] = []
    interrupted = False
    room: HeadRoom | None = None
    # All trainings of a seed before the next one: Ctrl-C leaves whole seeds.
    for seed in config.training.seeds:
        trainings: list[AbstractPipeline] = []
        for way in ways:
            with noted(failures, f"seed {seed} on {way.name}"):
                trained = _trained(folder, way, dataset, seed, progress, stop)
                interrupted = trained.interrupted or stop.requested
                if not trained.interrupted:
                    judged = judge(_run_of(folder, way), _quick(way), trained)
                    failures += judged.failures
                    trainings.append(judged.pipeline)
            if interrupted:
                break
            if room is None and trainings and not interrupted:
                with noted(failures, f"the head-room of {way.name}"):
                    room = head_room(trainings[0], trained.judges)
                    if tell is not None:
                        tell(room)
        if interrupted:
            break
        # A difference needs all; one alone is on disk, but not compared.
        if len(trainings) == len(ways):
            done[seed] = trainings
            judges = trained.judges
    if not done:
        if failures and not interrupted:
            raise failures[0].error
        raise KeyboardInterrupt
    names = tuple(way.name for way in ways)
    comparison = compare(
        dict(zip(names, map(list, zip(*done.values(), strict=True)), strict=True)),
        judges,
        replicas=config.compare.bootstrap,
        # Of the split, as it is the luck of the events that is drawn again.
        seed=config.split.seed,
        progress=progress,
    )
    outcome = Compared(
        names, tuple(done), comparison, room, interrupted, failures=tuple(failures)
    )
    folder.save_comparison(
        comparison_document(
            comparison,
            baselines=outcome.baselines,
            objective=outcome.objective,
            seeds=outcome.seeds,
            head_room=room,
            least_head_room=config.compare.head_room,
        )
        | {
            "ways": [way.document for way in ways],
            "left_out": [{"what": one.what, "why": one.why} for one in failures],
        }
    )
    if draw:
        # Here, not above: without pictures a comparison needs no matplotlib.
        from . import pictures

        with noted(failures, "the picture"):
            pictures.comparison(
                folder.picture("comparison.png"),
                comparison,
                outcome.objective,
                outcome.baselines,
            )
        outcome = dataclasses.replace(outcome, failures=tuple(failures))
    return outcome


def _trained(
    folder: RunFolder,
    way: Way,
    dataset: Dataset,
    seed: int,
    progress: bool,
    stop: Stop,
) -> Trained:
    """One training of a seed, on disk when this returns."""
    part = _run_of(folder, way)

    def watch(fold: int | None, state: TrainState, numbers: dict[str, float]) -> None:
        part.log(seed=seed, **step_of(fold, state), **numbers)

    trained = train_seed(
        way.config,
        dataset,
        seed,
        monitor={},
        watch=watch,
        checkpoints=checkpoints(part, way.config, seed, stop),
        progress=f"seed {seed} on {way.name}" if progress else False,
    )
    if not trained.interrupted:
        part.save_pipeline(seed, trained.pipeline)
    return trained


def _run_of(folder: RunFolder, way: Way) -> RunFolder:
    """The part of a comparison that is one way, which `evaluate` reads as a run."""
    part = folder.within(way.folder)
    if not (part.path / "config.toml").is_file():
        part.describe(way.config, folder.provenance)
    return part


def _quick(way: Way) -> RunConfig:
    """Judged without errors: those of the differences come from the same replicas."""
    nothing = EvaluationTable(bootstrap=0, soft=False)
    return way.config.model_copy(update={"evaluation": nothing})


def compared(folder: RunFolder, config: RunConfig) -> bool:
    """Whether all trainings of a comparison are at their ends, and compared."""
    return (folder.path / "comparison.json").is_file() and all(
        checkpoints(RunFolder(folder.path / way.folder), way.config, seed).finished
        for way in ways_of(config)
        for seed in config.training.seeds
    )
