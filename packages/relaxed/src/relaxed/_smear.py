"""Smeared events: what they have in common, each one's own, and their areas in bins."""

from collections.abc import Callable, Iterator, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt

from ._kernel import AbstractKernel, signed_tail, standardise, step
from ._windows import WINDOW


class Axis(eqx.Module):
    """One dimension of the histogram: its edges, as each image of an event sees them.

    An event has one image, itself. A reflecting axis gives it two more, mirrored at the
    outer edges; what those send beyond the opposite edge stays in the opposite bin.
    """

    edges: Float[Array, "images edges=bins+1"]
    mirrors: Float[Array, " images-1"]
    table: UInt[Array, " cells+2"] | None  # None: a window holds all bins

    @property
    def bins(self) -> int:
        """How many bins."""
        return self.edges.shape[1] - 1

    @property
    def window(self) -> int:
        """How many of them are evaluated together."""
        return self.bins if self.table is None else WINDOW

    @property
    def most_passes(self) -> int:
        """How many windows hold all bins, and what lies below and above."""
        return 1 if self.table is None else -(-(self.bins + 2) // WINDOW)


class Histogram(eqx.Module):
    """All that is common to the events of one histogram."""

    kernel: AbstractKernel
    axes: tuple[Axis, ...]
    bandwidths: tuple[Float[Array, ""] | None, ...]  # None: each event has its own
    passes: tuple[Int[Array, ""] | int, ...]  # windows that hold all that is reached
    power: int = eqx.field(static=True)

    @property
    def bins(self) -> tuple[int, ...]:
        """How many bins in each dimension."""
        return tuple(axis.bins for axis in self.axes)


class Events(eqx.Module):
    """What each event has of its own; a tuple has one entry per dimension."""

    data: tuple[Float[Array, " events"], ...]
    bandwidths: tuple[Float[Array, " events"] | None, ...]
    weights: Float[Array, " events"] | None  # None: one each


def folded(
    low: Float[Array, ""], high: Float[Array, ""], data: Float[Array, " events"]
) -> Float[Array, " events"]:
    """Return where the mirror image of an event beyond an edge lies, or the other edge.

    One mirror: what it sends beyond the opposite edge belongs to the opposite bin.
    """
    above, below = jnp.minimum(2 * low - data, high), jnp.maximum(2 * high - data, low)
    return jnp.where(data < low, above, jnp.where(data > high, below, data))


def walk(
    kernel: AbstractKernel,
    edge: Callable[[int], Float[Array, "..."]],
    bins: int,
    data: Float[Array, " events"],
    bandwidth: Float[Array, "..."],
) -> Float[Array, "bins events"]:
    """Return the areas between neighbouring edges, all events at once along the edges.

    Of an array of all edges XLA would evaluate each twice, once for either bin that it
    belongs to.
    """

    def tail(k):
        return signed_tail(kernel, standardise(edge(k), data, bandwidth))

    def next_bin(below, k):
        above = tail(k)
        return above, (step(above) - step(below)) + (above - below)

    return jax.lax.scan(next_bin, tail(0), jnp.arange(1, bins + 1))[1]


def images(
    axis: Axis, data: Float[Array, " events"]
) -> Iterator[tuple[Float[Array, " edges"], Float[Array, " events"]]]:
    """Yield each image of the events with the edges that it sees."""
    edges = axis.edges.astype(data.dtype)
    yield edges[0], data
    for seen, mirror in zip(edges[1:], axis.mirrors.astype(data.dtype), strict=True):
        yield seen, mirror - data


def dimensions(histogram: Histogram, events: Events) -> Iterator[tuple]:
    """Yield axis, data and bandwidth of each dimension, in the precision of data."""
    for axis, data, of_all, of_each in zip(
        histogram.axes,
        events.data,
        histogram.bandwidths,
        events.bandwidths,
        strict=True,
    ):
        bandwidth = jnp.asarray(of_each if of_all is None else of_all)
        yield axis, data, bandwidth.astype(data.dtype)


def weights_of(events: Events, new: Bool[Array, " events"]) -> Float[Array, " events"]:
    """Return the weights in the precision of data, zero for events that are not new."""
    weights = new.astype(events.data[0].dtype)
    return weights if events.weights is None else weights * events.weights


def outer(
    factors: Sequence[Float[Array, "bins events"]], weights: Float[Array, " events"]
) -> Float[Array, "*bins events"]:
    """Return the product over dimensions of each event's factors, and its weight."""
    product = weights
    for factor in factors:
        product = product[..., None, :] * factor
    return product
