"""Which bins an event can reach: the first one, from a table."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

#: Cells of the table per bin. More cells find the first bin more closely.
_CELLS_PER_BIN = 4


def first_bins(
    edges: Num[Array, " edges=bins+1"], reach: Float[Array, ""]
) -> tuple[Int[Array, " cells"], Int[Array, ""]]:
    """Return the first bin that the events of each cell reach, and the most reached.

    The cells divide the finite range of the edges equally: a table needs one look-up
    per event where a binary search needs log₂(bins). Half a cell of slack on either
    side covers the rounding of an event's cell.
    """
    edges, reach = jax.lax.stop_gradient((edges, reach))
    bins = edges.shape[0] - 1
    low, width = _cells(edges)
    cell = jnp.arange(_CELLS_PER_BIN * bins)
    ends = jnp.stack(
        [low + (cell - 0.5) * width - reach, low + (cell + 1.5) * width + reach]
    )
    first, last = jnp.clip(jnp.searchsorted(edges, ends, side="right") - 1, 0, bins - 1)
    return first.astype(jnp.int32), jnp.max(last - first) + 1


def first_bin(
    table: Int[Array, " cells"],
    edges: Num[Array, " edges"],
    data: Num[Array, " events"],
) -> Int[Array, " events"]:
    """Return the first bin that each event reaches."""
    low, width = jax.lax.stop_gradient(_cells(edges))
    # In the precision of the data, which half a cell of slack allows for.
    low, width = low.astype(data.dtype), width.astype(data.dtype)
    position = (jax.lax.stop_gradient(data) - low) / width
    # NaN, about which the sum over events will complain, goes to the first cell.
    cell = jnp.where(position > 0, jnp.minimum(position, table.shape[0] - 1), 0)
    return table[cell.astype(jnp.int32)]


def _cells(edges: Num[Array, " edges"]) -> tuple[Array, Array]:
    """Return where the first cell begins, and the width of all."""
    low = jnp.where(jnp.isfinite(edges[0]), edges[0], edges[1])
    high = jnp.where(jnp.isfinite(edges[-1]), edges[-1], edges[-2])
    return low, (high - low) / (_CELLS_PER_BIN * (edges.shape[0] - 1))
