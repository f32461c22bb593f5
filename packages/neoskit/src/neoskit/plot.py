"""Pictures of a pipeline: what it learned, how it got there, what it measures.

Every function draws on axes and returns them, so that panels combine freely;
`ax=None` makes new ones. They take arrays, not pipelines: anything with the
same numbers can be drawn. Needs the extra `neoskit[plot]`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike

__all__ = [
    "style",
    "decision_contours",
    "history",
    "binned_model",
    "cut_scan",
    "spread",
    "panels",
    "save",
    "animate",
]

# Petroff's ten colours (arXiv:2107.02270), which colour-blind readers can tell
# apart; the signal's red first in `SIGNAL`, so that it is red in every panel.
COLOURS = ("#3f90da", "#ffa90e", "#832db6", "#94a4a2", "#a96b59", "#e76300")
SIGNAL = "#bd1f01"


def style() -> AbstractContextManager[None]:
    """The settings in which these pictures are meant to be seen.

    Ticks inwards on all sides, as the field's journals print them, at a size
    that three panels beside each other bear. A context manager.

    Examples:
        >>> from neoskit import plot
        >>> with plot.style():
        ...     ax = plot.history({"train": ([0, 1, 2], [1e-2, 1e-4, 1e-5])})
    """
    return mpl.rc_context(
        {
            "font.size": 10,
            "axes.labelsize": 10,
            "axes.titlesize": 10,
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "legend.fontsize": 8,
            "legend.frameon": False,
            "xtick.direction": "in",
            "ytick.direction": "in",
            "xtick.top": True,
            "ytick.right": True,
            "xtick.minor.visible": True,
            "ytick.minor.visible": True,
            "savefig.dpi": 150,
        }
    )


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
    ax = _axes(ax)
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
    colours = _colours(samples, signals)
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


def history(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    ylabel: str = "expected CL$_s$",
    log: bool = True,
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """How numbers developed over the steps of a training.

    Args:
        curves: `(steps, values)` by name. Values that are not finite leave a
            gap.
        ylabel: What the values are.
        log: Whether the vertical axis is logarithmic.
        limits: Fixed `((low, high), (low, high))`, for the frames of an
            animation.
        ax: Where to draw.
    """
    ax = _axes(ax)
    for position, (name, (steps, values)) in enumerate(curves.items()):
        ax.plot(
            steps,
            values,
            color=COLOURS[position % len(COLOURS)],
            marker="o",
            markersize=2.5,
            linewidth=1.2,
            label=name,
        )
    if log:
        ax.set_yscale("log")
    if limits is not None:
        ax.set(xlim=limits[0], ylim=limits[1])
    ax.set(xlabel="step", ylabel=ylabel)
    ax.legend()
    return ax


def binned_model(
    yields: Mapping[str, ArrayLike],
    *,
    uncertainty: ArrayLike | None = None,
    data: ArrayLike | None = None,
    bins: Sequence[str] | ArrayLike | None = None,
    signals: Sequence[str] = ("signal",),
    xlabel: str = "bin of the observable",
    log: bool = False,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The expected events of a model per bin, stacked, with their uncertainty.

    Bins are drawn equally wide: what counts in the fit is the content of a
    bin, not its width on the observable.

    Args:
        yields: Expected events `[bins]` by the name of the sample, backgrounds
            in the order in which they are stacked.
        uncertainty: One standard deviation of the total background, either
            `[bins]` or `(down, up)` as two arrays of distances.
        data: Observed counts `[bins]`, drawn as points; `None` draws none.
        bins: What to write below each bin: names, or the bin edges.
        signals: Which samples are signal: stacked last, in red.
        xlabel: What the bins are bins of.
        log: Whether the vertical axis is logarithmic.
        limits: Fixed vertical range, for the frames of an animation.
        ax: Where to draw.
    """
    ax = _axes(ax)
    names = [name for name in yields if name not in signals]
    names += [name for name in yields if name in signals]
    stack = [np.asarray(yields[name], dtype=float) for name in names]
    number = len(stack[0])
    edges = np.arange(number + 1) - 0.5
    colours = _colours(yields, signals)

    mplhep.histplot(
        stack,
        bins=edges,
        stack=True,
        histtype="fill",
        color=[colours[name] for name in names],
        label=names,
        ax=ax,
    )
    total = np.sum(stack, axis=0)
    background = sum(
        (y for name, y in zip(names, stack, strict=True) if name not in signals),
        start=np.zeros(number),
    )
    reach = total
    if uncertainty is not None:
        down, up = np.broadcast_to(np.asarray(uncertainty, dtype=float), (2, number))
        ax.bar(
            np.arange(number),
            down + up,
            bottom=background - down,
            width=1.0,
            fill=False,
            hatch="/////",
            edgecolor="0.25",
            linewidth=0.0,
            label="background uncertainty",
        )
        reach = np.maximum(reach, background + up)
    if data is not None:
        data = np.asarray(data, dtype=float)
        ax.errorbar(
            np.arange(number),
            data,
            yerr=np.sqrt(np.maximum(data, 0.0)),
            fmt="o",
            color="black",
            markersize=4,
            label="data",
        )
        reach = np.maximum(reach, data + np.sqrt(np.maximum(data, 0.0)))
    _bin_labels(ax, number, bins)
    if log:
        ax.set_yscale("log")
        floor = 0.3 * max(min(total[total > 0], default=1.0), 1e-3)
        limits = limits or (floor, 30.0 * max(reach))
    ax.set(xlim=(-0.5, number - 0.5), xlabel=xlabel, ylabel="expected events")
    # Room above the highest bin keeps the legend off the bins.
    ax.set_ylim(*(limits or (0.0, 1.45 * max(reach))))
    ax.legend(loc="upper right")
    return ax


def cut_scan(
    thresholds: ArrayLike,
    values: ArrayLike,
    *,
    soft: ArrayLike | None = None,
    path: tuple[ArrayLike, ArrayLike] | None = None,
    found: float | None = None,
    xlabel: str = "cut: keep events above",
    ylabel: str = "Asimov significance",
    ax: Axes | None = None,
) -> Axes:
    """A figure of merit against the cut, and where the gradient went.

    Args:
        thresholds: Where the hard cuts of the scan are.
        values: The figure of merit of each hard cut.
        soft: The same with the smooth cut, on the same thresholds.
        path: `(thresholds, values)` that the training went through.
        found: The threshold at which it ended.
        xlabel: What is cut on.
        ylabel: The figure of merit.
        ax: Where to draw.
    """
    ax = _axes(ax)
    thresholds, values = np.asarray(thresholds), np.asarray(values)
    ax.plot(thresholds, values, color="black", linewidth=1.3, label="scan, hard cuts")
    if soft is not None:
        ax.plot(thresholds, soft, color=COLOURS[0], linestyle="--", label="soft cut")
    best = thresholds[np.nanargmax(values)]
    ax.axvline(best, color="black", linewidth=0.8, linestyle=":")
    if path is not None:
        ax.plot(
            *path,
            color=SIGNAL,
            marker="o",
            markersize=3,
            linewidth=0.8,
            alpha=0.6,
            label="gradient steps",
        )
    if found is not None:
        ax.plot(
            [found],
            [np.interp(found, thresholds, values)],
            marker="*",
            markersize=13,
            color=SIGNAL,
            linestyle="none",
            label=f"found {found:.2f}, scan {best:.2f}",
        )
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend()
    return ax


def spread(
    values: Mapping[str, ArrayLike],
    *,
    ylabel: str = "expected CL$_s$",
    log: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """One number per seed and training, with the median of each training.

    Args:
        values: The number of each seed, by the name of the training.
        ylabel: What the number is.
        log: Whether the vertical axis is logarithmic.
        ax: Where to draw.
    """
    ax = _axes(ax)
    for position, (_, seeds) in enumerate(values.items()):
        seeds = np.asarray(seeds, dtype=float)
        colour = COLOURS[position % len(COLOURS)]
        # Fixed offsets, not random ones: the same picture from the same run.
        offsets = np.linspace(-0.12, 0.12, len(seeds)) if len(seeds) > 1 else [0.0]
        ax.plot(position + np.asarray(offsets), seeds, "o", color=colour, ms=4)
        ax.hlines(np.median(seeds), position - 0.3, position + 0.3, color=colour)
    ax.set_xticks(range(len(values)), list(values))
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)
    ax.set(xlim=(-0.5, len(values) - 0.5), ylabel=ylabel)
    if log:
        ax.set_yscale("log")
    return ax


def panels(*, width: float = 12.0, height: float = 3.8) -> Figure:
    """An empty figure for panels beside each other, in inches."""
    return plt.figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: str | Path) -> Path:
    """Writes a figure and closes it; the format is the name's ending."""
    path = Path(path)
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)
    return path


def animate(
    draw: Callable[[Figure, int], None],
    frames: Iterable[int],
    path: str | Path,
    *,
    size: tuple[float, float] = (12.0, 3.8),
    dpi: int = 80,
    milliseconds: int = 150,
    hold: int = 2000,
) -> Path:
    """Writes a GIF, one picture per frame.

    Args:
        draw: Draws frame `frame` on an empty figure: `draw(figure, frame)`.
        frames: The frames, in the order in which they are shown.
        path: Where the GIF goes.
        size: Width and height of the figure in inches.
        dpi: Pixels per inch: the default keeps a three-panel GIF near 1 MB.
        milliseconds: How long each picture is shown.
        hold: How long the last one is.

    Raises:
        ValueError: Where there is no frame.
    """
    from PIL import Image  # pillow comes with matplotlib; only this needs it

    pictures: list[Image.Image] = []
    places: list[Bbox] | None = None
    for frame in frames:
        layout = "constrained" if places is None else None
        figure = plt.figure(figsize=size, dpi=dpi, layout=layout)
        draw(figure, frame)
        # The first picture's layout serves all: nothing jumps, and it is slow.
        for ax, place in zip(figure.axes, places or (), strict=False):
            ax.set_position(place)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        places = places or [ax.get_position(original=True) for ax in figure.axes]
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
        plt.close(figure)
        pictures.append(
            Image.fromarray(pixels).convert("P", palette=Image.Palette.ADAPTIVE)
        )
    if not pictures:
        raise ValueError("`animate(frames=...)` needs at least one frame; got none.")
    path = Path(path)
    durations = [milliseconds] * (len(pictures) - 1) + [hold]
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=durations,
        loop=0,
    )
    return path


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    return plt.figure(figsize=(5.0, 3.8), layout="constrained").add_subplot()


def _colours(samples: Iterable[str], signals: Sequence[str]) -> dict[str, str]:
    backgrounds = [name for name in samples if name not in signals]
    colours = {
        name: COLOURS[position % len(COLOURS)]
        for position, name in enumerate(backgrounds)
    }
    return colours | dict.fromkeys(signals, SIGNAL)


def _central(points: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    low, high = np.quantile(points, [0.001, 0.999], axis=0)
    margin = 0.08 * (high - low)
    (x0, y0), (x1, y1) = low - margin, high + margin
    return (x0, x1), (y0, y1)


def _bin_labels(ax: Axes, number: int, bins: Sequence[str] | ArrayLike | None) -> None:
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)
    if bins is not None and len(bins) == number + 1:
        labels = [f"{float(edge):.3g}" for edge in np.asarray(bins)]
        ax.set_xticks(np.arange(number + 1) - 0.5, labels)
        return
    labels = [str(i) for i in range(number)] if bins is None else list(bins)
    ax.set_xticks(np.arange(number), labels)
