"""What a training does, one stage after the other; and the recipe that is the default.

From scratch an objective of the measurement empties the bins of its own background
events: it is trained best from a classifier, shortly and at a low rate.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import optax
from jaxtyping import ArrayLike

from .._checks import check_count
from .._gradient import AnyObjective, BinaryCrossEntropy, needs_model
from .._objectives import is_objective, name_of
from .._pipeline import Pipeline


# The compiled step is kept by the identity of its optimiser.
@functools.cache
def adam(learning_rate: float) -> optax.GradientTransformation:
    """Adam. One object for each rate: trainings with one rate share a compiled step."""
    return optax.adam(learning_rate)


_ADAM = adam(1e-3)


@dataclass(frozen=True)
class Stage:
    """A number of steps on one objective.

    Args:
        objective: what is minimised: any function from a model to a number, an
            objective of the events such as `binary_cross_entropy`, or a sum of such.
        steps: how many.
        optimiser: any of optax's, with schedule, weight decay, clipping as it brings
            them. By default Adam with learning rate 1e-3. It starts anew with the
            stage.
        batch_size: the most events per sample in one step, drawn anew without
            repetition; each sample is scaled to its whole sum of weights. The value
            of an objective of the model on a batch is a biased estimate of that on all
            events, the more the smaller the batch. `None` takes all events in each
            step.
        chunk_size: with all events, how many of the largest sample are in memory
            together; the gradient stays exact. `None` takes all at once.
        bandwidth: in place of the pipeline's own; a function of the step within the
            stage (`anneal`, or any optax schedule) changes it as the stage goes on.
        logarithm: whether to minimise the logarithm of an objective with a model. It
            has the same minimum, and its gradient keeps its size while a CLs or a
            p-value falls by orders of magnitude: with the gradient of the CLs itself,
            Adam all but stops. Turn it off for an objective that may be negative.
        pseudo_events: κ, how many events of its mean weight each background process has
            more in every bin, in this objective alone: a bin is never as empty as its
            sample. 0 adds none.
        nuisances_fixed: whether all parameters but the one of interest are fixed, so
            that the objective sees no systematic uncertainty.

    Raises:
        ValueError: options that exclude each other or make no sense.
    """

    objective: AnyObjective
    steps: int = 100
    optimiser: optax.GradientTransformation = _ADAM
    batch_size: int | None = None
    chunk_size: int | None = None
    bandwidth: float | Callable[[int], ArrayLike] | None = None
    logarithm: bool = True
    pseudo_events: float = 1.0
    nuisances_fixed: bool = False

    def __post_init__(self) -> None:
        check_count("Stage(steps=...)", self.steps, least=0)
        hint = "Leave it out to take all events in every step."
        if self.batch_size is not None:
            check_count("Stage(batch_size=...)", self.batch_size, hint=hint)
        if self.chunk_size is not None:
            check_count("Stage(chunk_size=...)", self.chunk_size, hint=hint)
        if self.batch_size is not None and self.chunk_size is not None:
            raise ValueError(
                "`Stage` takes either `batch_size` (few events per step) or "
                "`chunk_size` (all events, a part at a time), not both."
            )
        if not self.pseudo_events >= 0:
            raise ValueError(
                "`Stage(pseudo_events=...)` must not be negative; got "
                f"{self.pseudo_events}."
            )

    @property
    def name(self) -> str:
        """What its objective is called."""
        return name_of(self.objective)

    def __repr__(self) -> str:
        return f"Stage({self.name}, {self.steps} steps)"


Stages: TypeAlias = AnyObjective | Stage | Sequence[Stage]
"""What `train` takes: stages, or an objective of which it makes them."""


def recipe(
    objective: AnyObjective,
    *,
    steps: int = 100,
    learning_rate: float = 3e-4,
    warm_start: int = 300,
    warm_learning_rate: float = 1e-3,
    variations: bool = False,
    batch_size: int | None = None,
    chunk_size: int | None = None,
    bandwidth: float | Callable[[int], ArrayLike] | None = None,
) -> tuple[Stage, Stage]:
    """Cross entropy first, then the objective, shortly and at a third of the rate.

    What `train` does with an objective of the model and a classifier, and measured
    against others in the documentation's "Does it pay?".

    Args:
        objective: of the model, or a sum with one.
        steps: on the objective.
        learning_rate: of these; Adam's.
        warm_start: steps on the cross entropy.
        warm_learning_rate: of these.
        variations: whether the cross entropy sees the shifted samples, too: where
            systematics move events far.
        batch_size, chunk_size: of both stages, see `Stage`.
        bandwidth: of the objective's stage.

    Returns:
        The two stages.
    """
    return (
        Stage(
            BinaryCrossEntropy(variations),
            warm_start,
            adam(warm_learning_rate),
            batch_size=batch_size,
            chunk_size=chunk_size,
        ),
        Stage(
            objective,
            steps,
            adam(learning_rate),
            batch_size=batch_size,
            chunk_size=chunk_size,
            bandwidth=bandwidth,
        ),
    )


def stages_of(stages: Stages, pipeline: Pipeline) -> tuple[Stage, ...]:
    """The stages that were given, or those for an objective.

    An objective of the model gets the recipe where the observable is a classifier; all
    others get one stage.
    """
    if isinstance(stages, Stage):
        return (stages,)
    if isinstance(stages, Sequence):
        if not stages or not all(isinstance(stage, Stage) for stage in stages):
            raise TypeError(
                "`train(stages=...)` takes an objective, a `Stage` or a list of "
                f"stages; got {stages!r}."
            )
        return tuple(stages)
    if not is_objective(stages):
        raise TypeError(
            "`train(stages=...)` takes an objective, a `Stage` or a list of stages; "
            f"got {stages!r}."
        )
    if needs_model(stages) and pipeline.observable.classifies:
        return recipe(stages)
    return (Stage(stages),)
