"""Classifiers that are made of others: a correction, a mean, a column of the file."""

from collections.abc import Sequence
from typing import Literal, final

import equinox as eqx
import jax.numpy as jnp

from .._custom_types import Features, PerEvent
from .network import NeuralObservable
from .observable import AbstractClassifier, Fixed


@final
class FeatureScore(AbstractClassifier):
    """One feature as the classifier: somebody's score, a column of the file.

    Nothing of it is trained; as the base of a `Residual` it is where a training starts.

    Args:
        column: position of the feature.
        scale: `"probability"` for a score between 0 and 1, `"logit"` for log odds or
            any score that is larger for signal.

    Example:
        >>> score = FeatureScore(0)
        >>> score.logits(jnp.array([[0.5, 7.0]])).tolist()
        [0.0]
    """

    column: int = eqx.field(static=True)
    scale: Literal["probability", "logit"] = eqx.field(
        static=True, default="probability"
    )

    def __check_init__(self) -> None:
        if self.scale not in ("probability", "logit"):
            raise ValueError(
                '`FeatureScore(scale=...)` must be "probability" or "logit"; got '
                f"{self.scale!r}."
            )

    def logits(self, features: Features) -> PerEvent:
        """The feature, or its logit."""
        if not -features.shape[-1] <= self.column < features.shape[-1]:
            raise ValueError(
                f"`FeatureScore(column={self.column})`: the events have "
                f"{features.shape[-1]} features."
            )
        score = features[:, self.column]
        if self.scale == "logit":
            return score
        # A score of exactly 0 or 1 is as sure as float32 can say.
        tiny = 1e-7
        score = jnp.clip(score, tiny, 1 - tiny)
        return jnp.log(score) - jnp.log1p(-score)


@final
class Residual(AbstractClassifier):
    """A classifier that stays as it is, and a small network that corrects it.

    The logit is that of the classifier plus that of the network, whose output is 0 to
    begin with: a training starts at exactly the classifier and moves as far as the
    objective pays for.

    Args:
        base: the classifier; trained before, or a `FeatureScore`.
        correction: the network that is trained.

    Example:
        >>> import jax
        >>> base = FeatureScore(0)
        >>> small = NeuralObservable(2, (8,), key=jax.random.key(0))
        >>> start = Residual(base, small)
        >>> start.logits(jnp.array([[0.5, 7.0]])).tolist()
        [0.0]
    """

    base: Fixed
    correction: NeuralObservable

    def __init__(self, base: AbstractClassifier, correction: NeuralObservable):
        self.base = Fixed(base)
        self.correction = eqx.tree_at(
            lambda c: c.network, correction, correction.network.silenced()
        )

    def logits(self, features: Features) -> PerEvent:
        """The sum of both."""
        return self.base.value.logits(features) + self.correction.logits(features)


@final
class Ensemble(AbstractClassifier):
    """The mean logit of several classifiers, as one: trainings of several seeds.

    Args:
        members: at least one.

    Example:
        >>> pair = Ensemble([FeatureScore(0, "logit"), FeatureScore(1, "logit")])
        >>> pair.logits(jnp.array([[1.0, 3.0]])).tolist()
        [2.0]
    """

    members: tuple[AbstractClassifier, ...]

    def __init__(self, members: Sequence[AbstractClassifier]):
        self.members = tuple(members)

    def __check_init__(self) -> None:
        if not self.members:
            raise ValueError("`Ensemble(members=...)` needs at least one classifier.")

    def logits(self, features: Features) -> PerEvent:
        """The mean over the members."""
        logits = [member.logits(features) for member in self.members]
        return sum(logits[1:], logits[0]) / len(logits)
