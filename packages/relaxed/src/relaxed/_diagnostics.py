"""Ordinary counts, and how far soft ones are from them."""

import math
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Num

from ._all_bins import areas
from ._arguments import as_edges, as_floats, as_weights, one_of
from ._checks import enforce
from ._chunked import sum_over_events
from ._flow import FLOWS, Flow
from ._histogram import columns_of, is_several, prepare, soft_sum
from ._kernel import AbstractKernel, GaussianKernel
from ._rules import finite, increasing, no_nan, with_ends
from ._smear import Axis, Events, Histogram, dimensions, folded, weights_of


def hard_hist(
    data: Num[Array, " events"] | Num[Array, "events dims"],
    edges: Num[Array, " edges=bins+1"] | Sequence[Num[Array, " edges"]],
    *,
    weights: Num[Array, " events"] | None = None,
    flow: Flow = "drop",
) -> Float[Array, "*bins"]:
    """Return the ordinary histogram, the numbers that one may quote.

    A bin holds its lower edge, and the last one its upper edge too, as in
    `numpy.histogram`. The sum of squared weights is
    `hard_hist(data, edges, weights=weights**2)`.

    Args:
        data: one number per event, or one row of `dims` numbers; may be infinite.
        edges: as for `hist`.
        weights: one per event, finite, of either sign; one each by default.
        flow: what becomes of events beyond the outer edges: `"drop"` leaves them out,
            `"clip"` counts them in the outer bins, `"reflect"` where their mirror image
            lies.

    Raises:
        ValueError: edges that do not increase, shapes that do not fit, NaN in `data`,
            weights that are not finite, whole numbers that float32 would round.

    Example:
        >>> edges = jnp.array([0.0, 0.5, 1.0])
        >>> relaxed.hard_hist(jnp.array([0.2, 0.9, 3.0]), edges).tolist()
        [1.0, 1.0]
    """
    call = "hard_hist"
    one_of(flow, FLOWS, call, "flow")
    data = as_floats(data, call, "data")
    columns = columns_of(data, edges, call)
    edges = [as_edges(e, call) for e in (edges if is_several(edges) else [edges])]
    weights = as_weights(weights, columns[0], call)
    known = not any(isinstance(x, jax.core.Tracer) for x in (data, weights, *edges))
    # Numbers that are known are counted by NumPy, at once: nothing is compiled.
    engine = np if known else jnp
    if known:
        columns, edges = list(map(np.asarray, columns)), list(map(np.asarray, edges))
    weights = engine.asarray(weights).astype(jnp.result_type(float))
    one = enforce(
        engine.ones((), weights.dtype),
        *(increasing(e, call) for e in edges),
        *(with_ends(e, call) for e in edges if flow == "reflect"),
        no_nan(data, call),
        finite(weights, call, "weights"),
    )
    indices, inside = zip(
        *(_index(engine, e, x, flow) for e, x in zip(edges, columns, strict=True)),
        strict=True,
    )
    weights = engine.where(engine.all(engine.stack(inside), axis=0), weights, 0.0)
    shape = [e.shape[0] - 1 for e in edges]
    if engine is jnp:
        return one * jnp.zeros(shape).at[indices].add(weights)
    place = np.ravel_multi_index(indices, shape)
    counts = np.bincount(place, weights, minlength=math.prod(shape))
    return jnp.asarray(counts.reshape(shape).astype(weights.dtype))


def _index(
    engine: ModuleType,
    edges: Num[Array, " edges"],
    data: Num[Array, " events"],
    flow: Flow,
) -> tuple[Int[Array, " events"], Array]:
    """Return the bin of each event, and whether there is one."""
    bins = edges.shape[0] - 1
    if flow == "reflect":
        data = engine.asarray(folded(edges[0], edges[-1], data))
    # Not by equal widths, whose division may put an event on an edge beside it.
    index = engine.searchsorted(edges, data, side="right") - 1
    index = engine.where(data == edges[-1], bins - 1, index)
    inside = (index >= 0) & (index < bins) | (flow != "drop")
    return engine.clip(index, 0, bins - 1), inside


class SmoothingBias(NamedTuple):
    """Soft minus hard content per bin, and the statistical error of that difference."""

    bias: Float[Array, "*bins"]
    error: Float[Array, "*bins"]


def smoothing_bias(
    data: Num[Array, " events"] | Num[Array, "events dims"],
    edges: Num[Array, " edges=bins+1"] | Sequence[Num[Array, " edges"]],
    *,
    bandwidth: ArrayLike,
    weights: Num[Array, " events"] | None = None,
    kernel: AbstractKernel = GaussianKernel(),
    flow: Flow = "drop",
) -> SmoothingBias:
    r"""Return how much smearing moves each bin: `hist` - `hard_hist`, with its error.

    The error is that of the difference, $\sqrt{\sum_i w_i^2 (p_{ib} - 1_{i \in b})^2}$.
    Both are sums over the same events, so that it is much smaller than the error of
    either. For small bandwidths the bias is $\frac{h^2}{2} \sigma_K^2 [f'(e_{b+1}) -
    f'(e_b)]$ with f the density of events and σ_K the kernel's standard deviation.

    `data`, `edges`, `bandwidth`, `weights`, `kernel` and `flow`, and errors, are as in
    `hist`. The error has no derivative where it is zero; it is
    taken as zero there.

    Example:
        >>> data = jnp.linspace(-3.0, 3.0, 1001) ** 3 / 9
        >>> edges = jnp.array([-3.0, -1.0, 1.0, 3.0])
        >>> bias, error = relaxed.smoothing_bias(data, edges, bandwidth=0.5)
        >>> bias.round(0).tolist()
        [7.0, -38.0, 7.0]
    """
    call = "smoothing_bias"
    arguments = (data, edges, bandwidth, weights, kernel, flow)
    histogram, events, one = prepare(call, 2, *arguments)
    variance = one * sum_over_events(
        _squared_difference, histogram, events, histogram.bins
    )
    soft = soft_sum(call, 1, *arguments)
    hard = hard_hist(data, edges, weights=weights, flow=flow)
    # Of a bin that nothing reaches the derivative of the root would be 0 · inf.
    none = variance == 0
    error = jnp.where(none, 0.0, jnp.sqrt(jnp.where(none, 1.0, variance)))
    return SmoothingBias(soft - hard, error)


def _squared_difference(
    histogram: Histogram, events: Events, new: Bool[Array, " events"], k: int
) -> Float[Array, "*bins"]:
    """Return Σ w² (p - hard)² of one chunk, [bins, ..., events] at a time."""
    soft = hard = jnp.ones_like(events.data[0])
    for axis, data, bandwidth in dimensions(histogram, events):
        p = areas(histogram.kernel, axis, data, bandwidth)
        soft = soft[..., None, :] * p
        # The same areas without smearing: a bandwidth that reaches no neighbour.
        hard = hard[..., None, :] * _inside(axis, data)
    return jnp.sum((weights_of(events, new) * (soft - hard)) ** 2, axis=-1)


def _inside(axis: Axis, data: Float[Array, " events"]) -> Float[Array, "bins events"]:
    """Return 1 in the bin that `hard_hist` counts an event in."""
    edges = axis.edges[0].astype(data.dtype)
    if axis.mirrors.shape[0]:
        data = folded(edges[0], edges[-1], data)
    above = data >= edges[:, None]
    below = ~above.at[-1].set(data > edges[-1])  # the last bin has both of its ends
    return (above[:-1] & below[1:]).astype(data.dtype)
