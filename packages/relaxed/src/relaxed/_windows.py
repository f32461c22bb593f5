"""Which bins an event can reach: the first one, from a table, and how many.

Bins are counted from below the histogram: 0 is what lies below the first edge, and
`edges[b]` is the upper edge of bin b.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num, UInt

#: Bins that are evaluated together around an event: as few as hold what a Gaussian of a
#: quarter of a bin, the default of `bin_bandwidth`, reaches in equal bins.
WINDOW = 6

#: Cells of the table per bin. More cells find the first bin more closely.
_CELLS_PER_BIN = 2

#: Cells by which rounding may move an event.
_SLACK = 1 / 8


def first_bins(edges: Num[Array, " edges=bins+1"]) -> UInt[Array, " cells+2"]:
    """Return the first bin that what lies in each cell can be in.

    The cells divide the finite range of the edges equally: a table needs one look-up
    per event where a binary search needs log₂(bins). Half a cell below is left for the
    rounding of an event's cell.
    """
    xp, edges = _without_gradient(edges)
    low, per_unit = _cells(edges)
    cell = np.arange(_CELLS_PER_BIN * (edges.shape[0] - 1) + 2)
    begin = low + (cell - 0.5) / per_unit
    return xp.searchsorted(edges, begin, side="right").astype(np.uint32)


def most_reached(
    table: UInt[Array, " cells+2"],
    edges: Num[Array, " edges"],
    reach: Float[Array, ""],
) -> Int[Array, ""]:
    """Return how many bins lie within reach on both sides of an event, at most."""
    xp, table, edges, reach = _without_gradient(table, edges, reach)
    last = table.shape[0] - 1
    _, per_unit = _cells(edges)
    # An event may be anywhere in its cell, and a cell's entry is for half a cell below.
    ahead = xp.minimum(xp.ceil(2 * reach * per_unit + 1.5 + _SLACK), last)
    end = xp.minimum(np.arange(last + 1) + ahead.astype(np.int32), last)
    return xp.max((xp.asarray(table)[end] - table).astype(np.int32)) + 1


def first_bin(
    table: UInt[Array, " cells+2"],
    edges: Num[Array, " edges"],
    data: Num[Array, " events"],
    reach: Float[Array, "..."],
) -> UInt[Array, " events"]:
    """Return the first bin that each event reaches."""
    return _first_bin(table, *jax.lax.stop_gradient((edges, data, reach)))


@jax.jit  # not traced anew for each derivative
def _first_bin(table, edges, data, reach):
    low, per_unit = _cells(edges)
    # In the precision of the data, which the slack allows for.
    low, per_unit = low.astype(data.dtype), per_unit.astype(data.dtype)
    position = (data - low) * per_unit - reach * per_unit
    # NaN, about which the sum over events will complain, goes to the first cell.
    cell = jnp.where(position > 0, jnp.minimum(position, table.shape[0] - 1), 0)
    return table.at[cell.astype(jnp.uint32)].get(mode="promise_in_bounds")


def _without_gradient(*arrays: Num[Array | np.ndarray, "..."]) -> tuple:
    """Return the arrays after the library that computes with them, NumPy if it can."""
    if any(isinstance(x, jax.Array) for x in arrays):
        return jnp, *jax.lax.stop_gradient(arrays)
    return np, *arrays


def _cells(edges: Num[Array, " edges"]) -> tuple[Array, Array]:
    """Return where the first cell begins, and how many there are per unit of length."""
    xp = np if isinstance(edges, np.ndarray) else jnp
    low = xp.where(xp.isfinite(edges[0]), edges[0], edges[1])
    high = xp.where(xp.isfinite(edges[-1]), edges[-1], edges[-2])
    return low, _CELLS_PER_BIN * (edges.shape[0] - 1) / (high - low)
