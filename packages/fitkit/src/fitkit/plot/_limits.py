"""CLs along the parameter of interest; limits along a parameter of the signal."""

import numpy as np
from jaxtyping import ArrayLike, Float
from matplotlib.axes import Axes

from .._hypotest.results import UpperLimit
from .._tables import Limits, Tests, check_points, cls_by_value, limits_by_point
from ._look import BLUE, GREY, ONE_SIGMA, RED, TWO_SIGMA, one_axes, styled


@styled
def cls_scan(
    tests: Tests,
    *,
    limit: UpperLimit | None = None,
    level: float = 0.05,
    components: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw CLs against the tested value: observed, and the expected band.

    Args:
        tests: results of `hypotest` at two or more values, in any order: a list, or one
            of many values. Those by pseudo-experiments have error bars.
        limit: of `upper_limit`; its observed and median values are marked where they
            meet its level, with numbers in the legend.
        level: where the line of exclusion is drawn; that of `limit` if given.
        components: whether to draw the two probabilities too, whose ratio CLs is.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes.

    Raises:
        TypeError: for results that have no CLs.
        ValueError: for fewer than two of them.

    Example:
        >>> from fitkit import plot
        >>> model = fitkit.uncorrelated_background([5.0], [50.0], [4.0])
        >>> data = model.data({"singlechannel": [52.0]})
        >>> tests = [fitkit.hypotest(model, data, mu) for mu in (0.5, 1.0, 2.0, 4.0)]
        >>> ax = plot.cls_scan(tests)
        >>> ax.get_ylabel()
        'CL$_s$'
    """
    points = cls_by_value(tests, "plot.cls_scan")
    ax = one_axes(ax)
    _band(ax, points.values, points.expected, "CL$_s$")
    # Without pseudo-experiments there is no error to draw.
    ax.errorbar(
        points.values,
        points.observed,
        points.error if points.error.any() else None,
        color="black",
        marker="o",
        markersize=3,
        label="observed CL$_s$",
    )
    if components:
        ax.plot(points.values, points.cl_sb, color=BLUE, label="observed CL$_{s+b}$")
        ax.plot(points.values, points.cl_b, color=GREY, label="observed CL$_b$")
    _failed(ax, points.values, points.observed, points.converged)
    if limit is not None:
        # The line and the marks must meet.
        level = float(limit.level)
        values = {"observed": limit.observed, "expected": limit.expected[2]}
        for (name, value), filled in zip(values.items(), ("full", "none"), strict=True):
            ax.plot(
                [float(value)],
                [level],
                color=RED,
                marker="D",
                markersize=6,
                fillstyle=filled,
                linestyle="none",
                label=f"{name} limit {float(value):.3g}",
                zorder=4,
            )
    ax.axhline(level, color=RED, linewidth=1, label=f"{level:g}")
    ax.set(
        xlabel=r"Tested $\mu$",
        ylabel="CL$_s$" if not components else "Probability",
        xlim=(points.values[0], points.values[-1]),
        ylim=(0, 1.05),
    )
    ax.legend(loc="upper right")
    return ax


@styled
def upper_limits(
    values: Float[ArrayLike, " points"],
    limits: Limits,
    *,
    parameter: str = "Parameter of the signal",
    ax: Axes | None = None,
) -> Axes:
    """Draw upper limits against a parameter of the signal, such as a mass.

    The signal is excluded where the observed line is below 1.

    Args:
        values: of the parameter, one for each limit, in any order.
        limits: results of `upper_limit`: a list, or one of many points as `jax.vmap`
            gives. Published numbers are drawn through `fitkit.UpperLimit`, with arrays
            of shape `[points]`, `[points, 5]` and `[points, 6]`.
        parameter: what the horizontal axis is.
        ax: axes to draw on; new ones by default. `ax.set_yscale("log")` afterwards
            suits limits over orders of magnitude.

    Returns:
        The axes.

    Raises:
        TypeError: for anything but upper limits.
        ValueError: for limits of several levels, or another number of values.

    Example:
        >>> from fitkit import plot
        >>> model = fitkit.uncorrelated_background([5.0], [50.0], [4.0])
        >>> counts = (52.0, 60.0, 47.0)
        >>> limits = [
        ...     fitkit.upper_limit(model, model.data({"singlechannel": [n]}))
        ...     for n in counts
        ... ]
        >>> ax = plot.upper_limits([500, 600, 700], limits, parameter="Mass [GeV]")
        >>> ax.get_xlabel()
        'Mass [GeV]'
    """
    points = limits_by_point(limits, "plot.upper_limits")
    values = check_points(values, len(points.observed), "plot.upper_limits")
    order = np.argsort(values, kind="stable")
    values, observed = values[order], points.observed[order]
    ax = one_axes(ax)
    _band(ax, values, points.expected[order], "limit")
    ax.plot(values, observed, color="black", marker="o", label="observed limit")
    _failed(ax, values, observed, points.converged[order].all(axis=1))
    ax.axhline(1.0, color=RED, linewidth=1, label=r"$\mu=1$")
    ax.set(
        ylabel=rf"{100 * (1 - points.level):g} % CL$_s$ upper limit on $\mu$",
        xlim=(values[0], values[-1]),
    )
    # A name may hold a dollar sign or an underscore.
    ax.set_xlabel(parameter, parse_math=False)
    ax.set_ylim(bottom=0.0)
    ax.legend()
    return ax


def _band(ax: Axes, x: np.ndarray, expected: np.ndarray, what: str) -> None:
    """The median and both bands of outcomes, -2 to +2 standard deviations."""
    # The outer band first: the inner one lies upon it.
    low2, low1, median, high1, high2 = np.transpose(expected)
    outer = {"color": TWO_SIGMA, "label": r"expected $\pm 2\sigma$", "linewidth": 0}
    ax.fill_between(x, low2, high2, **outer)
    inner = {"color": ONE_SIGMA, "label": r"expected $\pm 1\sigma$", "linewidth": 0}
    ax.fill_between(x, low1, high1, **inner)
    ax.plot(x, median, color="black", linestyle="--", label=f"expected {what}")


def _failed(ax: Axes, x: np.ndarray, y: np.ndarray, converged: np.ndarray) -> None:
    """Cross out the points at which a fit found no minimum."""
    if not converged.all():
        marks = {"color": RED, "marker": "x", "markersize": 9, "linestyle": "none"}
        ax.plot(x[~converged], y[~converged], label="not converged", zorder=5, **marks)
