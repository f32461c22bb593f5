"""Pictures of soft histograms: beside the hard one, and how far from it.

Every function draws on axes and returns them; `ax=None` makes new ones. Needs the extra
`relaxed[plot]`.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Num
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from ._arguments import as_edges, known_or_traced
from ._diagnostics import hard_hist, smoothing_bias
from ._flow import Flow
from ._histogram import hist, hist_variance
from ._kernel import AbstractKernel, GaussianKernel

__all__ = ["soft_and_hard", "bias"]


def soft_and_hard(
    data: Num[Array, " events"],
    edges: Num[Array, " edges=bins+1"],
    *,
    bandwidth: ArrayLike,
    weights: Num[Array, " events"] | None = None,
    kernel: AbstractKernel = GaussianKernel(),
    flow: Flow = "drop",
    ax: Axes | None = None,
) -> Axes:
    r"""Draw the soft histogram with its uncertainty over the hard one with its own.

    A line with a band, $n_b \pm \sqrt{\sum w^2 p^2}$, is the soft histogram; points
    with bars, $\sqrt{\sum w^2}$, the hard one. An infinite outer bin is drawn as wide
    as its neighbour.

    Args:
        data: as for `relaxed.hist`, in one dimension.
        edges: as for `relaxed.hist`.
        bandwidth: as for `relaxed.hist`.
        weights: as for `relaxed.hist`.
        kernel: as for `relaxed.hist`.
        flow: as for `relaxed.hist`.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes.

    Raises:
        ValueError: as `relaxed.hist`; one bin that is infinite.

    Example:
        >>> from relaxed import plot
        >>> data, edges = jnp.linspace(-1.9, 1.9, 99), relaxed.regular_edges(-3, 3, 6)
        >>> ax = plot.soft_and_hard(data, edges, bandwidth=0.25)
        >>> ax.get_ylabel()
        'Events'
    """
    ax = _axes(ax)
    options = {"weights": weights, "flow": flow}
    soft = np.asarray(hist(data, edges, bandwidth=bandwidth, kernel=kernel, **options))
    squares = hist_variance(data, edges, bandwidth=bandwidth, kernel=kernel, **options)
    error = np.sqrt(np.asarray(squares))
    hard = np.asarray(hard_hist(data, edges, weights=weights, flow=flow))
    hard_error = _error(data, edges, weights, flow)

    ends = _drawn(edges)
    line = ax.stairs(soft, ends, label="soft", linewidth=1.5, baseline=None)
    ax.stairs(
        soft + error,
        ends,
        baseline=soft - error,
        fill=True,
        alpha=0.3,
        color=line.get_edgecolor(),
        label=r"$\sqrt{\sum w^2p^2}$",
    )
    middle = 0.5 * (ends[1:] + ends[:-1])
    ax.errorbar(middle, hard, hard_error, fmt="k.", capsize=2, label="hard")
    ax.set(ylabel="Events", xlim=(ends[0], ends[-1]))
    ax.legend(frameon=False)
    return ax


def bias(
    data: Num[Array, " events"],
    edges: Num[Array, " edges=bins+1"],
    *,
    bandwidths: Float[Array, " bandwidths"],
    weights: Num[Array, " events"] | None = None,
    kernel: AbstractKernel = GaussianKernel(),
    flow: Flow = "drop",
    ax: Axes | None = None,
) -> Axes:
    r"""Draw how much smearing moves each bin, soft / hard - 1, against the bandwidth.

    One line per bin, with the statistical error of the difference as a band. Bins
    without events are left out. The grey band is the smallest relative statistical
    error of any bin: a bias inside it is smaller than what a measurement with this
    sample can tell.

    Args:
        data: as for `relaxed.hist`, in one dimension.
        edges: as for `relaxed.hist`.
        bandwidths: at least two, positive and increasing, in the units of `data`.
        weights: as for `relaxed.hist`.
        kernel: as for `relaxed.hist`.
        flow: as for `relaxed.hist`.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes.

    Raises:
        ValueError: as `relaxed.hist`; bandwidths that do not increase.

    Example:
        >>> from relaxed import plot
        >>> data, edges = jnp.linspace(-1.9, 1.9, 99), relaxed.regular_edges(-3, 3, 6)
        >>> ax = plot.bias(data, edges, bandwidths=jnp.array([0.1, 0.2, 0.3]))
        >>> len(ax.lines)  # a line at zero, and one for each bin with events
        5
    """
    widths = known_or_traced(bandwidths, "plot.bias", "bandwidths")
    if widths.ndim != 1 or widths.shape[0] < 2 or not np.all(np.diff(widths) > 0):
        raise ValueError(
            "`plot.bias(bandwidths=...)` must be a vector of at least two numbers that "
            f"increase; got {widths}. For one bandwidth take `smoothing_bias`."
        )
    ax = _axes(ax)
    hard = np.asarray(hard_hist(data, edges, weights=weights, flow=flow))
    hard_error = _error(data, edges, weights, flow)

    @jax.jit
    def moved(bandwidth):
        options = {"weights": weights, "kernel": kernel, "flow": flow}
        return smoothing_bias(data, edges, bandwidth=bandwidth, **options)

    each = [moved(bandwidth) for bandwidth in widths]
    shifts = np.stack([np.asarray(one.bias) for one in each])  # [bandwidths, bins]
    errors = np.stack([np.asarray(one.error) for one in each])

    given = np.asarray(as_edges(edges, "plot.bias"))
    filled = np.flatnonzero(hard != 0)
    if filled.size:
        precision = np.min(hard_error[filled] / np.abs(hard[filled]))
        ax.axhspan(-precision, precision, color="0.9", label="best statistical error")
    ax.axhline(0.0, color="0.5", linewidth=0.8)
    colours = plt.colormaps["viridis"](np.linspace(0, 0.9, max(filled.size, 1)))
    for b, colour in zip(filled, colours, strict=False):
        relative, error = shifts[:, b] / hard[b], errors[:, b] / abs(hard[b])
        name = f"{given[b]:g} to {given[b + 1]:g}"
        ax.plot(widths, relative, color=colour, label=name)
        low, high = relative - error, relative + error
        ax.fill_between(widths, low, high, color=colour, alpha=0.2, linewidth=0)
    ax.set(
        xlabel="Bandwidth",
        ylabel="Soft / hard - 1",
        xlim=(widths[0], widths[-1]),
    )
    ax.legend(frameon=False, fontsize="small", ncols=2)
    return ax


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def _error(
    data: Num[Array, " events"],
    edges: Num[Array, " edges"],
    weights: Num[Array, " events"] | None,
    flow: Flow,
) -> Float[np.ndarray, " bins"]:
    """Return the statistical error of the hard histogram."""
    squares = None if weights is None else jnp.asarray(weights) ** 2
    return np.sqrt(np.asarray(hard_hist(data, edges, weights=squares, flow=flow)))


def _drawn(edges: Num[Array, " edges"] | Sequence) -> Float[np.ndarray, " edges"]:
    """Return the edges, an infinite outer bin as wide as its neighbour."""
    ends = np.asarray(as_edges(edges, "plot.soft_and_hard")).astype(float)
    if ends.size == 2 and not np.all(np.isfinite(ends)):
        raise ValueError(
            "`plot.soft_and_hard(edges=...)` must have a finite bin to tell the scale; "
            f"got {ends}. Add an edge."
        )
    if not np.isfinite(ends[0]):
        ends[0] = 2 * ends[1] - (ends[2] if ends.size > 3 else ends[1] + 1)
    if not np.isfinite(ends[-1]):
        ends[-1] = 2 * ends[-2] - (ends[-3] if ends.size > 3 else ends[-2] - 1)
    return ends
