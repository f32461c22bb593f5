"""What a number owes to the luck of its sample, and what to the smoothing of bins."""

from collections.abc import Mapping

import equinox as eqx
import jax
import numpy as np

import fitkit

from .._custom_types import Scalar
from .._events import Dataset, StoredDataset, keep_only
from .._gradient import AbstractEventObjective, AnyObjective, loss, value_of_stored
from .._gradient.loss import terms_of
from .._pipeline import AbstractPipeline, CrossFit, Pipeline
from .._progress import progress_bar
from .._templates import Templates
from .bootstrap import resample
from .numbers import medians_of


def values_of(
    objectives: Mapping[str, AnyObjective],
    model: fitkit.Model,
    pipeline: AbstractPipeline,
    dataset: Dataset,
) -> tuple[dict[str, float], dict[str, str]]:
    """Objectives of one model and of the events, each judged apart.

    Args:
        objectives: by name.
        model: of templates that a training has not seen.
        pipeline: what the model's templates are of.
        dataset: the events.

    Returns:
        The values, NaN where there is none, and why.
    """
    values, missing = {}, {}
    for name, objective in objectives.items():
        try:
            values[name] = sum(
                weight
                * (
                    _of_events(pipeline, dataset, term)
                    if isinstance(term, AbstractEventObjective)
                    else float(term(model))
                )
                for weight, term in terms_of(objective)
            )
            problem = f"it is {values[name]}."
        # What fitkit raises where a fit has no minimum, or a model no answer.
        except (ArithmeticError, RuntimeError, ValueError) as error:
            values[name], problem = np.nan, str(error).split("\n---")[0]
        if not np.isfinite(values[name]):
            missing[name] = problem
    return values, missing


def sample_errors(
    pipeline: AbstractPipeline,
    dataset: Dataset,
    mu: float,
    replicas: int,
    seed: int,
    objectives: Mapping[str, AnyObjective],
    progress: bool | str = False,
) -> dict[str, float]:
    """The standard deviation of each number over bootstrap replicas of the events.

    Args:
        pipeline: trained; it stays as it is.
        dataset: events that it was not trained on.
        mu: the strength that is tested and assumed.
        replicas: how many; with none there are no errors.
        seed: of the replicas.
        objectives: what else is judged, by name.
        progress: whether progress is shown.

    Returns:
        By the names of numbers and objectives; NaN where less than two replicas have a
        number.
    """
    if not replicas:
        return {}
    fill = pipeline.hard_filler(dataset)
    rows: list[dict[str, float]] = []
    with progress_bar(replicas, "replica", progress) as show:
        for replica in range(replicas):
            same = resample(dataset, seed, replica)
            model = pipeline.measurement.model(fill(same))
            values, _ = values_of(objectives, model, pipeline, same)
            rows.append({**medians_of(model, mu).medians, **values})
            show("")
    return {name: _spread([row[name] for row in rows]) for name in rows[0]}


def _spread(values: list[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.std(finite, ddof=1)) if len(finite) > 1 else np.nan


def soft_templates(pipeline: AbstractPipeline, dataset: Dataset) -> Templates:
    """Smooth templates of known events, as a training sees them.

    Compiled as one: sample by sample, each length of them would be compiled alone.
    """
    if isinstance(dataset, StoredDataset):
        return pipeline.templates(dataset)
    if not isinstance(pipeline, CrossFit):
        return _soft(pipeline, dataset)
    folds = pipeline.folds
    parts = [
        _soft(fold, keep_only(dataset, k, len(folds), seed=pipeline.partition))
        for k, fold in enumerate(folds)
    ]
    return jax.tree.map(lambda *terms: sum(terms[1:], terms[0]), *parts)


@eqx.filter_jit
def _soft(pipeline: AbstractPipeline, dataset: Dataset) -> Templates:
    return pipeline.templates(dataset)


def _of_events(
    pipeline: AbstractPipeline, dataset: Dataset, objective: AbstractEventObjective
) -> float:
    if isinstance(pipeline, CrossFit):
        # Each fold on the events that it has not seen; the others have no weight.
        folds = pipeline.folds
        return float(
            np.mean(
                [
                    _loss(
                        fold,
                        keep_only(dataset, k, len(folds), seed=pipeline.partition),
                        objective,
                    )
                    for k, fold in enumerate(folds)
                ]
            )
        )
    if not isinstance(pipeline, Pipeline):
        raise TypeError(
            f"An objective of the events needs a `Pipeline`; got {pipeline!r}"
        )
    return float(_loss(pipeline, dataset, objective))


def _loss(
    pipeline: Pipeline,
    dataset: Dataset | StoredDataset,
    objective: AbstractEventObjective,
) -> Scalar:
    if isinstance(dataset, StoredDataset):
        return value_of_stored(pipeline, dataset, objective)
    return _loss_in_memory(pipeline, dataset, objective)


@eqx.filter_jit
def _loss_in_memory(
    pipeline: Pipeline, dataset: Dataset, objective: AbstractEventObjective
) -> Scalar:
    return loss(pipeline, dataset, objective)
