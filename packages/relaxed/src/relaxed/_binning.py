"""Bin edges: equal, of equal content, or learned."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Num

from ._arguments import as_floats, as_scalar, as_vector, as_weights, require_bins
from ._checks import Rule, enforce
from ._rules import does_not_increase, finite, not_negative, not_zero, ordered


def regular_edges(
    low: ArrayLike, high: ArrayLike, bins: int
) -> Float[Array, " edges=bins+1"]:
    """Return the edges of `bins` equal bins from `low` to `high`.

    Args:
        low: the first edge, finite.
        high: the last edge, finite.
        bins: how many bins, at least one.

    Raises:
        ValueError: `low` not below `high`, an end that is not finite, no bins, or more
            of them than the precision can tell apart.

    Example:
        >>> relaxed.regular_edges(0.0, 1.0, 4).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    call = "regular_edges"

    def too_many(edges, where):
        return (
            f"`{call}(bins=...)` asks for {bins} bins, some of which have no width in "
            f"{edges.dtype}: edges[{where[0]}]={edges[where[0]]!r} twice. Ask for "
            "fewer, or turn on `jax_enable_x64`."
        )

    require_bins(bins, call)
    low, high = as_scalar(low, call, "low"), as_scalar(high, call, "high")
    edges = jnp.linspace(low, high, bins + 1)
    return enforce(
        edges,
        finite(low, call, "low"),
        finite(high, call, "high"),
        ordered(low, high, call),
        Rule(edges, does_not_increase, too_many),
    )


def quantile_edges(
    data: Num[Array, " events"],
    bins: int,
    *,
    weights: Num[Array, " events"] | None = None,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
) -> Float[Array, " edges=bins+1"]:
    """Return edges between which each of `bins` bins holds the same sum of weights.

    Between two neighbouring events the cumulative weight is interpolated linearly, each
    event counting half before and half after its own position.

    Args:
        data: the finite sample whose quantiles become edges.
        bins: how many bins, at least one.
        weights: non-negative weights; one each by default.
        low: the first edge, below the first quantile and maybe infinite; the smallest
            event by default.
        high: the last edge, above the last quantile and maybe infinite; the largest
            event by default.

    Raises:
        ValueError: no events, NaN or infinite ones, weights of another shape, negative
            weights, or none that is not zero; so many events at one value that two
            quantiles are the same; `low` or `high` on the wrong side of a quantile.

    Example:
        >>> relaxed.quantile_edges(jnp.arange(9.0), 2).tolist()
        [0.0, 4.0, 8.0]
    """
    call = "quantile_edges"
    require_bins(bins, call)
    data = as_vector(data, call)
    if data.shape[0] == 0:
        raise ValueError(f"`{call}(data=...)` has no events to take edges from.")
    weights = as_weights(weights, data, call)
    low = None if low is None else as_scalar(low, call, "low")
    high = None if high is None else as_scalar(high, call, "high")

    def disordered(edges, where):
        return _disordered(edges, where, low is not None, high is not None)

    total = jnp.sum(weights)
    edges = _quantiles(data, bins, weights, low, high)
    return enforce(
        edges,
        finite(data, call),
        finite(weights, call, "weights"),
        not_negative(weights, call, "weights"),
        not_zero(total, call, "the sum of `weights`", "Some event needs a weight."),
        Rule(edges, does_not_increase, disordered),
    )


def monotone_edges(
    raw: Float[Array, " bins"],
    low: ArrayLike,
    high: ArrayLike,
    *,
    min_width: ArrayLike = 0.0,
) -> Float[Array, " edges=bins+1"]:
    r"""Return ordered edges from `low` to `high`, whatever the numbers in `raw`.

    $$w_b = w_\min + (high - low - B w_\min) \, \mathrm{softmax}(raw)_b$$

    Equal entries give equal bins; a gradient step on `raw` moves edges and can never
    exchange them. To start from given edges take `raw = jnp.log(jnp.diff(edges))`.

    Args:
        raw: one finite number per bin.
        low: the first edge, finite, which stays where it is.
        high: the last edge, finite, which stays where it is.
        min_width: no bin becomes narrower than this, in the units of `low`. A few
            bandwidths are a good choice, as a narrower bin is all smearing. Zero, the
            default, lets a bin close where entries of `raw` differ by some tens, and
            that is an error.

    Raises:
        ValueError: `raw`, `low` or `high` that are not finite, a negative `min_width`,
            one that times the number of bins leaves no room, or a bin without width.

    Example:
        >>> relaxed.monotone_edges(jnp.zeros(4), 0.0, 1.0).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    call = "monotone_edges"
    raw = as_floats(raw, call, "raw")
    if raw.ndim != 1 or raw.shape[0] < 1:
        raise ValueError(
            f"`{call}(raw=...)` must be a vector, one number per bin; got shape "
            f"{raw.shape}."
        )
    low, high = as_scalar(low, call, "low"), as_scalar(high, call, "high")
    min_width = as_scalar(min_width, call, "min_width")

    def no_room(room, where):
        return (
            f"`{call}(min_width=...)` times {raw.shape[0]} bins must be less than "
            f"high - low; got {-room:g} too much. Ask for fewer bins or a smaller "
            "width."
        )

    # What the derivative needs is checked; the closed bin of a gradient without its
    # value is found by the histogram that has these edges.
    room = high - low - raw.shape[0] * min_width
    raw, room = enforce(
        (raw, room),
        finite(raw, call, "raw", "A training step that is too long leads there."),
        finite(low, call, "low"),
        finite(high, call, "high"),
        Rule(min_width, lambda width: ~(width >= 0), _negative_width),
        Rule(room, lambda room: ~(room > 0), no_room),
    )
    widths = min_width + room * jax.nn.softmax(raw)
    inner = low + jnp.cumsum(widths)[:-1]
    edges = jnp.concatenate([low[None], inner, high[None]])
    return enforce(edges, Rule(edges, does_not_increase, _closed))


def _quantiles(
    data: Float[Array, " events"],
    bins: int,
    weights: Float[Array, " events"],
    low: Float[Array, ""] | None,
    high: Float[Array, ""] | None,
) -> Float[Array, " edges=bins+1"]:
    """Return the quantiles between the ends, which are events if they are None."""
    # Sorted by value, and not `jnp.quantile`, which has no weights.
    order = jnp.argsort(data)
    data, weights = data[order], weights[order].astype(float)
    middle = jnp.cumsum(weights) - 0.5 * weights
    wanted = jnp.arange(1, bins) / bins * jnp.sum(weights)
    inner = jnp.interp(wanted, middle, data)
    first = data[0] if low is None else low
    last = data[-1] if high is None else high
    return jnp.concatenate([first[None], inner, last[None]])


def _disordered(
    edges: Num[np.ndarray, " edges"],
    where: Int[np.ndarray, " broken"],
    low_given: bool,
    high_given: bool,
) -> str:
    b = where[0]
    below, above = edges[b : b + 2]
    if b == 0 and low_given:
        end, other = "low", "the next edge"
    elif b == edges.size - 2 and high_given:
        end, other = "high", "the edge before"
    else:
        return (
            f"`quantile_edges(data=...)` has so much weight at one value that "
            f"edges[{b}]={below:g} and edges[{b + 1}]={above:g} do not increase. Ask "
            "for fewer bins, or leave these events out."
        )
    side, value, there = (
        ("below", below, above) if end == "low" else ("above", above, below)
    )
    return (
        f"`quantile_edges({end}=...)` must lie {side} {other}, {there:g}; got "
        f"{value:g}. Leave it out to end at the sample."
    )


def _negative_width(width, where):
    return (
        f"`monotone_edges(min_width=...)` must not be negative; got {width:g}. Zero "
        "asks for no least width."
    )


def _closed(edges, where):
    b = where[0]
    return (
        f"`monotone_edges(raw=...)` has closed bin {b}, at {edges[b]:g}: its entry is "
        "too far below the others. Give a `min_width`."
    )
