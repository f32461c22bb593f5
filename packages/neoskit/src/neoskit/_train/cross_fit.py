"""Cross-fitting: all events in the templates, none scored by a network that saw it."""

from collections.abc import Callable, Mapping
from typing import Any

import jax

from .._checks import check_count
from .._events import Dataset, leave_out, lengths_of_folds, padded, split
from .._pipeline import CrossFit, Pipeline, trained_leaves
from .keep import AbstractKeep, KeepLast
from .loop import Training, train
from .stage import Stages, stages_of
from .state import TrainState


def cross_fit(
    build: Callable[[Dataset, int], Pipeline | TrainState] | CrossFit,
    dataset: Dataset,
    stages: Stages,
    *,
    folds: int = 2,
    partition: int = 0,
    validation: float | None = None,
    keep: AbstractKeep | Callable[[Dataset], AbstractKeep] = KeepLast(),
    of_fold: Callable[[int], Mapping[str, Any]] | None = None,
    **options: Any,
) -> tuple[CrossFit, tuple[Training, ...]]:
    """Train one pipeline per fold, each on the events of all other folds.

    An event's fold is a hash of its index, so that its shifted copies are never seen
    either. Every process keeps its sum of weights in each training.

    Args:
        build: makes the untrained pipeline of a fold from the events that it may see
            (for their `standardisation`) and the fold's number (for its random key).
            Bin edges must be fixed. A `TrainState` goes on with the training of a
            fold. Or pipelines that were cross-fitted before, to go on with: their folds
            and partition stay.
        dataset: all events.
        stages: what each training does; see `train`.
        folds: how many.
        partition: another number gives other folds. What a result owes to the luck of
            the partition is seen by repeating it with some.
        validation: the share of the events of each training that it does not train on,
            for `keep` to choose by.
        keep: as of `train`; with `validation` a function of these events, such as
            `KeepBest`.
        of_fold: options of `train` that differ from fold to fold, such as `after_step`.
        options: those of `train`, the same for each fold.

    Returns:
        The pipelines as one, and what `train` returned for each. Ctrl-C ends the fold
        that is trained, and leaves those after it as they are: there is no training of
        these.

    Raises:
        ValueError: fewer than two folds, or bin edges that differ or are trained.
        TypeError: `validation` without a function as `keep`, or the reverse.
    """
    if isinstance(build, CrossFit):
        before, folds, partition = build, len(build.folds), build.partition
        build = lambda _, fold: before.folds[fold]  # noqa: E731
    check_count(
        "cross_fit(folds=...)", folds, least=2, hint="Without folds there is `train`."
    )
    seen = [leave_out(dataset, fold, folds, seed=partition) for fold in range(folds)]
    starts = tuple(build(events, fold) for fold, events in enumerate(seen))
    pipelines = tuple(
        start.pipeline if isinstance(start, TrainState) else start for start in starts
    )
    # Whether they can be joined is known now, and not when all have been trained.
    CrossFit(pipelines, partition)
    at_once = all(s.batch_size is None for s in stages_of(stages, pipelines[0]))
    if at_once and isinstance(dataset, Dataset):
        # Filled up with events of no weight, all folds share what is compiled.
        lengths = lengths_of_folds(dataset, folds)
        seen = [padded(events, lengths) for events in seen]
    if any(_trains_binning(pipeline) for pipeline in pipelines):
        raise ValueError(
            "`cross_fit(build=...)`: each fold would train its bin edges to others, "
            "and templates of different bins do not add up. Give `Binning` fixed edges."
        )
    if (validation is None) is not isinstance(keep, AbstractKeep):
        raise TypeError(
            "`cross_fit(validation=..., keep=...)`: the share of the validation events "
            "and a function of them, such as `KeepBest`, belong together."
        )

    trainings: list[Training] = []
    for fold, (start, events) in enumerate(zip(starts, seen, strict=True)):
        own = {} if of_fold is None else of_fold(fold)
        rule = keep
        if not isinstance(rule, AbstractKeep) and validation is not None:
            shares = (1.0 - validation, validation)
            events, aside = split(events, shares, seed=partition + 1)
            rule = rule(aside)
        trainings.append(train(start, events, stages, keep=rule, **options, **own))
        if trainings[-1].interrupted:
            break
    done = len(trainings)
    folded = (*(training.pipeline for training in trainings), *pipelines[done:])
    return CrossFit(folded, partition), tuple(trainings)


def _trains_binning(pipeline: Pipeline) -> bool:
    return any(jax.tree.leaves(trained_leaves(pipeline).binning))
