"""Objectives of the events themselves, without any statistical model."""

import abc
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from .._custom_types import PerEvent, Scalar
from .._events import Dataset, SampleKey
from .._objectives import Summable
from .._pipeline import Pipeline
from .._templates import Scores


class AbstractEventObjective(Summable, eqx.Module):
    """A number to minimise that is made from events, without any statistical model.

    It is a function of sums over events, so that it can be had exactly from chunks of
    them: `value(sums(chunk 1) + sums(chunk 2) + …)`. Its own floating-point arrays, if
    it has any, are trained with the pipeline, as those of an adversary.
    """

    @abc.abstractmethod
    def sums(
        self, scores: Scores, dataset: Dataset, signals: tuple[str, ...]
    ) -> PyTree:
        """What is summed over the events.

        Args:
            scores: what the observable says of the events of each scored sample.
            dataset: the events.
            signals: the names of the signal processes.
        """

    @abc.abstractmethod
    def value(self, sums: PyTree) -> Scalar:
        """The number, of the sums over all events; smaller is better."""

    def __call__(self, pipeline: Pipeline, dataset: Dataset) -> Scalar:
        """The number of a pipeline's scores of a dataset."""
        scores, signals = pipeline.scores(dataset), pipeline.measurement.signals
        return self.value(self.sums(scores, dataset, signals))


def logits_of(scores: Scores, key: SampleKey, caller: str) -> PerEvent:
    """The logits of a sample, in float64.

    Raises:
        TypeError: the observable has none.
    """
    logits = scores[key].logits
    if logits is None:
        raise TypeError(
            f"`{caller}` trains an observable with logits, such as `NeuralObservable`; "
            "this one has none."
        )
    return logits.astype(float)


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

    def sums(
        self, scores: Scores, dataset: Dataset, signals: tuple[str, ...]
    ) -> PyTree:
        """Of both classes the sums of weight × entropy and of weight."""
        parts: dict[bool, list[Array]] = {True: [], False: []}
        for key, events in dataset.scored_samples():
            if key.shift and not self.variations:
                continue
            is_signal = key.process in signals
            logits = logits_of(scores, key, "binary_cross_entropy")
            # softplus(∓logit) = −ln p of the true class, for any logit.
            entropy = jax.nn.softplus(-logits if is_signal else logits)
            sums = (events.weights * entropy).sum(), events.weights.sum()
            parts[is_signal].append(jnp.stack(sums))
        return tuple(sum(of_class, jnp.zeros(2)) for of_class in parts.values())

    def value(self, sums: PyTree) -> Scalar:
        """The mean of the cross entropies of signal and background, in nats."""
        return 0.5 * sum(entropy / weight for entropy, weight in sums)

    def __repr__(self) -> str:
        return "binary_cross_entropy" + "_with_variations" * self.variations


binary_cross_entropy = BinaryCrossEntropy()
"""The cross entropy of nominal signal against nominal background."""
