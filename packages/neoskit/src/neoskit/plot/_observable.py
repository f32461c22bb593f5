"""The observable over the features that it is made of."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from ._look import axes_or_new, colours_of


def decision_contours(
    observable: Callable[[np.ndarray], ArrayLike]
    | tuple[ArrayLike, ArrayLike, ArrayLike],
    samples: Mapping[str, ArrayLike],
    edges: ArrayLike,
    *,
    signals: Sequence[str] = ("signal",),
    shown: int = 400,
    grid: int = 120,
    labels: tuple[str, str] = ("$x_0$", "$x_1$"),
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The regions of a two-dimensional feature space that fall into each bin.

    Filled contours are the bins of the observable, the points are events of
    the samples that it separates.

    Args:
        observable: Maps features `(events, 2)` to one value per event; or what it
            gave on a grid before: `(x, y, values)` with values `(len(y), len(x))`.
        samples: Features `(events, 2)` by the name of the sample.
        edges: The bin edges of the observable: the levels of the contours.
        signals: Which of the samples are signal (drawn in red).
        shown: The most events drawn of each sample, the first ones.
        grid: Points along each axis at which the observable is evaluated.
        labels: Names of the two features.
        limits: `((low, high), (low, high))` of the axes; `None` takes the
            central 99.8 % of all events with a margin.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    samples = {name: np.asarray(points) for name, points in samples.items()}
    edges = np.asarray(edges, dtype=float)
    if limits is None:
        limits = _central(np.concatenate(list(samples.values())))
    if callable(observable):
        x, y = (np.linspace(low, high, grid) for low, high in limits)
        points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        score = np.asarray(observable(points), dtype=float).reshape(grid, grid)
    else:
        x, y, score = map(np.asarray, observable)

    # Where nothing is outside of the bins, the colour bar needs no arrows for it.
    outside = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(
        (score.min() < edges[0], score.max() > edges[-1]), "neither"
    )
    filled = ax.contourf(
        x, y, score, levels=edges, cmap="Greys", alpha=0.75, extend=outside
    )
    # The colour bar speaks of bins, so it carries the edges as its ticks.
    bar = ax.figure.colorbar(filled, ax=ax, ticks=edges, pad=0.02, format="%.3g")
    bar.ax.minorticks_off()
    bar.ax.set_title("bins", fontsize="small")
    colours = colours_of(samples, signals)
    for name, events in samples.items():
        ax.scatter(
            *np.asarray(events)[:shown].T,
            s=4,
            color=colours[name],
            alpha=0.6,
            linewidths=0,
            label=name,
        )
    ax.set(xlim=limits[0], ylim=limits[1], xlabel=labels[0], ylabel=labels[1])
    # Above the axes: inside, it would hide the events that it names.
    legend = ax.legend(
        markerscale=2.5,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=2,
        borderaxespad=0.2,
        columnspacing=1.0,
        handletextpad=0.2,
    )
    for handle in filter(None, legend.legend_handles):
        handle.set_alpha(1.0)
    return ax


def _central(points: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    low, high = np.quantile(points, [0.001, 0.999], axis=0)
    margin = 0.08 * (high - low)
    (x0, y0), (x1, y1) = low - margin, high + margin
    return (x0, x1), (y0, y1)
