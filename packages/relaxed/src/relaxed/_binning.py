"""Bin edges: equal, of equal content, or learned."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Num

from ._checks import (
    Rule,
    as_vector,
    as_weights,
    enforce,
    no_nan,
    not_zero,
    ordered,
)


def regular_edges(
    low: ArrayLike, high: ArrayLike, bins: int
) -> Float[Array, " edges=bins+1"]:
    """Return the edges of `bins` equal bins from `low` to `high`.

    Raises:
        ValueError: `low` not below `high`, or no bins.

    Example:
        >>> relaxed.regular_edges(0.0, 1.0, 4).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    call = "regular_edges"
    _require_bins(bins, call)
    low = enforce(jnp.asarray(low), ordered(low, high, call))
    return jnp.linspace(low, high, bins + 1)


def quantile_edges(
    data: Num[Array, " events"],
    bins: int,
    weights: Num[Array, " events"] | None = None,
    *,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
) -> Float[Array, " edges=bins+1"]:
    """Return edges between which each of `bins` bins holds the same sum of weights.

    Between two neighbouring events the cumulative weight is interpolated linearly, each
    event counting half before and half after its own position.

    Args:
        data: the sample whose quantiles become edges.
        bins: how many bins.
        weights: non-negative weights; one each by default.
        low: the first edge; the smallest event by default.
        high: the last edge; the largest event by default.

    Raises:
        ValueError: no events, NaN in `data`, weights of another shape, negative
            weights, or none that is not zero.

    Example:
        >>> relaxed.quantile_edges(jnp.arange(9.0), 2).tolist()
        [0.0, 4.0, 8.0]
    """
    _require_bins(bins, "quantile_edges")
    data = as_vector(data, "quantile_edges")
    if data.shape[0] == 0:
        raise ValueError("`quantile_edges(data=...)` has no events to take edges from.")
    weights = as_weights(weights, data, "quantile_edges")
    data = enforce(
        data,
        no_nan(data, "quantile_edges"),
        Rule(weights, lambda w: ~(w >= 0), _negative_weights),
        not_zero(
            jnp.sum(weights),
            "quantile_edges",
            "the sum of `weights`",
            "Some event needs a weight.",
        ),
    )
    order = jnp.argsort(data)
    data, weights = data[order], weights[order].astype(float)
    middle = jnp.cumsum(weights) - 0.5 * weights
    wanted = jnp.arange(1, bins) / bins * jnp.sum(weights)
    inner = jnp.interp(wanted, middle, data)
    low = data[0] if low is None else low
    high = data[-1] if high is None else high
    return jnp.concatenate([jnp.array([low]), inner, jnp.array([high])])


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
        raw: one unbounded number per bin.
        low: the first edge, which stays where it is.
        high: the last edge, which stays where it is.
        min_width: no bin becomes narrower than this, in the units of `low`. A few
            bandwidths are a good choice, as a narrower bin is all smearing.

    Raises:
        ValueError: `min_width` times the number of bins leaves no room.

    Example:
        >>> relaxed.monotone_edges(jnp.zeros(4), 0.0, 1.0).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    raw = jnp.asarray(raw)
    if raw.ndim != 1 or raw.shape[0] < 1:
        raise ValueError(
            "`monotone_edges(raw=...)` must be a vector, one number per bin; got shape "
            f"{raw.shape}."
        )
    low, high, min_width = map(jnp.asarray, (low, high, min_width))

    def no_room(room, where):
        return (
            f"`monotone_edges(min_width=...)` times {raw.shape[0]} bins must be less "
            f"than high - low; got {-room:g} too much. Ask for fewer bins or a "
            "smaller width."
        )

    room = high - low - raw.shape[0] * min_width
    room = enforce(room, Rule(room, lambda room: ~(room > 0), no_room))
    widths = min_width + room * jax.nn.softmax(raw)
    inner = low + jnp.cumsum(widths)[:-1]
    ends = jnp.broadcast_to(jnp.asarray(low), (1,)), jnp.broadcast_to(high, (1,))
    return jnp.concatenate([ends[0], inner, ends[1]])


def _negative_weights(weights, where):
    return (
        f"`quantile_edges(weights=...)` must not be negative; got {where.size} that "
        f"are, the first weights[{where[0]}]={weights[where[0]]:g}. Take "
        "`jnp.abs(weights)`, or only events of positive weight."
    )


def _require_bins(bins: int, call: str) -> None:
    if bins < 1:
        raise ValueError(f"`{call}(bins=...)` must be at least 1; got {bins}.")
