"""Cross-fitting: all events in the templates, none scored by a network that saw it."""

from collections.abc import Callable
from typing import Any

import jax

from .._checks import check_count
from .._events import Dataset, leave_out
from .._gradient import AbstractEventObjective
from .._objectives import Objective
from .._pipeline import CrossFit, Pipeline, trained_leaves
from .loop import Training, train


def cross_fit(
    build: Callable[[Dataset, int], Pipeline],
    dataset: Dataset,
    objective: Objective | AbstractEventObjective,
    *,
    folds: int = 2,
    **options: Any,
) -> tuple[CrossFit, tuple[Training, ...]]:
    """Train one pipeline per fold, each on the events of all other folds.

    An event's fold is a hash of its index, so that its shifted copies are never seen
    either. Every process keeps its sum of weights in each training.

    Args:
        build: makes the untrained pipeline of a fold from the events that it may see
            (for their `standardisation`) and the fold's number (for its random key).
            Bin edges must be fixed.
        dataset: all events.
        objective: what each training minimises.
        folds: how many.
        options: those of `train`, the same for each fold.

    Returns:
        The pipelines as one, and what `train` returned for each.

    Raises:
        ValueError: fewer than two folds, or bin edges that differ or are trained.
    """
    check_count(
        "cross_fit(folds=...)", folds, least=2, hint="Without folds there is `train`."
    )
    seen = [leave_out(dataset, fold, folds) for fold in range(folds)]
    pipelines = tuple(build(events, fold) for fold, events in enumerate(seen))
    # Whether they can be joined is known now, and not when all have been trained.
    CrossFit(pipelines)
    if any(_trains_binning(pipeline) for pipeline in pipelines):
        raise ValueError(
            "`cross_fit(build=...)`: each fold would train its bin edges to others, "
            "and templates of different bins do not add up. Give `Binning` fixed edges."
        )
    trainings = tuple(
        train(pipeline, events, objective, **options)
        for pipeline, events in zip(pipelines, seen, strict=True)
    )
    return CrossFit(tuple(training.pipeline for training in trainings)), trainings


def _trains_binning(pipeline: Pipeline) -> bool:
    return any(jax.tree.leaves(trained_leaves(pipeline).binning))
