"""Which of a stage's parameters are kept: the last, the best, or an average.

The best is chosen on events of its own, that neither train nor judge: a choice by the
events that judge would flatter the result.
"""

import abc
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from .._checks import check_count
from .._custom_types import Scalar
from .._events import Dataset
from .._gradient import AbstractEventObjective, AnyObjective, loss, value_of_stored
from .._gradient.loss import terms_of
from .._pipeline import Pipeline, trained_leaves


class AbstractKeep(abc.ABC):
    """A rule for what a stage leaves to the next one, or as the result."""

    @abc.abstractmethod
    def start(self, pipeline: Pipeline) -> PyTree:
        """What it remembers when a stage begins: arrays, so that it can be saved."""

    @abc.abstractmethod
    def after_step(
        self, memory: PyTree, pipeline: Pipeline, objective: AnyObjective, step: int
    ) -> PyTree:
        """What it remembers after the step of this number, from 1, of the stage."""

    @abc.abstractmethod
    def ends(self, memory: PyTree, step: int) -> bool:
        """Whether the stage may end before its last step."""

    @abc.abstractmethod
    def kept(self, memory: PyTree, pipeline: Pipeline) -> Pipeline:
        """The pipeline that the stage leaves."""


@final
class KeepLast(AbstractKeep):
    """What the last step left. Nothing is computed for it."""

    def start(self, pipeline: Pipeline) -> PyTree:
        return None

    def after_step(
        self, memory: PyTree, pipeline: Pipeline, objective: AnyObjective, step: int
    ) -> PyTree:
        return None

    def ends(self, memory: PyTree, step: int) -> bool:
        return False

    def kept(self, memory: PyTree, pipeline: Pipeline) -> Pipeline:
        return pipeline


class Best(NamedTuple):
    """What `KeepBest` remembers.

    Args:
        trained: the parameters of the best step.
        value: the objective there, on the validation events.
        step: its number in the stage; 0 is the start.
    """

    trained: PyTree
    value: np.ndarray
    step: np.ndarray


@final
class KeepBest(AbstractKeep):
    """The parameters with the smallest objective on validation events, in hard bins.

    An objective of the events, which has no bins, is computed on the validation events
    as it is.

    Args:
        validation: events that are neither trained on nor judged with, as the second of
            three parts of `split`.
        every: after how many steps it is looked at.
        patience: a stage ends when it did not improve for so many steps; `None` lets it
            go on to its last step.

    Example:
        >>> from neoskit import gaussian_blobs, split
        >>> events = gaussian_blobs(1000)
        >>> train_on, validation, held_out = split(events, (0.6, 0.2, 0.2))
        >>> KeepBest(validation, patience=20)
        KeepBest(every=1, patience=20)
    """

    def __init__(
        self, validation: Dataset, *, every: int = 1, patience: int | None = None
    ):
        check_count("KeepBest(every=...)", every)
        if patience is not None:
            check_count("KeepBest(patience=...)", patience)
        self.validation = validation
        self.every = every
        self.patience = patience

    def start(self, pipeline: Pipeline) -> PyTree:
        return Best(_trained(pipeline), np.asarray(np.inf), np.asarray(0))

    def after_step(
        self, memory: PyTree, pipeline: Pipeline, objective: AnyObjective, step: int
    ) -> PyTree:
        if step % self.every:
            return memory
        now = hard_loss(pipeline, self.validation, objective)
        # A number that does not exist is never the best.
        if not now < memory.value:
            return memory
        return Best(_trained(pipeline), np.asarray(now), np.asarray(step))

    def ends(self, memory: PyTree, step: int) -> bool:
        return self.patience is not None and step - int(memory.step) >= self.patience

    def kept(self, memory: PyTree, pipeline: Pipeline) -> Pipeline:
        return eqx.combine(memory.trained, pipeline)

    def __repr__(self) -> str:
        return f"KeepBest(every={self.every}, patience={self.patience})"


@final
class KeepAverage(AbstractKeep):
    """An exponential average of the parameters over the steps of a stage.

    Args:
        decay: how much of the average stays in a step; 0.99 is a memory of about 100
            steps.

    References:
        Polyak, Juditsky, SIAM J. Control Optim. 30 (1992) 838, for the plain mean.
    """

    def __init__(self, decay: float = 0.99):
        if not 0 <= decay < 1:
            raise ValueError(
                f"`KeepAverage(decay=...)` must be in [0, 1); got {decay}."
            )
        self.decay = decay

    def start(self, pipeline: Pipeline) -> PyTree:
        return jax.tree.map(np.zeros_like, _trained(pipeline)), np.asarray(0)

    def after_step(
        self, memory: PyTree, pipeline: Pipeline, objective: AnyObjective, step: int
    ) -> PyTree:
        total, count = memory
        now = jax.tree.map(np.asarray, _trained(pipeline))
        # In the precision of the parameters: a Python number keeps it.
        moved = jax.tree.map(
            lambda a, b: self.decay * a + (1 - self.decay) * b, total, now
        )
        return moved, count + 1

    def ends(self, memory: PyTree, step: int) -> bool:
        return False

    def kept(self, memory: PyTree, pipeline: Pipeline) -> Pipeline:
        total, count = memory
        if not count:
            return pipeline
        # The average began at 0, which is taken out again.
        weight = 1 - self.decay ** int(count)
        averaged = jax.tree.map(lambda a: a / a.dtype.type(weight), total)
        return eqx.combine(jax.tree.map(jax.numpy.asarray, averaged), pipeline)

    def __repr__(self) -> str:
        return f"KeepAverage(decay={self.decay})"


def _trained(pipeline: Pipeline) -> PyTree:
    return eqx.filter(pipeline, trained_leaves(pipeline))


def hard_loss(pipeline: Pipeline, dataset: Dataset, objective: AnyObjective) -> float:
    """An objective on events that were not trained on, of hard bins, as it is judged.

    No pseudo-events and no fixed parameters: those are of the training alone.
    """
    # Of concrete templates fitkit computes at once, on NumPy: to compile the fit of a
    # number that is only looked at would take longer than many steps.
    total = 0.0
    model = None
    for weight, term in terms_of(objective):
        if isinstance(term, AbstractEventObjective):
            of = _of_events if isinstance(dataset, Dataset) else value_of_stored
            number: Any = of(pipeline, dataset, term)
        else:
            if model is None:
                model = pipeline.hard_model(dataset)
            number = term(model)
        total += weight * float(number)
    return total


@eqx.filter_jit
def _of_events(
    pipeline: Pipeline, dataset: Dataset, objective: AbstractEventObjective
) -> Scalar:
    return loss(pipeline, dataset, objective)
