"""Events → what the measurement looks at: what every observable is.

An observable is an `eqx.Module`; its array leaves are trained, unless they are inside
a `Fixed`. It knows nothing of bins: a binning fills what it returns.
"""

import abc
from typing import NamedTuple, final

import equinox as eqx
import jax
from jaxtyping import Array, Float, PyTree

from .._custom_types import Features, PerEvent, Scalar


@final
class Fixed(eqx.Module):
    """An array, or a whole module, that belongs to a pipeline but is not trained.

    Its arrays are ordinary leaves, so derivatives with respect to them exist; `train`
    leaves them as they are.
    """

    value: PyTree


class Scored(NamedTuple):
    """What an observable says of each event; `None` where it has nothing to say.

    Args:
        value: the number that is binned.
        weight: the factor, between 0 and 1, by which a selection keeps the event.
        membership: how far the event belongs to each bin; adds up to 1 over the bins.
        logits: log odds of signal against background, which cross entropies look at.
    """

    value: PerEvent | None = None
    weight: PerEvent | None = None
    membership: Float[Array, "events bins"] | None = None
    logits: PerEvent | None = None


class AbstractObservable(eqx.Module):
    """Maps the features of events to what is filled into bins."""

    @property
    def classifies(self) -> bool:
        """Whether it has logits that a cross entropy can train."""
        return False

    @abc.abstractmethod
    def __call__(self, features: Features, bandwidth: Scalar | None) -> Scored:
        """What the observable says of each event.

        Args:
            features: the columns in the dataset's order.
            bandwidth: how smooth a selection or a choice of bins is, relative to its
                own scale; `None` asks for hard decisions, as in a final measurement.
        """


class AbstractClassifier(AbstractObservable):
    """An observable with a logit, which `binary_cross_entropy` can train."""

    @property
    def classifies(self) -> bool:
        """That it has."""
        return True

    @abc.abstractmethod
    def logits(self, features: Features) -> PerEvent:
        """Log odds of signal against background."""

    def __call__(self, features: Features, bandwidth: Scalar | None) -> Scored:
        """The sigmoid of the logit; no selection, whatever the bandwidth."""
        logits = self.logits(features)
        return Scored(value=jax.nn.sigmoid(logits), logits=logits)
