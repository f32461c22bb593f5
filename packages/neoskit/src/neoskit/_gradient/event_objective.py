"""What is minimised: an objective of the model, or one of the events themselves."""

import abc
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp

from .._custom_types import Scalar
from .._events import Dataset
from .._objectives import Objective
from .._observable import AbstractClassifier
from .._pipeline import Pipeline


class AbstractEventObjective(eqx.Module):
    """A number to minimise that is made from events, without any statistical model."""

    @abc.abstractmethod
    def __call__(self, pipeline: Pipeline, dataset: Dataset) -> Scalar:
        """The number; smaller is better."""


@final
class BinaryCrossEntropy(AbstractEventObjective):
    """The cross entropy of signal against background: the usual way to train.

    Signal and background have the same total weight, and within each the processes
    are mixed as they are expected. It takes the logits, so that no rounding of the
    sigmoid stops the training.

    Args:
        variations: whether the shifted samples are further background (and signal)
            events, which teaches the network to expect them ("augmentation").
    """

    variations: bool = eqx.field(static=True, default=False)

    def __call__(self, pipeline: Pipeline, dataset: Dataset) -> Scalar:
        """The mean of the cross entropies of signal and background, in nats."""
        if not isinstance(pipeline.observable, AbstractClassifier):
            raise TypeError(
                "`binary_cross_entropy` trains an observable with logits, such as "
                f"`NeuralObservable`; got {type(pipeline.observable).__name__}."
            )
        samples = [
            (key.process in pipeline.measurement.signals, events)
            for key, events in dataset.scored_samples()
            if self.variations or not key.shift
        ]
        features = jnp.concatenate([events.features for _, events in samples])
        weights = jnp.concatenate([events.weights for _, events in samples])
        is_signal = jnp.concatenate(
            [jnp.full(len(events), signal) for signal, events in samples]
        )
        logits = pipeline.observable.logits(features).astype(weights.dtype)
        # softplus(∓logit) = −ln of the probability of the true class, for any logit.
        entropy = jax.nn.softplus(jnp.where(is_signal, -logits, logits))

        def mean(chosen: jax.Array) -> Scalar:
            of_class = jnp.where(chosen, weights, 0.0)
            return (of_class * entropy).sum() / of_class.sum()

        return 0.5 * (mean(is_signal) + mean(~is_signal))


binary_cross_entropy = BinaryCrossEntropy()
"""The cross entropy of nominal signal against nominal background."""


def loss(
    pipeline: Pipeline, dataset: Dataset, objective: Objective | AbstractEventObjective
) -> Scalar:
    """The objective of the pipeline's smooth model, or of the events."""
    if isinstance(objective, AbstractEventObjective):
        return objective(pipeline, dataset)
    return objective(pipeline.model(dataset))
