"""What is minimised, as a function of sums over events.

Whether of the model, of the events or a sum of both: an objective depends on the events
through sums over them, the templates and those of cross entropies. So it can be had
from one batch or, exactly, from any number of chunks.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

import fitkit

from .._custom_types import Scalar
from .._events import Dataset
from .._objectives import Objective, WeightedSum, statistics_of
from .._pipeline import Pipeline, trained_leaves
from .._templates import Templates
from .event_objective import AbstractEventObjective

AnyObjective: TypeAlias = Objective | AbstractEventObjective | WeightedSum
"""Of the model, of the events, or a sum of such."""

ModelOf: TypeAlias = Callable[[Templates], fitkit.Model]
"""Makes the model of templates: a measurement's own, or one for a training."""


class Sums(NamedTuple):
    """What an objective is a function of; two chunks' add up leaf by leaf.

    Args:
        templates: smooth; empty where no term needs a model.
        of_events: for each term of the events what it sums.
    """

    templates: Templates
    of_events: tuple[PyTree, ...]


def terms_of(objective: AnyObjective) -> tuple[tuple[float, Any], ...]:
    """Weight and objective of each term."""
    if isinstance(objective, WeightedSum):
        return objective.terms
    return ((1.0, objective),)


def needs_model(objective: AnyObjective) -> bool:
    """Whether any term is an objective of the model."""
    return any(
        not isinstance(term, AbstractEventObjective) for _, term in terms_of(objective)
    )


def statistics_for(objective: AnyObjective) -> Literal["parameters", "profiled"]:
    """How the model may have the factors of the finite samples, for all terms alike."""
    alike = {
        statistics_of(term)
        for _, term in terms_of(objective)
        if not isinstance(term, AbstractEventObjective)
    }
    return "profiled" if alike == {"profiled"} else "parameters"


def sums(pipeline: Pipeline, dataset: Dataset, objective: AnyObjective) -> Sums:
    """What the objective is made from, summed over the events."""
    scores = pipeline.scores(dataset)
    return Sums(
        pipeline.fill(dataset, scores) if needs_model(objective) else {},
        tuple(
            term.sums(scores, dataset, pipeline.measurement.signals)
            for _, term in terms_of(objective)
            if isinstance(term, AbstractEventObjective)
        ),
    )


def value(summed: Sums, objective: AnyObjective, model_of: ModelOf) -> Scalar:
    """The objective of sums over all events."""
    of_events = iter(summed.of_events)
    model = model_of(summed.templates) if needs_model(objective) else None
    values = [
        weight
        * (
            term.value(next(of_events))
            if isinstance(term, AbstractEventObjective)
            else term(model)
        )
        for weight, term in terms_of(objective)
    ]
    return jnp.asarray(sum(values[1:], values[0]))


def loss(
    pipeline: Pipeline,
    dataset: Dataset,
    objective: AnyObjective,
    *,
    model_of: ModelOf | None = None,
) -> Scalar:
    """The objective of the pipeline's smooth model, of the events, or of both.

    Args:
        pipeline: scores and fills the events.
        dataset: the events.
        objective: of the model, of the events, or a sum.
        model_of: makes the model of the templates; the measurement's own by default.
    """
    model_of = pipeline.measurement.model if model_of is None else model_of
    return value(sums(pipeline, dataset, objective), objective, model_of)


Trained: TypeAlias = tuple[Pipeline, PyTree]
"""The trained part of a pipeline, and that of an objective (an adversary's)."""


def trained_part(
    pipeline: Pipeline, objective: AnyObjective
) -> tuple[Trained, tuple[Pipeline, PyTree]]:
    """What is differentiated, and the rest that is combined with it again.

    Only what is trained is differentiated: derivatives of fixed arrays cost as much.
    """
    ours, rest = eqx.partition(pipeline, trained_leaves(pipeline))
    theirs, rest_of_objective = eqx.partition(objective, trained_of(objective))
    return (ours, theirs), (rest, rest_of_objective)


def trained_of(objective: AnyObjective) -> PyTree:
    """Which leaves of an objective are trained: arrays of objectives of the events."""

    def marks(node: Any) -> PyTree:
        if isinstance(node, AbstractEventObjective):
            return jax.tree.map(eqx.is_inexact_array, node)
        return False

    return jax.tree.map(
        marks, objective, is_leaf=lambda node: isinstance(node, AbstractEventObjective)
    )


def combined(trained: Trained, rest: Trained) -> tuple[Pipeline, AnyObjective]:
    """The inverse of `trained_part`."""
    return eqx.combine(trained[0], rest[0]), eqx.combine(trained[1], rest[1])
