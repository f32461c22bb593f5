"""Fully connected networks: one logit, or one output for each bin."""

from collections.abc import Callable, Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

import relaxed

from .._checks import check_count
from .._custom_types import Features, PerEvent, Scalar
from .._events import Dataset, Events, StoredDataset
from .observable import AbstractClassifier, AbstractObservable, Fixed, Scored

Standardisation = tuple[Float[Array, " features"], Float[Array, " features"]]
"""Mean and scale of each feature."""


@final
class Network(eqx.Module):
    """A fully connected network on standardised features.

    Layers and not `eqx.nn.MLP`, which takes one event at a time: all events go through
    a layer in one matrix product.
    """

    layers: tuple[eqx.nn.Linear, ...]
    mean: Fixed
    scale: Fixed
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        features: int,
        hidden: Sequence[int],
        outputs: int,
        *,
        key: PRNGKeyArray,
        standardise: Standardisation | None,
        activation: Callable[[Array], Array],
        dtype: jax.typing.DTypeLike,
        caller: str,
    ):
        for width in (features, *hidden, outputs):
            check_count(
                f"{caller}(features=..., hidden=...)",
                width,
                hint="Without hidden layers write `hidden=()`.",
            )
        sizes = (features, *hidden, outputs)
        keys = jax.random.split(key, len(sizes) - 1)
        self.layers = tuple(
            eqx.nn.Linear(n_in, n_out, dtype=dtype, key=k)
            for n_in, n_out, k in zip(sizes, sizes[1:], keys, strict=False)
        )
        # Cast to the network's precision: with x64 on, float64 here would turn every
        # layer behind it to float64.
        mean, scale = standardise or (np.zeros(features), np.ones(features))
        for what, array in (("mean", mean), ("scale", scale)):
            if np.shape(array) != (features,):
                raise ValueError(
                    f"`{caller}(standardise=...)`: the {what} must have one entry for "
                    f"each of the {features} features; got shape {np.shape(array)}."
                )
        self.mean = Fixed(jnp.asarray(mean, dtype))
        self.scale = Fixed(jnp.asarray(scale, dtype))
        self.activation = activation

    def __call__(
        self, features: Features, caller: str
    ) -> Float[Array, "events outputs"]:
        """The outputs of all events, in the network's own precision."""
        if features.shape[-1] != self.layers[0].in_features:
            raise ValueError(
                f"This `{caller}` takes {self.layers[0].in_features} features, "
                f"the events have {features.shape[-1]}. Build it with "
                f"`{caller}(len(dataset.feature_names), ...)`."
            )
        # Not the events' precision: they may be float64 where a user made them.
        x = features.astype(self.mean.value.dtype)
        x = (x - self.mean.value) / self.scale.value
        *inner, last = self.layers
        for layer in inner:
            x = self.activation(affine(layer, x))
        return affine(last, x)

    def silenced(self) -> "Network":
        """The same network with an output of 0 for every event, ready to be trained."""
        last = self.layers[-1]
        quiet = jax.tree.map(
            lambda x: jnp.zeros_like(x) if eqx.is_inexact_array(x) else x, last
        )
        return eqx.tree_at(lambda network: network.layers[-1], self, quiet)


def affine(
    layer: eqx.nn.Linear, x: Float[Array, "events inputs"]
) -> Float[Array, "events outputs"]:
    """A layer applied to all events in one matrix product, not to one after another."""
    products = x @ layer.weight.T
    return products if layer.bias is None else products + layer.bias


@final
class NeuralObservable(AbstractClassifier):
    """A fully connected network with one output in (0, 1), the sigmoid of its logit.

    The network computes in `dtype`, also where jax's default is float64; only its
    output is turned to float64, by the histogram.

    Args:
        features: number of inputs.
        hidden: width of each hidden layer; `()` gives a linear observable. Few
            thousand events do not determine more than the default.
        key: random key of the initial weights.
        standardise: mean and scale of each input, see `standardisation`; stays as it
            is in the training. `None` leaves the inputs as they come.
        activation: between the layers.
        dtype: of weights and activations. float32 halves the time of float64 and
            nothing is lost: the weights carry noise far above its rounding.

    Example:
        >>> network = NeuralObservable(2, (16, 16), key=jax.random.key(0))
        >>> network(jnp.zeros((3, 2)), None).value.shape
        (3,)
    """

    network: Network

    def __init__(
        self,
        features: int,
        hidden: Sequence[int] = (32, 32),
        *,
        key: PRNGKeyArray,
        standardise: Standardisation | None = None,
        activation: Callable[[Array], Array] = jax.nn.relu,
        dtype: jax.typing.DTypeLike = jnp.float32,
    ):
        self.network = Network(
            features,
            hidden,
            1,
            key=key,
            standardise=standardise,
            activation=activation,
            dtype=dtype,
            caller="NeuralObservable",
        )

    def logits(self, features: Features) -> PerEvent:
        """Log odds of signal against background, in the network's own precision."""
        return self.network(features, "NeuralObservable")[:, 0]


@final
class SoftmaxObservable(AbstractObservable):
    """A network with one output for each bin: an event belongs to the largest.

    There is no order of bins and no edge: the bins are the parts into which the
    network divides the space of the features. In a training the memberships are
    softmax(outputs / bandwidth), in a measurement an event is in the bin of its largest
    output. Fill it with `Categories`.

    Args:
        features: number of inputs.
        bins: how many.
        hidden: width of each hidden layer.
        start: a classifier whose value, cut into equal bins of (0, 1), the memberships
            begin at; the network is what is added to it, and says nothing at first.
            Without one the training starts at random parts.
        train_start: whether the classifier is trained, too, on its cross entropy and
            then with the bins: what the `recipe` needs. If not it stays as it is.
        key, standardise, activation, dtype: as of `NeuralObservable`.

    Example:
        >>> observable = SoftmaxObservable(2, 3, (8,), key=jax.random.key(0))
        >>> scored = observable(jnp.zeros((4, 2)), 0.1)
        >>> scored.membership.shape, scored.membership.sum(axis=1).round(5).tolist()
        ((4, 3), [1.0, 1.0, 1.0, 1.0])

    References:
        arXiv:1806.04743, eq. 9, with the bandwidth as its temperature.
    """

    network: Network
    start: AbstractClassifier | Fixed | None

    def __init__(
        self,
        features: int,
        bins: int,
        hidden: Sequence[int] = (32, 32),
        *,
        key: PRNGKeyArray,
        start: AbstractClassifier | None = None,
        train_start: bool = False,
        standardise: Standardisation | None = None,
        activation: Callable[[Array], Array] = jax.nn.relu,
        dtype: jax.typing.DTypeLike = jnp.float32,
    ):
        check_count("SoftmaxObservable(bins=...)", bins)
        network = Network(
            features,
            hidden,
            bins,
            key=key,
            standardise=standardise,
            activation=activation,
            dtype=dtype,
            caller="SoftmaxObservable",
        )
        self.network = network if start is None else network.silenced()
        self.start = start if train_start or start is None else Fixed(start)

    @property
    def classifies(self) -> bool:
        """Whether it has logits to train: those of a start that is trained."""
        return isinstance(self.start, AbstractClassifier)

    def __call__(self, features: Features, bandwidth: Scalar | None) -> Scored:
        """Memberships that add up to 1; one of them is 1 without a bandwidth."""
        outputs = self.network(features, "SoftmaxObservable")
        start, logits = self.start, None
        if start is not None:
            classifier = start.value if isinstance(start, Fixed) else start
            logits = classifier.logits(features)
            outputs = outputs + _distances(logits, outputs.shape[1])
        if bandwidth is None:
            hard = jnp.argmax(outputs, axis=-1)
            membership = jax.nn.one_hot(hard, outputs.shape[1])
        else:
            membership = relaxed.soft_assign(outputs, temperature=bandwidth)
        return Scored(membership=membership, logits=logits)


def _distances(logits: PerEvent, bins: int) -> Float[Array, "events bins"]:
    """Minus half the squared distance from the middle of each bin, in bins.

    The largest of them is the bin that the value is in, and a unit of an output moves
    an end of it by a bin.
    """
    value = bins * jax.nn.sigmoid(logits)
    middles = jnp.arange(bins) + 0.5
    return -0.5 * (value[:, None] - middles) ** 2


def standardisation(dataset: Dataset | StoredDataset) -> Standardisation:
    """Mean and standard deviation of each feature over all nominal scored events.

    Every event counts once, whatever its weight: the network sees rows, not yields.
    A feature that never changes gets the scale 1.

    Args:
        dataset: the events to train on.

    Raises:
        ValueError: where no channel is scored.

    Example:
        `NeuralObservable(n, key=key, standardise=standardisation(training_events))`
    """
    if not isinstance(dataset, Dataset) and dataset.scored:
        mean, spread = dataset.moments()
        return jnp.asarray(mean), jnp.asarray(np.where(spread, spread, 1.0))
    nominal = [
        np.asarray(events.features, np.float64)
        for key, events in dataset.scored_samples()
        if not key.shift and isinstance(events, Events)
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
