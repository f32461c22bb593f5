"""Data and expected yields, channel by channel."""

from collections.abc import Sequence

import mplhep
import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from mplhep.error_estimation import poisson_interval

from .._model.model import Data
from .._profile.yields import Yields
from ._look import (
    COLOURS,
    inches,
    literal,
    no_minor_ticks,
    several_axes,
    shortened,
    styled,
)

# Samples beyond the palette's ten colours are drawn as one.
_OTHERS = "other samples"


@styled
def yields(
    result: Yields,
    data: Data | None = None,
    *,
    channels: str | Sequence[str] | None = None,
    log: bool = False,
    axes: Sequence[Axes] | None = None,
) -> tuple[Axes, Axes]:
    """Draw expected yields as a stack with their uncertainty, data, and the ratio.

    Bins are drawn equally wide, since a model knows no bin edges; those of several
    channels stand beside each other. Data have central 68 % Poisson intervals; below is
    data / expected, with the relative uncertainty of what is expected.

    Args:
        result: of `predicted_yields`, before or after a fit.
        data: observed counts; without them there is only what is expected.
        channels: one name or several, in the order drawn; by default all.
        log: whether the axis of the counts is logarithmic.
        axes: two to draw on, counts and ratio; new ones by default.

    Returns:
        Both axes.

    Raises:
        TypeError: for anything but yields.
        ValueError: for an unknown channel, or another number of axes.

    Example:
        >>> from fitkit import plot
        >>> model = fitkit.uncorrelated_background([5.0], [50.0], [4.0])
        >>> data = model.data({"singlechannel": [52.0]})
        >>> above, ratio = plot.yields(fitkit.predicted_yields(model, data), data)
        >>> [text.get_text() for text in above.get_legend().get_texts()]
        ['background', 'signal', 'uncertainty', 'data']
    """
    if not isinstance(result, Yields):
        raise TypeError(
            "`plot.yields` takes a result of `predicted_yields`; got "
            f"{type(result).__name__}."
        )
    chosen = _chosen(result, channels)
    sizes = [np.size(result.total[name]) for name in chosen]
    # Bins of one width each, centred on whole numbers.
    edges = np.arange(sum(sizes) + 1) - 0.5
    above, below = several_axes(
        axes,
        2,
        "plot.yields",
        nrows=2,
        sharex=True,
        figsize=(max(5.6, 0.3 * sum(sizes) + 2.0), 5.0),
        height_ratios=(3.0, 1.0),
    )
    total, error = (_joined(part, chosen) for part in (result.total, result.error))
    stack = _stack(result, chosen)
    mplhep.histplot(
        list(stack.values()),
        bins=edges,
        stack=True,
        histtype="fill",
        color=COLOURS[: len(stack)][::-1],
        label=list(stack),
        ax=above,
        flow="none",
    )
    _uncertainty(above, edges, total - error, total + error)
    # A ratio to an empty bin says nothing.
    scale = np.where(total > 0, total, np.nan)
    _uncertainty(below, edges, 1 - error / scale, 1 + error / scale)
    below.axhline(1.0, color="black", linewidth=0.8)
    reach = total + error
    if data is not None:
        high = _draw_data(above, below, _joined(data.main, chosen), total)
        reach = np.fmax(reach, high)  # what is not known does not count
    _range(above, reach, total, log)
    above.set(ylabel="Events", xlim=(edges[0], edges[-1]))
    below.set(ylabel="Data / exp.", ylim=_ratio_range(below))
    literal(
        above.legend(
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0, 1.0, 0.0),
            mode="expand",
            ncols=4,
            borderaxespad=0.2,
        )
    )
    _name_channels(above, below, chosen, sizes)
    return above, below


def _chosen(result: Yields, channels: str | Sequence[str] | None) -> list[str]:
    known = list(result.total)
    if channels is None:
        return known
    chosen = [channels] if isinstance(channels, str) else list(channels)
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        wrong = f"there is no {unknown[0]!r}" if unknown else "none is named"
        raise ValueError(
            f"`plot.yields(channels=...)`: {wrong}; there are {', '.join(known)}."
        )
    return chosen


def _joined(
    by_channel: dict[str, Array], chosen: list[str]
) -> Float[np.ndarray, " bins"]:
    """The bins of the channels, one after the other."""
    return np.concatenate([np.asarray(by_channel[name], float) for name in chosen])


def _stack(result: Yields, chosen: list[str]) -> dict[str, np.ndarray]:
    """Counts by sample, the smallest first: it is drawn at the bottom."""
    if not any(result.samples.get(name) for name in chosen):
        return {"expected": _joined(result.total, chosen)}
    samples = dict.fromkeys(s for name in chosen for s in result.samples[name])

    def counts(sample: str) -> np.ndarray:
        empty = {name: np.zeros(np.size(result.total[name])) for name in chosen}
        return _joined(
            {name: result.samples[name].get(sample, empty[name]) for name in chosen},
            chosen,
        )

    by_sample = {sample: counts(sample) for sample in samples}
    falling = sorted(by_sample, key=lambda s: by_sample[s].sum(), reverse=True)
    if len(falling) > len(COLOURS):
        rest = falling[len(COLOURS) - 1 :]
        falling = [*falling[: len(COLOURS) - 1], _OTHERS]
        by_sample[_OTHERS] = np.sum([by_sample[s] for s in rest], axis=0)
    return {sample: by_sample[sample] for sample in reversed(falling)}


def _uncertainty(ax: Axes, edges: np.ndarray, low: np.ndarray, high: np.ndarray):
    ax.stairs(
        high,
        edges,
        baseline=low,
        fill=True,
        facecolor="none",
        edgecolor="0.25",
        hatch="/////",
        linewidth=0,
        label="uncertainty",
    )


def _draw_data(
    above: Axes, below: Axes, counts: np.ndarray, total: np.ndarray
) -> np.ndarray:
    """Points with Poisson intervals, and their ratio; returns the upper ends."""
    # A last bin that is not empty: of empty bins alone mplhep knows no interval.
    padded = np.append(counts, 1.0)
    low, high = poisson_interval(padded, padded)[:, :-1]
    errors = np.abs([counts - low, high - counts])
    place = np.arange(counts.size)
    points = {"fmt": "o", "color": "black", "linewidth": 1}
    above.errorbar(place, counts, errors, label="data", **points)
    scale = np.where(total > 0, total, np.nan)
    below.errorbar(place, counts / scale, errors / scale, **points)
    return high


def _range(ax: Axes, reach: np.ndarray, total: np.ndarray, log: bool) -> None:
    if log:
        ax.set_yscale("log")
        ax.set_ylim(0.3 * np.min(total[total > 0], initial=1.0), 3.0 * np.max(reach))
    else:
        ax.set_ylim(0.0, 1.1 * np.max(reach, initial=1.0))


def _ratio_range(ax: Axes) -> tuple[float, float]:
    """Around 1, as far as points and band reach; at most from 0 to 3."""
    low, high = ax.dataLim.intervaly
    away = min(max(1.0 - low, high - 1.0, 0.1) * 1.1, 2.0)
    return max(1.0 - away, 0.0), 1.0 + away


def _name_channels(
    above: Axes, below: Axes, chosen: list[str], sizes: list[int]
) -> None:
    """Channels below their bins, with lines between them."""
    ends = np.cumsum(sizes)
    for ax in (above, below):
        no_minor_ticks(ax, "x")
        for end in ends[:-1]:
            ax.axvline(end - 0.5, color="0.6", linewidth=0.8, linestyle=":")
    names = shortened(chosen)
    # Names that are wider than their bins stand upright, or they would run together.
    width = below.get_window_extent().width / below.figure.dpi / sum(sizes)
    tight = any(inches([n]) > width * s for n, s in zip(names, sizes, strict=True))
    middle = ends - 0.5 * np.array(sizes) - 0.5
    turned = {"rotation": 90 if tight and len(names) > 1 else 0}
    below.set_xticks(middle, names, parse_math=False, **turned)
    above.tick_params(axis="x", labelbottom=False)
