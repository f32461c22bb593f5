"""One network, two objectives, the same events: trained seed by seed and compared.

Both trainings of a seed have the same folds, initial parameters and batches; both are
judged on the same events.
"""

from dataclasses import dataclass

import jax

from .._compare import Comparison, compare
from .._config import RunConfig
from .._events import Dataset
from .folder import RunFolder
from .training import rebinned, train_seed


@dataclass(frozen=True)
class Compared:
    """What came out, for the seeds that were trained on both.

    Args:
        baseline: Name of the one objective.
        objective: Name of the other.
        seeds: Those that were trained on both.
        comparison: Their numbers; the ways have the names of the objectives.
        interrupted: Whether Ctrl-C ended it.
    """

    baseline: str
    objective: str
    seeds: tuple[int, ...]
    comparison: Comparison
    interrupted: bool = False


def run_comparison(
    folder: RunFolder, config: RunConfig, dataset: Dataset, *, progress: bool = True
) -> Compared:
    """Trains `compare.baseline` and `training.objective`, and compares them.

    The parameters of each training are in the folder as soon as it is done.

    Args:
        folder: Where they are written, in one folder per objective.
        config: The description.
        dataset: All events.
        progress: Whether bars are shown.

    Raises:
        ValueError: The baseline is the objective itself.
        KeyboardInterrupt: Ctrl-C came before the first seed was done.
    """
    names = (config.compare.baseline, config.training.objective)
    if names[0] == names[1]:
        raise ValueError(
            f"`compare.baseline` and `training.objective` are both {names[0]!r}: there "
            "is nothing to compare. Change one of them."
        )
    done, interrupted = [], False
    for seed in config.training.seeds:
        pair = []
        for name in names:
            table = config.training.model_copy(update={"objective": name})
            described = config.model_copy(update={"training": table})
            trained = train_seed(
                described, dataset, seed, monitor={}, progress=progress
            )
            interrupted = trained.interrupted
            if interrupted:
                break
            folder.within(name).save_pipeline(seed, trained.pipeline)
            pair.append(rebinned(config, trained))
        if interrupted:
            break
        done.append(pair)
        judges = trained.judges
    if not done:
        raise KeyboardInterrupt
    comparison = compare(
        {name: [pair[i] for pair in done] for i, name in enumerate(names)},
        judges,
        replicas=config.compare.bootstrap,
        key=jax.random.key(config.split.seed),
        progress=progress,
    )
    seeds = config.training.seeds[: len(done)]
    for name in names:
        for i, seed in enumerate(seeds):
            row = {k: float(v[i]) for k, v in comparison.numbers[name].items()}
            folder.log(seed=seed, objective=name, **row)
    return Compared(*names, seeds, comparison, interrupted)
