"""How a training went, and where it ended."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from ._look import COLOURS, SIGNAL, axes_or_new


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
    ax = axes_or_new(ax)
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


def cut_scan(
    thresholds: ArrayLike,
    values: ArrayLike,
    *,
    soft: ArrayLike | None = None,
    path: tuple[ArrayLike, ArrayLike] | None = None,
    trained: float | None = None,
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
        trained: The threshold at which it ended.
        xlabel: What is cut on.
        ylabel: The figure of merit.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
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
    if trained is not None:
        ax.plot(
            [trained],
            [np.interp(trained, thresholds, values)],
            marker="*",
            markersize=13,
            color=SIGNAL,
            linestyle="none",
            label=f"trained {trained:.2f}, scan {best:.2f}",
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
    ax = axes_or_new(ax)
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
