"""Soft counts per bin, and the sum of their squared weights."""

import functools as ft

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Num, PyTree

from ._checks import as_edges, as_events, as_positive, as_weights, one_of
from ._chunked import sum_over_events
from ._custom_types import Counts, Edges, Events, Flow, Weights
from ._kernel import AbstractKernel, GaussianKernel, interval

_FLOWS = ("drop", "clip")


def hist(
    data: Events,
    edges: Edges,
    *,
    bandwidth: ArrayLike,
    weights: Weights | None = None,
    kernel: AbstractKernel = GaussianKernel(),
    flow: Flow = "drop",
    density: bool = False,
) -> Counts:
    r"""Return the expected content of each bin when every event is smeared by a kernel.

    $$n_b = \sum_i w_i p_{ib}, \qquad
      p_{ib} = K\left(\frac{e_{b+1} - x_i}{h}\right)
             - K\left(\frac{e_b - x_i}{h}\right)$$

    Tends to the ordinary histogram as the bandwidth h goes to zero. Differentiable with
    respect to `data`, `edges`, `bandwidth` and `weights`, in forward and reverse mode
    and to second order, with memory that does not grow with events × bins.

    Args:
        data: one number per event. Evaluated in this array's precision and accumulated
            in float64 where x64 is on (compensated float32 where it is not).
        edges: increasing bin edges; the outer ones may be infinite.
        bandwidth: h, the smearing in the units of `data`. There is no default: it is a
            choice between bias (large) and noisy gradients (small).
        weights: one per event, of either sign; one each by default.
        kernel: the smearing's shape.
        flow: what happens to what leaves the outer edges. `"drop"` loses it, as a
            detector would; `"clip"` adds it to the outer bins, and conserves the sum.
        density: divide by the sum over bins and by the bin widths, as
            `numpy.histogram` does.

    Returns:
        One number per bin.

    Raises:
        ValueError: edges that do not increase, a bandwidth that is not positive, a
            shape that does not fit, NaN in `data`. (Under `jit` the checks of values
            are `equinox.error_if`.)

    Example:
        >>> edges = relaxed.regular_edges(0.0, 1.0, 2)
        >>> relaxed.hist(jnp.array([0.2, 0.9]), edges, bandwidth=0.01).tolist()
        [1.0, 1.0]
    """
    counts = _soft_sum("hist", 1, data, edges, bandwidth, weights, kernel, flow)
    return counts / _density_factor(counts, jnp.asarray(edges)) if density else counts


def hist_variance(
    data: Events,
    edges: Edges,
    *,
    bandwidth: ArrayLike,
    weights: Weights | None = None,
    kernel: AbstractKernel = GaussianKernel(),
    flow: Flow = "drop",
) -> Counts:
    r"""Return the statistical variance of each bin of `hist`: $\sum_i w_i^2 p_{ib}^2$.

    Tends to the usual $\sum w^2$ as the bandwidth goes to zero. Arguments as `hist`.

    Example:
        >>> edges = relaxed.regular_edges(0.0, 1.0, 2)
        >>> weights = jnp.array([2.0, 3.0])
        >>> relaxed.hist_variance(
        ...     jnp.array([0.2, 0.9]), edges, bandwidth=0.01, weights=weights
        ... ).tolist()
        [4.0, 9.0]
    """
    return _soft_sum("hist_variance", 2, data, edges, bandwidth, weights, kernel, flow)


def _soft_sum(
    call: str,
    power: int,
    data: Events,
    edges: Edges,
    bandwidth: ArrayLike,
    weights: Weights | None,
    kernel: AbstractKernel,
    flow: Flow,
) -> Counts:
    """Return Σ wᵏ pᵏ per bin for k = `power`."""
    one_of(flow, _FLOWS, call, "flow")
    data = as_events(data, call)
    edges = as_edges(edges, call)
    weights = as_weights(weights, data, call)
    bandwidth = as_positive(bandwidth, call, "bandwidth")
    if bandwidth.ndim != 0:
        raise ValueError(
            f"`{call}(bandwidth=...)` must be one number; got shape {bandwidth.shape}."
        )
    shared = {"kernel": kernel, "edges": edges, "bandwidth": bandwidth}
    contribution = ft.partial(_contribution, power, flow)
    return sum_over_events(contribution, shared, {"data": data, "weights": weights})


def _contribution(power: int, flow: Flow, shared: PyTree, events: PyTree) -> Counts:
    """Return Σ wᵏ pᵏ per bin over one chunk."""
    data = events["data"]
    dtype = jnp.result_type(data, jnp.float32)
    p = _bin_probabilities(
        shared["kernel"],
        data.astype(dtype),
        shared["edges"].astype(dtype),
        shared["bandwidth"].astype(dtype),
        flow,
    )
    w = events["weights"].astype(dtype)
    # A reduction, which XLA fuses with the kernel; a matrix product it would not.
    return jnp.sum((w * p) ** power, axis=1)


def _bin_probabilities(
    kernel: AbstractKernel,
    data: Float[Array, " events"],
    edges: Float[Array, " edges=bins+1"],
    bandwidth: Float[Array, ""],
    flow: Flow,
) -> Float[Array, "bins events"]:
    # Infinite edges and events, brought to where the kernel is exactly 0: no 0 · inf.
    finite = jnp.isfinite(edges)
    reach = kernel.support * bandwidth
    low = jnp.min(jnp.where(finite, edges, jnp.inf)) - reach
    high = jnp.max(jnp.where(finite, edges, -jnp.inf)) + reach
    edges = jnp.where(finite, edges, jnp.where(edges < 0, low - reach, high + reach))
    data = jnp.clip(data, low, high)
    z = (edges[:, None] - data) / bandwidth  # [edges, events]
    if flow == "drop":
        return interval(kernel, z)
    inner = interval(kernel, z[1:-1]) if edges.shape[0] > 3 else z[:0]
    if edges.shape[0] == 2:
        return jnp.ones_like(z[:1])
    return jnp.concatenate([kernel.cdf(z[1:2]), inner, kernel.cdf(-z[-2:-1])])


def _density_factor(counts: Counts, edges: Num[Array, " edges"]) -> Counts:
    return jnp.sum(counts) * jnp.diff(edges)
