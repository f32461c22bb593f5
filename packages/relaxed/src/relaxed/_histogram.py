"""Soft counts per bin, and the sum of their squared weights."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Num

from ._all_bins import add_to_all
from ._arguments import (
    as_edges,
    as_floats,
    as_vector,
    as_weights,
    known_or_traced,
    one_of,
    require_kernel,
)
from ._checks import enforce
from ._chunked import sum_over_events
from ._flow import FLOWS, Flow
from ._kernel import AbstractKernel, GaussianKernel
from ._rules import finite, increasing, no_nan, not_zero, positive, with_ends
from ._smear import Axis, Events, Histogram
from ._windows import WINDOW, first_bins, most_reached
from ._within_reach import add_within_reach

#: With more bins than this along an axis an event is evaluated in windows of bins. At
#: 48 bins and on one core windows take 0.4 of the time of all bins where a kernel
#: reaches one window (a bandwidth of a quarter of a bin), 0.8 where it reaches two
#: (half a bin) and 1.4 where it reaches three or four (a whole one). They are even at
#: about 12, 30 and 80 bins (`benchmarks/histogram_windows.py`); later where there are
#: more cores, which all bins share better, and windows take 1.4 times as long to
#: compile.
DENSE_BINS = 48


def hist(
    data: Num[Array, " events"] | Num[Array, "events dims"],
    edges: Num[Array, " edges=bins+1"] | Sequence[Num[Array, " edges"]],
    *,
    bandwidth: ArrayLike,
    weights: Num[Array, " events"] | None = None,
    kernel: AbstractKernel = GaussianKernel(),
    flow: Flow = "drop",
    density: bool = False,
) -> Float[Array, "*bins"]:
    r"""Return the content of each bin when every event is smeared by a kernel.

    $$n_b = \sum_i w_i \, p_{ib}, \qquad
      p_{ib} = K\left(\frac{e_{b+1} - x_i}{h}\right)
             - K\left(\frac{e_b - x_i}{h}\right)$$

    In several dimensions $p$ is the product over them. Tends to the ordinary histogram
    as the bandwidth h goes to zero. Differentiable with respect to `data`, `edges`,
    `bandwidth` and `weights`, in forward and reverse mode and to second order, with
    memory that does not grow with events × bins.

    Axes of up to 48 bins are evaluated as a whole. Longer ones, and with them all axes
    of the histogram, are evaluated in windows of 6 bins around each event, as many as
    the widest kernel reaches, so that the time does not grow with the number of bins.
    A window leaves out what lies beyond the kernel's `support`, at most 1e-16 of an
    event. (Under `vmap` over bandwidths or edges all windows are evaluated. Inside
    `jit` windows compile in half the time where edges and bandwidth are not traced.)

    Args:
        data: one number per event, or one row of `dims` numbers; may be infinite.
            Evaluated in this array's precision, whole numbers in the default one, and
            accumulated in float64 where x64 is on (in compensated float32 where it is
            not).
        edges: increasing bin edges, the outer ones may be infinite; or one such vector
            per dimension. Axes of `hist` and boost-histogram are taken too, as is
            anything that has `.edges`.
        bandwidth: h > 0, the smearing in the units of `data`. There is no default: it
            is a choice between bias (large) and noisy gradients (small), see
            `smoothing_bias`. One number, one per event, or in several dimensions one
            per dimension or `[events, dims]`.
        weights: one per event, finite, of either sign; one each by default.
        kernel: the smearing's shape.
        flow: what becomes of the part of an event that leaves the outer edges:
            `"drop"` loses it, as a detector would; `"clip"` adds it to the outer bin;
            `"reflect"` mirrors it at the edge, for variables that end there. The latter
            two conserve the sum of weights, and so count events beyond the edges too.
        density: divide by the sum over bins and by the bins' sizes, as
            `numpy.histogram` does, whatever the flow; zero in infinite bins.

    Returns:
        The content of each bin, `[bins]`, or `[bins, bins, ...]` in several dimensions.

    Raises:
        ValueError: edges that do not increase, a bandwidth that is not positive, a
            shape that does not fit, NaN in `data`, weights that are not finite, whole
            numbers that float32 would round, a density of nothing. (Traced values are
            checked at run time, as by `equinox.error_if`.)

    Example:
        >>> edges = relaxed.regular_edges(0.0, 1.0, 2)
        >>> relaxed.hist(jnp.array([0.2, 0.9]), edges, bandwidth=0.01).tolist()
        [1.0, 1.0]

    References:
        The bins of neos, arXiv:2203.05570: integrals of a kernel density estimate, as
        in Silverman, Density Estimation (1986), section 2.4; `"reflect"` is its
        section 2.10.
    """
    counts = soft_sum("hist", 1, data, edges, bandwidth, weights, kernel, flow)
    if not density:
        return counts
    total = jnp.sum(counts)
    way_out = "No event lies inside the edges, or weights cancel; leave out `density`."
    rule = not_zero(total, "hist(density=True)", "the sum over all bins", way_out)
    return counts / enforce(total, rule) * inverse_sizes(edges)


def hist_variance(
    data: Num[Array, " events"] | Num[Array, "events dims"],
    edges: Num[Array, " edges=bins+1"] | Sequence[Num[Array, " edges"]],
    *,
    bandwidth: ArrayLike,
    weights: Num[Array, " events"] | None = None,
    kernel: AbstractKernel = GaussianKernel(),
    flow: Flow = "drop",
) -> Float[Array, "*bins"]:
    r"""Return the statistical variance of each bin of `hist`: $\sum_i w_i^2 p_{ib}^2$.

    Tends to the usual $\sum w^2$ as the bandwidth goes to zero, and is smaller before:
    smearing averages over events. `data`, `edges`, `bandwidth`, `weights`, `kernel` and
    `flow`, and errors, are as in `hist`.

    Example:
        >>> edges = relaxed.regular_edges(0.0, 1.0, 2)
        >>> weights = jnp.array([2.0, 3.0])
        >>> relaxed.hist_variance(
        ...     jnp.array([0.2, 0.9]), edges, bandwidth=0.01, weights=weights
        ... ).tolist()
        [4.0, 9.0]
    """
    return soft_sum("hist_variance", 2, data, edges, bandwidth, weights, kernel, flow)


def inverse_sizes(edges: Num[Array, " edges"] | Sequence) -> Float[Array, "*bins"]:
    """Return 1 / length of each bin, or area, or volume; zero for infinite bins."""
    inverse = jnp.ones(())
    for axis in edges if is_several(edges) else [edges]:
        ends = jnp.asarray(as_edges(axis, "hist"))
        low, high = ends[:-1], ends[1:]
        # The derivative of 1 / inf would be 0 · inf, so that none is taken of it.
        bounded = jnp.isfinite(low) & jnp.isfinite(high)
        width = jnp.where(bounded, high, 1.0) - jnp.where(bounded, low, 0.0)
        inverse = inverse[..., None] * jnp.where(bounded, 1 / width, 0.0)
    return inverse


def prepare(
    call: str,
    power: int,
    data: Array,
    edges: Array | Sequence,
    bandwidth: ArrayLike,
    weights: Array | None,
    kernel: AbstractKernel,
    flow: Flow,
    *,
    name: str = "data",
) -> tuple[Histogram, Events, Float[Array, ""]]:
    """Return the histogram, its events, and 1 if they are as they must be.

    The sum must be multiplied by it: a check whose result nothing needs is never made.
    """
    one_of(flow, FLOWS, call, "flow")
    require_kernel(kernel, call)
    data = as_floats(data, call, name)
    columns = columns_of(data, edges, call)
    several = is_several(edges)
    edges = [as_edges(e, call) for e in (edges if several else [edges])]
    events = columns[0].shape[0]
    bandwidth = known_or_traced(bandwidth, call, "bandwidth")
    bandwidths = _per_dimension(bandwidth, len(columns), events, several, call)
    # Edges first: with these in disorder a complaint about anything else misleads.
    rules = [increasing(e, call) for e in edges]
    if flow == "reflect":
        rules += [with_ends(e, call) for e in edges]
    rules += [positive(bandwidth, call, "bandwidth"), no_nan(data, call, name)]
    if weights is not None:
        weights = as_weights(weights, columns[0], call)
        rules.append(finite(weights, call, "weights"))
    one = enforce(jnp.ones((), columns[0].dtype), *rules)
    windowed = max(e.shape[0] - 1 for e in edges) > DENSE_BINS
    axes, passes = zip(
        *(
            _axis(e, h, kernel, flow, windowed and e.shape[0] - 1 > WINDOW)
            for e, h in zip(edges, bandwidths, strict=True)
        ),
        strict=True,
    )
    # A bandwidth of all events is not sliced with them into chunks.
    arrays = [jnp.asarray(h) for h in bandwidths]
    shared = tuple(h if h.ndim == 0 else None for h in arrays)
    own = tuple(None if h.ndim == 0 else h for h in arrays)
    return (
        Histogram(kernel, axes, shared, passes, power),
        Events(tuple(columns), own, weights),
        one,
    )


def soft_sum(
    call: str,
    power: int,
    data: Array,
    edges: Array | Sequence,
    bandwidth: ArrayLike,
    weights: Array | None,
    kernel: AbstractKernel,
    flow: Flow,
) -> Float[Array, "*bins"]:
    """Return Σ (w p)ᵏ per bin, k = `power`."""
    histogram, events, one = prepare(
        call, power, data, edges, bandwidth, weights, kernel, flow
    )
    if all(axis.table is None for axis in histogram.axes):
        return one * sum_over_events(add_to_all, histogram, events, histogram.bins)
    passes = math.prod(histogram.passes)
    most = math.prod(axis.most_passes for axis in histogram.axes)
    return one * sum_over_events(
        add_within_reach,
        histogram,
        events,
        histogram.bins,
        passes,
        most_passes=passes if isinstance(passes, int) else most,
    )


def is_several(edges: object) -> bool:
    """Whether these are the edges of several dimensions, one entry for each."""
    if isinstance(edges, (list, tuple)):
        return any(hasattr(e, "edges") or jnp.ndim(e) > 0 for e in edges)
    return not hasattr(edges, "edges") and jnp.ndim(edges) > 1


def columns_of(
    data: Float[Array, "..."], edges: Array | Sequence, call: str
) -> list[Float[Array, " events"]]:
    """Return the data of each dimension."""
    if not is_several(edges):
        return [as_vector(data, call)]
    if data.ndim != 2 or data.shape[1] != len(edges):
        way_out = (
            "Columns are joined by `jnp.stack(columns, axis=1)`."
            if len(edges) > 1
            else "The axis of a vector is `edges[0]`."
        )
        raise ValueError(
            f"`{call}(data=...)` must have shape (events, {len(edges)}), as `edges` "
            f"has {len(edges)} axes; got shape {data.shape}. {way_out}"
        )
    return list(data.T)


def _per_dimension(
    bandwidth: Num[Array, "..."], dims: int, events: int, several: bool, call: str
) -> list[Num[Array, ""] | Num[Array, " events"]]:
    """Return the bandwidth of each dimension: one number, or one per event."""
    allowed = [(), (dims,), (events, dims)] if several else [(), (events,)]
    if bandwidth.shape not in allowed:
        shapes = ", ".join(map(str, allowed))
        raise ValueError(
            f"`{call}(bandwidth=...)` must have one of the shapes {shapes}; got "
            f"{bandwidth.shape}."
        )
    if several and bandwidth.ndim:
        return [bandwidth[..., d] for d in range(dims)]
    return [bandwidth] * dims


def _axis(
    edges: Num[Array, " edges"],
    bandwidth: Num[Array, "..."],
    kernel: AbstractKernel,
    flow: Flow,
    windowed: bool,
) -> tuple[Axis, Array | int]:
    """Return the axis, and how many windows hold all that an event reaches.

    What is known of it stays out of the program.
    """
    xp = np if isinstance(edges, np.ndarray) else jnp
    number = np.arange(edges.shape[0])
    first, last = number == 0, number == number[-1]
    seen = {
        "drop": [edges],
        "clip": [xp.where(first, -np.inf, xp.where(last, np.inf, edges))],
        "reflect": [
            edges,
            xp.where(last, np.inf, edges),
            xp.where(first, -np.inf, edges),
        ],
    }[flow]
    mirrors = 2 * edges[np.array([0, -1])] if flow == "reflect" else np.zeros(0)
    images = jnp.asarray(xp.stack(seen)), jnp.asarray(mirrors)
    if not windowed:
        return Axis(*images, None), 1
    # The edges as given: what "clip" moves to infinity has no cells.
    table = first_bins(seen[0])
    xp = np if isinstance(bandwidth, np.ndarray) else jnp
    reached = most_reached(table, seen[0], kernel.support * xp.max(bandwidth))
    passes = -(-reached // WINDOW)
    known = not isinstance(passes, jax.Array)
    return Axis(*images, jnp.asarray(table)), int(passes) if known else passes
