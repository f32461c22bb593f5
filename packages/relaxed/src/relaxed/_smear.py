"""What a chunk of smeared events adds to the bins: to all, or to those within reach."""

from collections.abc import Callable, Iterator, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ._kernel import (
    AbstractKernel,
    finite_data,
    finite_edges,
    inverse,
    signed_tail,
    standardise,
    step,
)
from ._windows import first_bin

#: Bins that are evaluated together around an event.
WINDOW = 8


class Axis(eqx.Module):
    """One dimension of the histogram: its edges, as each image of an event sees them.

    An event has one image, itself. A reflecting axis gives it two more, mirrored at the
    outer edges; what those send beyond the opposite edge stays in the opposite bin.
    """

    edges: Float[Array, "images edges=bins+1"]
    mirrors: Float[Array, " images-1"]
    table: Int[Array, " cells"] | None  # None: a window holds all bins

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
        """How many windows hold all bins."""
        return -(-self.bins // self.window)


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


def add_to_all(
    histogram: Histogram, events: Events, new: Bool[Array, " events"], k: int
) -> Float[Array, "*bins"]:
    """Return Σ (w p)ᵏ of one chunk, with every event evaluated at every edge."""
    weights = weights_of(events, new) ** histogram.power
    if len(histogram.axes) == histogram.power == 1:
        ((axis, data, bandwidth),) = dimensions(histogram, events)
        return _sum_of_areas(histogram.kernel, axis, data, bandwidth, weights)
    *outer, last = (
        areas(histogram.kernel, axis, data, bandwidth) ** histogram.power
        for axis, data, bandwidth in dimensions(histogram, events)
    )  # each [bins, events]
    if not outer:
        return jnp.sum(weights * last, axis=1)
    product = _outer(outer, weights)
    highest = jax.lax.Precision.HIGHEST  # the default of a GPU keeps 10 bits
    return jnp.einsum("...i,bi->...b", product, last, precision=highest)


def add_within_reach(
    histogram: Histogram,
    events: Events,
    new: Bool[Array, " events"],
    k: Int[Array, ""],
) -> Float[Array, "*bins"]:
    """Return Σ (w p)ᵏ of one chunk for the k-th window of the bins that events reach.

    Every event brings its window of areas, which are added where they belong.
    """
    starts, factors = [], []
    for (axis, data, bandwidth), passes in zip(
        dimensions(histogram, events), histogram.passes, strict=True
    ):
        start = _start(axis, data, k % passes)
        k = k // passes
        near = _areas_near(histogram.kernel, axis, start, data, bandwidth)
        starts.append(start)
        factors.append(near**histogram.power)
    weights = weights_of(events, new) ** histogram.power
    dims = tuple(range(len(factors)))
    # Room for a window that starts at the last bin.
    room = [axis.bins + axis.window for axis in histogram.axes]
    counts = jax.lax.scatter_add(
        jnp.zeros(room, weights.dtype),
        jnp.stack(starts, axis=-1),
        _outer(factors, weights),
        jax.lax.ScatterDimensionNumbers(
            update_window_dims=dims,
            inserted_window_dims=(),
            scatter_dims_to_operand_dims=dims,
        ),
        mode=jax.lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )
    return counts[tuple(slice(axis.bins) for axis in histogram.axes)]


def areas(
    kernel: AbstractKernel,
    axis: Axis,
    data: Float[Array, " events"],
    bandwidth: Float[Array, "..."],
) -> Float[Array, "bins events"]:
    """Return the part of each event that falls into each bin."""
    total = jnp.zeros((axis.bins, *data.shape), data.dtype)
    for edges, image in _images(axis, data):
        total += _walk(kernel, edges.__getitem__, axis.bins, image, bandwidth)
    return total


def _walk(
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


def _sum_of_areas(
    kernel: AbstractKernel,
    axis: Axis,
    data: Float[Array, " events"],
    bandwidth: Float[Array, "..."],
    weights: Float[Array, " events"],
) -> Float[Array, " bins"]:
    """Return Σ w p per bin without the areas: each edge's tails are summed first.

    What is left is the ordinary histogram. An edge's sum is made of what its two bins
    exchange, so that neither the difference of two edges nor the addition of the
    ordinary count loses digits of a bin.
    """
    total = jnp.zeros(axis.bins, data.dtype)
    for edges, image in _images(axis, data):
        tails = _sum_of_tails(kernel, edges, image, bandwidth, weights)
        # The signs of z, from numbers that XLA need not keep for every edge and event.
        edges, image = finite_edges(edges[:, None]), finite_data(image)
        inside = (edges[:-1] < image) & (image <= edges[1:])
        hard = _dot(inside.astype(weights.dtype), weights)
        total += hard + (tails[1:] - tails[:-1])
    return total


@eqx.filter_custom_jvp
def _sum_of_tails(
    kernel: AbstractKernel,
    edges: Float[Array, " edges"],
    data: Float[Array, " events"],
    bandwidth: Float[Array, "..."],
    weights: Float[Array, " events"],
) -> Float[Array, " edges"]:
    """Return Σ w r((edge - x) / h) per edge."""
    z = standardise(edges[:, None], data, bandwidth)
    return _dot(signed_tail(kernel, z), weights)


@_sum_of_tails.def_jvp
def _sum_of_tails_jvp(primals, tangents):
    # As JAX would derive it, but that every sum, the transposed ones too, is a product
    # with a matrix [edges, events]: other sums XLA may fuse with `pdf` into loops that
    # compute one exponential at a time.
    kernel, edges, data, bandwidth, weights = primals
    _, d_edges, d_data, d_bandwidth, d_weights = tangents
    z = standardise(edges[:, None], data, bandwidth)
    pdf = kernel.pdf(z)
    density = weights * inverse(bandwidth)
    tangent = jnp.zeros_like(edges)
    if d_edges is not None:
        tangent += _dot(pdf, density) * d_edges
    if d_data is not None:
        tangent -= _dot(pdf, density * d_data)
    if d_bandwidth is not None:
        tangent -= _dot(pdf * z, density * d_bandwidth)
    if d_weights is not None:
        tangent += _dot(signed_tail(kernel, z), d_weights)
    return _sum_of_tails(*primals), tangent


def _dot(
    terms: Float[Array, "edges events"], weights: Float[Array, " events"]
) -> Float[Array, " edges"]:
    """Return the sum over events, in full precision also where GPUs keep 10 bits."""
    return jnp.dot(terms, weights, precision=jax.lax.Precision.HIGHEST)


def _areas_near(
    kernel: AbstractKernel,
    axis: Axis,
    start: Int[Array, " events"],
    data: Float[Array, " events"],
    bandwidth: Float[Array, "..."],
) -> Float[Array, "window events"]:
    """Return the part of each event that falls into the bins from its `start`."""
    total = jnp.zeros((axis.window, *data.shape), data.dtype)
    for edges, image in _images(axis, data):
        # Beyond the last bin come empty ones, between equal edges.
        edges = jnp.pad(edges, (0, axis.window), mode="edge")

        def edge(k, edges=edges):
            return edges.at[start + k].get(mode="promise_in_bounds")

        total += _walk(kernel, edge, axis.window, image, bandwidth)
    return total


def folded(
    low: Float[Array, ""], high: Float[Array, ""], data: Float[Array, " events"]
) -> Float[Array, " events"]:
    """Return where the mirror image of an event beyond an edge lies, or the other edge.

    One mirror: what it sends beyond the opposite edge belongs to the opposite bin.
    """
    above, below = jnp.minimum(2 * low - data, high), jnp.maximum(2 * high - data, low)
    return jnp.where(data < low, above, jnp.where(data > high, below, data))


def _start(
    axis: Axis, data: Float[Array, " events"], k: Int[Array, ""]
) -> Int[Array, " events"]:
    """Return the first bin of each event's k-th window."""
    if axis.table is None:
        return jnp.zeros(data.shape, jnp.int32)
    if axis.mirrors.shape[0]:
        low, high = jax.lax.stop_gradient(axis.mirrors.astype(data.dtype) / 2)
        data = folded(low, high, data)
    first = first_bin(axis.table, axis.edges[0], data)
    return jnp.minimum(first + k * WINDOW, axis.bins).astype(jnp.int32)


def _images(
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


def _outer(
    factors: Sequence[Float[Array, "bins events"]], weights: Float[Array, " events"]
) -> Float[Array, "*bins events"]:
    """Return the product over dimensions of each event's factors, and its weight."""
    product = weights
    for factor in factors:
        product = product[..., None, :] * factor
    return product
