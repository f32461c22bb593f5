"""The statistical model, bin by bin."""

from collections.abc import Mapping, Sequence

import mplhep
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from ._look import axes_or_new, colours_of


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
    ax = axes_or_new(ax)
    names = [name for name in yields if name not in signals]
    names += [name for name in yields if name in signals]
    stack = [np.asarray(yields[name], dtype=float) for name in names]
    number = len(stack[0])
    edges = np.arange(number + 1) - 0.5
    colours = colours_of(yields, signals)

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
    # How high anything is drawn: the axis must not cut the band or a data point off.
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
        # An empty bin has no place on a logarithmic axis and must not set its range.
        floor = 0.3 * max(min(total[total > 0], default=1.0), 1e-3)
        limits = limits or (floor, 30.0 * max(reach))
    ax.set(xlim=(-0.5, number - 0.5), xlabel=xlabel, ylabel="expected events")
    # Room above the highest bin keeps the legend off the bins.
    ax.set_ylim(*(limits or (0.0, 1.45 * max(reach))))
    ax.legend(loc="upper right")
    return ax


def _bin_labels(ax: Axes, number: int, bins: Sequence[str] | ArrayLike | None) -> None:
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)
    if bins is not None and len(bins) == number + 1:
        labels = [f"{float(edge):.3g}" for edge in np.asarray(bins)]
        ax.set_xticks(np.arange(number + 1) - 0.5, labels)
        return
    labels = [str(i) for i in range(number)] if bins is None else list(bins)
    ax.set_xticks(np.arange(number), labels)
