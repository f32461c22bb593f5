"""Cross-fitting: all events in the templates, none scored by a network that saw it."""

from collections.abc import Callable
from typing import Any

from .._events import Dataset
from .._gradient import AbstractEventObjective
from .._objectives import Objective
from .._pipeline import CrossFit, Pipeline
from .._split import leave_out
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

    An event's fold is a hash of its index, so that its shifted twins are never seen
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
    """
    seen = [leave_out(dataset, fold, folds) for fold in range(folds)]
    trainings = tuple(
        train(build(events, fold), events, objective, **options)
        for fold, events in enumerate(seen)
    )
    return CrossFit(tuple(training.pipeline for training in trainings)), trainings
