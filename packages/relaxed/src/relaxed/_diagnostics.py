"""Ordinary counts, and how far soft ones are from them."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ._checks import as_edges, as_events, as_weights, one_of
from ._custom_types import Edges, Events, Flow, Weights


def hard_hist(
    data: Events, edges: Edges, weights: Weights | None = None, *, flow: Flow = "drop"
) -> Float[Array, " bins"]:
    """Return the ordinary histogram, the numbers that one may quote.

    Bins hold their lower edge, and the last one its upper edge as well, as in
    `numpy.histogram`. The sum of squared weights is
    `hard_hist(data, edges, weights**2)`.

    Args:
        data: one number per event.
        edges: increasing bin edges; the outer ones may be infinite.
        weights: one per event, of either sign; one each by default.
        flow: `"drop"` leaves out events beyond the outer edges, `"clip"` counts them in
            the outer bins.

    Raises:
        ValueError: edges that do not increase, shapes that do not fit, NaN in `data`.

    Example:
        >>> relaxed.hard_hist(jnp.array([0.2, 0.9, 3.0]), jnp.array([0.0, 0.5, 1.0]))
        Array([1., 1.], dtype=float32)
    """
    one_of(flow, ("drop", "clip"), "hard_hist", "flow")
    data = as_events(data, "hard_hist")
    edges = as_edges(edges, "hard_hist")
    weights = as_weights(weights, data, "hard_hist").astype(float)
    bins = edges.shape[0] - 1
    index = jnp.searchsorted(edges, data, side="right") - 1
    index = jnp.where(data == edges[-1], bins - 1, index)
    if flow == "clip":
        index = jnp.clip(index, 0, bins - 1)
    inside = (index >= 0) & (index < bins)
    return jnp.zeros(bins).at[jnp.where(inside, index, 0)].add(
        jnp.where(inside, weights, 0.0)
    )
