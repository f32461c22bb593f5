"""Events → observable: what the measurement looks at, with learnable parameters.

An observable is an `eqx.Module`; its array leaves are trained, unless they are inside
a `Fixed`. It knows nothing of bins: `Binning` fills what it returns.
"""

import abc
from collections.abc import Callable, Sequence
from typing import NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

import relaxed

from ._checks import check_count
from ._custom_types import Features, PerEvent, Scalar
from ._events import Dataset


@final
class Fixed(eqx.Module):
    """An array that belongs to a pipeline but is not trained.

    It is an ordinary leaf, so derivatives with respect to it exist; `train` leaves it
    as it is.
    """

    value: Float[Array, "..."]


class Scored(NamedTuple):
    """What an observable says of each event; `None` where it has nothing to say.

    Args:
        value: the number that is binned.
        weight: the factor, between 0 and 1, by which a selection keeps the event.
    """

    value: PerEvent | None
    weight: PerEvent | None


class AbstractObservable(eqx.Module):
    """Maps the features of events to a value to bin, a selection weight, or both."""

    @abc.abstractmethod
    def __call__(self, features: Features, bandwidth: Scalar | None) -> Scored:
        """The value and the selection weight of each event.

        Args:
            features: the columns in the dataset's order.
            bandwidth: how smooth a selection is, relative to its own scale; `None`
                asks for hard decisions, as in a final measurement.
        """


class AbstractClassifier(AbstractObservable):
    """An observable with a logit, which `binary_cross_entropy` can train."""

    @abc.abstractmethod
    def logits(self, features: Features) -> PerEvent:
        """Log odds of signal against background."""


@final
class NeuralObservable(AbstractClassifier):
    """A fully connected network with one output in (0, 1), the sigmoid of its logit.

    The network computes in `dtype`, also where jax's default is float64; only its
    output is turned to float64, by the histogram.

    Args:
        features: number of inputs.
        hidden: width of each hidden layer; `()` gives a linear observable.
        key: random key of the initial weights.
        standardise: mean and scale of each input, see `standardisation`; stays as it
            is in the training. `None` leaves the inputs as they come.
        activation: between the layers.
        dtype: of weights and activations. float32 halves the time of float64 and
            nothing is lost: the weights carry noise far above its rounding.

    Example:
        >>> network = NeuralObservable(2, (16, 16), key=jax.random.key(0))
        >>> value, weight = network(jnp.zeros((3, 2)), None)
        >>> value.shape, weight
        ((3,), None)
    """

    layers: tuple[eqx.nn.Linear, ...]
    mean: Fixed
    scale: Fixed
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        features: int,
        hidden: Sequence[int] = (1024, 1024),
        *,
        key: PRNGKeyArray,
        standardise: tuple[Float[Array, " features"], Float[Array, " features"]]
        | None = None,
        activation: Callable[[Array], Array] = jax.nn.relu,
        dtype: jax.typing.DTypeLike = jnp.float32,
    ):
        for width in (features, *hidden):
            check_count(
                "NeuralObservable(features=..., hidden=...)",
                width,
                hint="Without hidden layers write `hidden=()`.",
            )
        # Layers and not `eqx.nn.MLP`, which takes one event at a time; see `_affine`.
        sizes = (features, *hidden, 1)
        keys = jax.random.split(key, len(sizes) - 1)
        self.layers = tuple(
            eqx.nn.Linear(n_in, n_out, dtype=dtype, key=k)
            for n_in, n_out, k in zip(sizes, sizes[1:], keys, strict=False)
        )
        # Cast to the network's precision: with x64 on, float64 here would turn every
        # layer behind it to float64.
        mean, scale = standardise or (np.zeros(features), np.ones(features))
        self.mean = Fixed(jnp.asarray(mean, dtype))
        self.scale = Fixed(jnp.asarray(scale, dtype))
        self.activation = activation

    def __check_init__(self) -> None:
        features = self.layers[0].in_features
        for what, fixed in (("mean", self.mean), ("scale", self.scale)):
            if fixed.value.shape != (features,):
                raise ValueError(
                    f"`NeuralObservable(standardise=...)`: the {what} must have one "
                    f"entry for each of the {features} features; got shape "
                    f"{fixed.value.shape}."
                )

    def logits(self, features: Features) -> PerEvent:
        """Log odds of signal against background, in the network's own precision."""
        if features.shape[-1] != self.layers[0].in_features:
            raise ValueError(
                f"This `NeuralObservable` takes {self.layers[0].in_features} features, "
                f"the events have {features.shape[-1]}. Build it with "
                "`NeuralObservable(len(dataset.feature_names), ...)`."
            )
        # Not the events' precision: they may be float64 where a user made them.
        x = features.astype(self.mean.value.dtype)
        x = (x - self.mean.value) / self.scale.value
        *inner, last = self.layers
        for layer in inner:
            x = self.activation(_affine(layer, x))
        return _affine(last, x)[:, 0]

    def __call__(self, features: Features, bandwidth: Scalar | None) -> Scored:
        """The sigmoid of the logit; no selection, whatever the bandwidth."""
        return Scored(jax.nn.sigmoid(self.logits(features)), None)


def _affine(
    layer: eqx.nn.Linear, x: Float[Array, "events inputs"]
) -> Float[Array, "events outputs"]:
    """A layer applied to all events in one matrix product, not to one after another."""
    products = x @ layer.weight.T
    return products if layer.bias is None else products + layer.bias


def standardisation(
    dataset: Dataset,
) -> tuple[Float[Array, " features"], Float[Array, " features"]]:
    """Mean and standard deviation of each feature over all nominal scored events.

    Every event counts once, whatever its weight: the network sees rows, not yields.
    A feature that never changes gets the scale 1.

    Example:
        `NeuralObservable(n, key=key, standardise=standardisation(training_events))`
    """
    nominal = [
        np.asarray(events.features, np.float64)
        for key, events in dataset.scored_samples()
        if not key.shift
    ]
    if not nominal:
        raise ValueError(
            "`standardisation` needs a channel that is scored; all channels of this "
            "dataset are counted."
        )
    # In float64: the sum of a million float32 squares loses the small features.
    rows = np.concatenate(nominal)
    spread = rows.std(axis=0)
    return jnp.asarray(rows.mean(axis=0)), jnp.asarray(np.where(spread, spread, 1.0))


@final
class SoftSelection(AbstractObservable):
    """Cuts with learnable thresholds, smooth in training and hard in a measurement.

    An event's weight is the product over the features of the kernel's cdf at its
    distance from the threshold, with the width `bandwidth * scale`; without a
    bandwidth the weight is 0 or 1.

    Args:
        thresholds: one per feature, in the feature's unit.
        scale: the unit of smoothness of each feature: with the bandwidth 0.1, a cut is
            smeared by `0.1 * scale`.
        keep: `"above"` or `"below"` for each feature, or one for all.
        binned: the feature that the selected events are binned in; `None` if they are
            only counted (`Counting`).

    Example:
        >>> selection = SoftSelection([45.0], keep="above")
        >>> selection(jnp.array([[40.0], [50.0]]), None).weight.tolist()
        [0.0, 1.0]
    """

    thresholds: Float[Array, " features"]
    scale: Fixed
    keep: tuple[str, ...] = eqx.field(static=True)
    binned: int | None = eqx.field(static=True)

    def __init__(
        self,
        thresholds: Float[Array, " features"] | Sequence[float],
        *,
        scale: Float[Array, " features"] | Sequence[float] | float = 1.0,
        keep: str | Sequence[str] = "above",
        binned: int | None = None,
    ):
        self.thresholds = jnp.asarray(thresholds, float)
        count = len(thresholds)
        self.scale = Fixed(jnp.broadcast_to(jnp.asarray(scale, float), (count,)))
        self.keep = (keep,) * count if isinstance(keep, str) else tuple(keep)
        self.binned = binned

    def __check_init__(self) -> None:
        if len(self.keep) != len(self.thresholds) or set(self.keep) - {
            "above",
            "below",
        }:
            raise ValueError(
                '`SoftSelection(keep=...)` must be "above" or "below", for all or for '
                f"each of the {len(self.thresholds)} features; got {self.keep}."
            )

    def __call__(self, features: Features, bandwidth: Scalar | None) -> Scored:
        """The weight with which each event passes, and the binned feature if any."""
        if features.shape[-1] != len(self.keep):
            raise ValueError(
                f"This `SoftSelection` has {len(self.keep)} thresholds, the events "
                f"have {features.shape[-1]} features. Give one threshold per feature."
            )
        # One after the other: there are few cuts, and each has its own direction.
        weight = jnp.ones(len(features))
        for column, keep in enumerate(self.keep):
            weight = weight * self._passes(features[:, column], column, keep, bandwidth)
        value = None if self.binned is None else features[:, self.binned]
        return Scored(value, weight)

    def _passes(
        self, feature: PerEvent, column: int, keep: str, bandwidth: Scalar | None
    ) -> PerEvent:
        threshold = self.thresholds[column]
        # An event on the threshold passes, as `>=` in an analysis' own cuts.
        if bandwidth is None:
            above = (feature >= threshold).astype(feature.dtype)
            return above if keep == "above" else 1 - above
        width = bandwidth * self.scale.value[column]
        return relaxed.cut(feature, threshold, width=width, keep=keep)
