"""One network, two objectives, the same events: trained seed by seed and compared.

Both trainings of a seed have the same folds, initial parameters and batches; both are
judged on the same events.
"""

from dataclasses import dataclass

import jax

from .._events import Dataset
from .._pipeline import AbstractPipeline
from .._results import Comparison, compare
from .config import ConfigError, RunConfig
from .failure import Failure, noted
from .folder import RunFolder, comparison_document
from .run import Trained, rebinned, train_seed


@dataclass(frozen=True)
class Compared:
    """What came out, for the seeds that were trained on both.

    Args:
        baseline: Name of the one objective.
        objective: Name of the other.
        seeds: Those that were trained on both.
        comparison: Their numbers; the ways have the names of the objectives.
        interrupted: Whether Ctrl-C ended it.
        failures: What could not be trained or judged, and is not compared.
    """

    baseline: str
    objective: str
    seeds: tuple[int, ...]
    comparison: Comparison
    interrupted: bool = False
    failures: tuple[Failure, ...] = ()


def run_comparison(
    folder: RunFolder, config: RunConfig, dataset: Dataset, *, progress: bool = True
) -> Compared:
    """Trains `compare.baseline` and `training.objective`, and compares them.

    The parameters of each training are in the folder as soon as it is done, and the
    numbers of all, in `comparison.json`, when this returns.

    Args:
        folder: Where they are written, in one folder per objective.
        config: The description.
        dataset: All events.
        progress: Whether bars are shown.

    Raises:
        ConfigError: The baseline is the objective itself.
        KeyboardInterrupt: Ctrl-C came before the first seed was done.
        Exception: No seed could be trained on both and judged; the first reason.
    """
    names = two_objectives(config)
    done: dict[int, list[AbstractPipeline]] = {}
    failures: list[Failure] = []
    interrupted = False
    # Both trainings of a seed before the next one: Ctrl-C leaves pairs, not halves.
    for seed in config.training.seeds:
        pair: list[AbstractPipeline] = []
        for name in names:
            with noted(failures, f"seed {seed} on {name}"):
                trained = _trained(folder, config, dataset, seed, name, progress)
                interrupted = trained.interrupted
                if not interrupted:
                    pair.append(rebinned(config, trained))
            if interrupted:
                break
        if interrupted:
            break
        # A difference needs both; one alone is on disk, but not compared.
        if len(pair) == len(names):
            done[seed] = pair
            judges = trained.judges
    if not done:
        if failures and not interrupted:
            raise failures[0].error
        raise KeyboardInterrupt
    comparison = compare(
        {name: [pair[i] for pair in done.values()] for i, name in enumerate(names)},
        judges,
        replicas=config.compare.bootstrap,
        # Of the split, as it is the luck of the events that is drawn again.
        key=jax.random.key(config.split.seed),
        progress=progress,
    )
    outcome = Compared(
        *names, tuple(done), comparison, interrupted, failures=tuple(failures)
    )
    folder.save_comparison(
        comparison_document(
            comparison, baseline=names[0], objective=names[1], seeds=outcome.seeds
        )
    )
    return outcome


def two_objectives(config: RunConfig) -> tuple[str, str]:
    """The names of the baseline and of the objective.

    Raises:
        ConfigError: They are one.
    """
    names = (config.compare.baseline, config.training.objective)
    if names[0] == names[1]:
        raise ConfigError(
            f"`compare.baseline` and `training.objective` are both {names[0]!r}: there "
            "is nothing to compare. Change one of them."
        )
    return names


def _trained(
    folder: RunFolder,
    config: RunConfig,
    dataset: Dataset,
    seed: int,
    objective: str,
    progress: bool,
) -> Trained:
    """One training of a seed, on disk when this returns, unless it was interrupted."""
    table = config.training.model_copy(update={"objective": objective})
    described = config.model_copy(update={"training": table})
    trained = train_seed(described, dataset, seed, monitor={}, progress=progress)
    if not trained.interrupted:
        folder.within(objective).save_pipeline(seed, trained.pipeline)
    return trained
