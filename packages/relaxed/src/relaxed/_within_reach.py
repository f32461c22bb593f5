"""What a chunk of events adds to the bins within the kernel's reach.

Every event has a window of bins, from the first one that it reaches, counted as in
`_windows`: from below the histogram. With what lies above they are the `room`.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt

from ._kernel import (
    AbstractKernel,
    finite_data,
    finite_edges,
    inverse,
    signed_tail,
    standardise,
    tangent_of_tails,
)
from ._smear import (
    Axis,
    Events,
    Histogram,
    dimensions,
    folded,
    images,
    outer,
    walk,
    weights_of,
)
from ._windows import WINDOW, first_bin


def add_within_reach(
    histogram: Histogram,
    events: Events,
    new: Bool[Array, " events"],
    k: Int[Array, ""],
) -> Float[Array, "*bins"]:
    """Return Σ (w p)ᵏ of one chunk for the k-th window of the bins that events reach.

    Every event brings its window of areas, which are added where they belong; in one
    dimension its window of tails, as in `_all_bins`.
    """
    weights = weights_of(events, new) ** histogram.power
    if len(histogram.axes) == histogram.power == 1:
        ((axis, data, bandwidth),) = dimensions(histogram, events)
        start = _start(histogram.kernel, axis, data, bandwidth, k)
        return _sum_of_areas(histogram.kernel, axis, start, data, bandwidth, weights)
    # The k-th combination of the windows of each dimension, the first one fastest.
    starts, factors = [], []
    for (axis, data, bandwidth), passes in zip(
        dimensions(histogram, events), histogram.passes, strict=True
    ):
        start = _start(histogram.kernel, axis, data, bandwidth, k % passes)
        k = k // passes
        near = _areas_near(histogram.kernel, axis, start, data, bandwidth)
        starts.append(start)
        factors.append(near**histogram.power)
    room = tuple(axis.bins + 1 + axis.window for axis in histogram.axes)
    counts = _add_windows(room, jnp.stack(starts, axis=-1), outer(factors, weights))
    return counts[tuple(slice(1, axis.bins + 1) for axis in histogram.axes)]


def _start(
    kernel: AbstractKernel,
    axis: Axis,
    data: Float[Array, " events"],
    bandwidth: Float[Array, "..."],
    k: Int[Array, ""],
) -> UInt[Array, " events"]:
    """Return the first bin of each event's k-th window."""
    if axis.table is None:
        return jnp.ones(data.shape, jnp.uint32)
    if axis.mirrors.shape[0]:
        low, high = jax.lax.stop_gradient(axis.mirrors.astype(data.dtype) / 2)
        data = folded(low, high, data)
    first = first_bin(axis.table, axis.edges[0], data, kernel.support * bandwidth)
    if isinstance(k, int) and k == 0:
        return first
    # A window past the last bin starts above it, where nothing is counted.
    return jnp.minimum(first + jnp.uint32(k) * WINDOW, axis.bins + 1)


def _areas_near(
    kernel: AbstractKernel,
    axis: Axis,
    start: UInt[Array, " events"],
    data: Float[Array, " events"],
    bandwidth: Float[Array, "..."],
) -> Float[Array, "window events"]:
    """Return the part of each event that falls into the bins of its window."""
    total = jnp.zeros((axis.window, *data.shape), data.dtype)
    for edges, image in images(axis, data):
        lower = _lower_edges(axis, edges)

        def edge(k, lower=lower):
            return lower.at[start + jnp.uint32(k)].get(mode="promise_in_bounds")

        total += walk(kernel, edge, axis.window, image, bandwidth)
    return total


def _sum_of_areas(
    kernel: AbstractKernel,
    axis: Axis,
    start: UInt[Array, " events"],
    data: Float[Array, " events"],
    bandwidth: Float[Array, "..."],
    weights: Float[Array, " events"],
) -> Float[Array, " bins"]:
    """Return Σ w p per bin without the areas: each edge's tails are summed first."""
    total = jnp.zeros(axis.bins, data.dtype)
    for edges, image in images(axis, data):
        lower = _lower_edges(axis, edges)
        tails = _sum_of_tails(kernel, lower, start, image, bandwidth, weights)
        hard = _ordinary(lower, start, image, weights)[1 : axis.bins + 1]
        total += hard + (tails[1 : axis.bins + 1] - tails[: axis.bins])
    return total


def _lower_edges(axis: Axis, edges: Float[Array, " edges"]) -> Float[Array, " room"]:
    """Return the lower edge of each bin, and of those that windows have beyond."""
    ends = (-jnp.inf, jnp.inf)
    return finite_edges(jnp.pad(edges, (1, axis.window), constant_values=ends))


def _ordinary(
    lower: Float[Array, " room"],
    start: UInt[Array, " events"],
    data: Float[Array, " events"],
    weights: Float[Array, " events"],
) -> Float[Array, " room"]:
    """Return the ordinary histogram of the events whose bin is in their window."""
    bin, inside = _bin(*jax.lax.stop_gradient((lower, start, data)))
    weights = jnp.where(inside, weights, 0.0)
    return jnp.zeros_like(lower).at[bin].add(weights, mode="promise_in_bounds")


@jax.jit  # not traced anew for each derivative
def _bin(
    lower: Float[Array, " room"],
    start: UInt[Array, " events"],
    data: Float[Array, " events"],
) -> tuple[UInt[Array, " events"], Bool[Array, " events"]]:
    """Return the bin of each event, and whether it is in the event's window."""
    above = _window(lower, start) < finite_data(data)
    bin = start + jnp.sum(above[1:].astype(jnp.uint32), axis=0)
    return bin, above[0] & ~above[-1]


@eqx.filter_custom_jvp
def _sum_of_tails(
    kernel: AbstractKernel,
    edges: Float[Array, " room"],
    start: UInt[Array, " events"],
    data: Float[Array, " events"],
    bandwidth: Float[Array, "..."],
    weights: Float[Array, " events"],
) -> Float[Array, " room"]:
    """Return Σ w r((edge - x) / h) per bin, of its upper edge."""
    z = standardise(_window(edges, start)[1:], data, bandwidth)
    terms = weights * signed_tail(kernel, z)
    return _add_windows(edges.shape, start[:, None], terms)


@_sum_of_tails.def_jvp
def _sum_of_tails_jvp(primals, tangents):
    # The edges of the window one after the other, written out: transposed, that is one
    # loop over events, a sixth of the time of a sum over [window, events], in which XLA
    # computes one exponential at a time.
    kernel, edges, start, data, bandwidth, weights = primals
    _, d_edges, _, d_data, d_bandwidth, d_weights = tangents
    density = weights * inverse(bandwidth)

    @jax.jit  # traced and transposed once, not for every edge
    def add(total, bin):
        at = bin + jnp.uint32(1)
        z = standardise(_at(edges, at), data, bandwidth)
        d_edge = None if d_edges is None else _at(d_edges, at)
        terms = tangent_of_tails(
            jnp.multiply, kernel, z, density, d_edge, d_data, d_bandwidth, d_weights
        )
        return total.at[bin].add(terms, mode="promise_in_bounds")

    total = jnp.zeros_like(edges)
    for j in range(WINDOW):
        total = add(total, start + jnp.uint32(j))
    return _sum_of_tails(*primals), total


def _at(
    values: Float[Array, " room"], index: UInt[Array, " events"]
) -> Float[Array, " events"]:
    return values.at[index].get(mode="promise_in_bounds")


def _window(
    values: Float[Array, " room"], start: UInt[Array, " events"]
) -> Float[Array, "window+1 events"]:
    """Return the values from each event's start to one beyond its window."""
    numbers = jax.lax.GatherDimensionNumbers(
        offset_dims=(0,), collapsed_slice_dims=(), start_index_map=(0,)
    )
    return jax.lax.gather(
        values,
        start[:, None],
        numbers,
        slice_sizes=(WINDOW + 1,),
        mode=jax.lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )


def _add_windows(
    room: tuple[int, ...],
    starts: UInt[Array, "events dims"],
    terms: Float[Array, "*window events"],
) -> Float[Array, "*room"]:
    """Return the sum of the events' windows, each added where it starts."""
    dims = tuple(range(len(room)))
    return jax.lax.scatter_add(
        jnp.zeros(room, terms.dtype),
        starts,
        terms,
        jax.lax.ScatterDimensionNumbers(
            update_window_dims=dims,
            inserted_window_dims=(),
            scatter_dims_to_operand_dims=dims,
        ),
        mode=jax.lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )
