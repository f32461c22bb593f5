"""The profile likelihood along one parameter, and its contours in two."""

import numpy as np
from matplotlib.axes import Axes

from .._profile.contour import Contour
from .._profile.interval import Intervals
from .._profile.scan import Scan
from ._look import BLUE, GREY, ORANGE, RED, one_axes, shortened, styled

_LINES = ("-", "--", "-.", ":")


@styled
def scan(
    result: Scan, *, interval: Intervals | None = None, ax: Axes | None = None
) -> Axes:
    r"""Draw \(-2\Delta\ln L\) along a parameter, and lines at one and two sigma.

    Args:
        result: of `scan`.
        interval: of `interval`, the parameter among them: the interval is shaded, and
            its ends stand in the legend.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes.

    Raises:
        TypeError: for anything but a scan.
        ValueError: where the parameter has no interval in `interval`.

    Example:
        >>> from fitkit import plot
        >>> model = fitkit.uncorrelated_background([5.0], [50.0], [4.0])
        >>> data = model.data({"singlechannel": [52.0]})
        >>> ax = plot.scan(fitkit.scan(model, data, "mu", [0.0, 0.5, 1.0, 2.0]))
        >>> ax.get_xlabel()
        'mu'
    """
    if not isinstance(result, Scan):
        raise TypeError(
            f"`plot.scan` takes a result of `scan`; got {type(result).__name__}."
        )
    order = np.argsort(np.asarray(result.values))
    values, delta, good = (
        np.asarray(x)[order] for x in (result.values, result.delta, result.converged)
    )
    best = float(result.best)
    text = f"best fit {best:.4g}"
    if interval is not None:
        if result.name not in interval.names:
            raise ValueError(
                f"`plot.scan(interval=...)` has no interval of {result.name!r}; its "
                "parameters are " + ", ".join(interval.names[:20]) + "."
            )
        low, high = map(float, interval[result.name])
        text += f" ({low - best:+.2g}, {high - best:+.2g})"
        text += "" if interval.sigmas == 1 else rf", {interval.sigmas:g}$\sigma$"
    ax = one_axes(ax)
    if interval is not None:
        ax.axvspan(low, high, color=GREY, alpha=0.3, linewidth=0)
    ax.axvline(best, color="black", linewidth=0.8, linestyle=":", label=text)
    ax.plot(values[good], delta[good], color=BLUE, marker="o", markersize=3)
    # At least the line of one sigma is to be seen.
    top = max(float(np.max(delta[good], initial=0.0)) * 1.15, 1.5)
    for sigmas in (1, 2):
        if sigmas**2 < top:
            ax.axhline(sigmas**2, color="0.5", linewidth=0.8, linestyle="--")
            ax.annotate(
                rf"${sigmas}\sigma$",
                (0.99, sigmas**2),
                xycoords=("axes fraction", "data"),
                ha="right",
                va="bottom",
                color="0.4",
            )
    if not good.all():
        # Where a fit failed, the value is not that of the profile.
        for x in values[~good]:
            ax.axvline(x, color=RED, linewidth=0.8)
        ax.plot([], [], color=RED, linewidth=0.8, label="not converged")
    ax.set(
        ylabel=r"$-2\,\Delta\ln L$",
        xlim=(values[0], values[-1]),
        ylim=(0.0, top),
    )
    ax.set_xlabel(shortened([result.name])[0], parse_math=False)
    ax.legend(loc="upper center")
    return ax


@styled
def contour(result: Contour, *, ax: Axes | None = None) -> Axes:
    """Draw contours of two parameters with their best fit.

    Where a contour runs along a bound of a parameter, it is drawn in another colour.

    Args:
        result: of `contour`.
        ax: axes to draw on; new ones by default.

    Returns:
        The axes.

    Raises:
        TypeError: for anything but contours.

    Example:
        >>> from fitkit import plot
        >>> model = fitkit.correlated_background([60.0], [50.0], [55.0], [45.0])
        >>> data = model.expected_data(model.init)
        >>> names = ("mu", "correlated_bkg_uncertainty")
        >>> ax = plot.contour(fitkit.contour(model, data, names, levels=[0.68]))
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['68 %', 'best fit']
    """
    if not isinstance(result, Contour):
        raise TypeError(
            f"`plot.contour` takes a result of `contour`; got {type(result).__name__}."
        )
    ax = one_axes(ax)
    bound = np.asarray(result.at_bound)
    for i, (level, points) in enumerate(
        zip(result.levels, np.asarray(result.points), strict=True)
    ):
        good = np.asarray(result.converged[i])
        # NaN leaves a gap in the line: nothing joins the points beside it.
        line = np.where(good[:, None], points, np.nan)
        style = _LINES[i % len(_LINES)]
        ax.plot(*line.T, color=BLUE, linestyle=style, label=f"{100 * level:.4g} %")
        if bound[i].any():
            stopped = np.where(bound[i][:, None], line, np.nan)
            ax.plot(*stopped.T, color=ORANGE, linestyle=style, linewidth=3)
    if bound.any():
        ax.plot([], [], color=ORANGE, linewidth=3, label="at a bound")
    if not bool(np.all(result.converged)):
        missing = int(np.sum(~np.asarray(result.converged)))
        ax.plot([], [], linestyle="none", label=f"{missing} points not converged")
    ax.plot(*np.asarray(result.best)[:, None], "k+", markersize=9, label="best fit")
    first, second = shortened(result.names)
    ax.set_xlabel(first, parse_math=False)
    ax.set_ylabel(second, parse_math=False)
    ax.legend()
    return ax
