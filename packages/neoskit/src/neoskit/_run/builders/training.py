"""Descriptions → stages, optimisers, and what is compared."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import optax

from ..._events import Dataset
from ..._gradient import (
    AbstractEventObjective,
    AdversarialCrossEntropy,
    AnyObjective,
    BinaryCrossEntropy,
)
from ..._objectives import (
    Logarithm,
    Objective,
    WeightedSum,
    discovery_pvalue,
    expected_cls,
    expected_limit,
    generalised_variance,
    poi_variance,
)
from ..._train import AbstractKeep, KeepAverage, KeepBest, KeepLast, Stage, anneal
from ..config import (
    AnnealedTable,
    RunConfig,
    SelectionTable,
    SoftmaxTable,
    StageTable,
    has_model,
    parse_objective,
)
from ..config.binning import Schedule

OBJECTIVES: dict[str, Objective | AbstractEventObjective] = {
    "expected_cls": expected_cls,
    "expected_limit": expected_limit,
    "discovery_pvalue": discovery_pvalue,
    "poi_variance": poi_variance,
    "generalised_variance": generalised_variance,
    "binary_cross_entropy": BinaryCrossEntropy(),
    "binary_cross_entropy_with_variations": BinaryCrossEntropy(variations=True),
}


# One object of each, as what is compiled is kept by the objective's identity.
ON_HOST: dict[str, Objective] = {
    "expected_cls": functools.partial(expected_cls, on_host=True),
    "discovery_pvalue": functools.partial(discovery_pvalue, on_host=True),
}


def build_objective(
    text: str, dataset: Dataset, seed: int, *, on_host: bool = False
) -> AnyObjective:
    """The objective that a text names.

    Args:
        text: a sum of objectives.
        dataset: the events, whose variations an adversary tells apart.
        seed: of an adversary's initial parameters.
        on_host: whether fits run on NumPy where an objective can.
    """
    terms = []
    for term in parse_objective(text):
        one: Any
        if term.name == "adversarial_cross_entropy":
            shifts = {key.shift for key, _ in dataset.scored_samples() if key.shift}
            systematics = sorted({shift.rpartition(":")[0] for shift in shifts})
            one = AdversarialCrossEntropy(systematics, key=jax.random.key(seed))
        else:
            one = OBJECTIVES[term.name]
            if on_host and term.name in ON_HOST:
                one = ON_HOST[term.name]
        terms.append((term.weight, Logarithm(one) if term.logarithm else one))
    if len(terms) == 1 and terms[0][0] == 1.0:
        return terms[0][1]
    return WeightedSum(tuple(terms))


def stage_tables(config: RunConfig) -> tuple[StageTable, ...]:
    """The stages that a description says, or those of the recipe."""
    table = config.training
    if table.stages:
        return table.stages
    keys = {name: getattr(table, name) for name in StageTable.model_fields}
    if keys["bandwidth"] is None and isinstance(
        config.binning.bandwidth, AnnealedTable
    ):
        keys["bandwidth"] = config.binning.bandwidth
    last = StageTable.model_construct(**keys)
    warm = table.warm_start
    observable = config.observable
    classifies = not isinstance(observable, SelectionTable) and not (
        isinstance(observable, SoftmaxTable) and observable.from_scratch
    )
    if warm is False or not classifies or not has_model(table.objective):
        return (last,)
    name = "binary_cross_entropy" + "_with_variations" * warm.variations
    first = StageTable(
        objective=name,
        steps=warm.steps,
        learning_rate=warm.learning_rate,
        batch=table.batch,
        chunk=table.chunk,
    )
    return (first, last)


def build_stages(
    tables: tuple[StageTable, ...], dataset: Dataset, seed: int
) -> tuple[Stage, ...]:
    """The stages of a training."""
    return tuple(
        Stage(
            build_objective(table.objective, dataset, seed, on_host=table.fits_on_host),
            table.steps,
            _optimiser(
                table.optimiser,
                table.learning_rate,
                table.schedule,
                # A constant rate is one for any number of steps, and compiled once.
                table.steps if table.schedule == "cosine" else 0,
                table.warm_up,
                table.weight_decay,
                table.clip,
            ),
            batch_size=table.batch,
            chunk_size=table.chunk,
            bandwidth=_bandwidth(table.bandwidth, table.steps),
            logarithm=table.logarithm,
            pseudo_events=table.pseudo_events,
            nuisances_fixed=table.nuisances == "fixed",
        )
        for table in tables
    )


def build_keep(
    config: RunConfig,
) -> AbstractKeep | Callable[[Dataset], AbstractKeep]:
    """What each stage leaves; a function of the validation events if there are any."""
    table = config.training

    def chosen(validation: Dataset | None = None) -> AbstractKeep:
        if table.keep == "best" and validation is not None:
            return KeepBest(validation, every=table.every, patience=table.patience)
        return KeepAverage() if table.keep == "average" else KeepLast()

    return chosen() if config.split.validation is None else chosen


# The compiled step is kept by the identity of its optimiser: one for all seeds, or
# every seed compiles it anew.
@functools.cache
def _optimiser(
    name: str,
    rate: float,
    schedule: str,
    steps: int,
    warm_up: int,
    weight_decay: float,
    clip: float | None,
) -> optax.GradientTransformation:
    if schedule == "cosine":
        rates: Any = optax.cosine_decay_schedule(rate, max(steps - warm_up, 1))
    else:
        rates = optax.constant_schedule(rate)
    if warm_up:
        rises = optax.linear_schedule(0.0, rate, warm_up)
        rates = optax.join_schedules([rises, rates], [warm_up])
    parts = [] if clip is None else [optax.clip_by_global_norm(clip)]
    if name == "adam":
        parts.append(optax.adamw(rates, weight_decay=weight_decay))
    else:
        if weight_decay:
            parts.append(optax.add_decayed_weights(weight_decay))
        parts.append(optax.sgd(rates))
    return optax.chain(*parts)


def _bandwidth(
    width: Schedule | None, steps: int
) -> float | Callable[[Any], Any] | None:
    if isinstance(width, AnnealedTable):
        return anneal(width.start, width.end, steps)
    return width
