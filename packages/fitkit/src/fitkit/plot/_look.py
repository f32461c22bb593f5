"""The look of all pictures: settings, colours, new axes, names as text."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import mplhep
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.legend import Legend

PETROFF = plt.style.library["petroff10"]

# Fonts are named outright, with a second one for what the first lacks: generic families
# are looked up when a figure is saved, and these settings no longer hold then.
LOOK = {
    **mplhep.style.ATLAS,
    **PETROFF,
    "font.family": ["TeX Gyre Heros", "DejaVu Sans"],
    "mathtext.fontset": "stixsans",
    "mathtext.default": "it",
    "text.usetex": False,
    "axes.unicode_minus": True,
    "font.size": 10,
    "axes.labelsize": 12,
    "axes.titlesize": 12,
    "axes.labelpad": 4,
    "axes.linewidth": 0.8,
    "axes.autolimit_mode": "data",
    # A common factor would stand where labels and legends do.
    "axes.formatter.limits": (-4, 7),
    "axes.xmargin": 0.05,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "xtick.major.size": 6,
    "xtick.minor.size": 3,
    "ytick.major.size": 6,
    "ytick.minor.size": 3,
    "legend.fontsize": 9,
    "legend.frameon": True,
    "legend.facecolor": "white",
    "legend.edgecolor": "none",
    "legend.framealpha": 0.8,
    "legend.borderpad": 0.4,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "figure.figsize": (5.6, 4.2),
}

COLOURS = PETROFF["axes.prop_cycle"].by_key()["color"]
BLUE, ORANGE, RED, GREY = COLOURS[:4]

# One and two standard deviations of an expected result: a green and a yellow that
# differ in lightness too, for readers who cannot tell them apart by hue.
ONE_SIGMA, TWO_SIGMA = "#607641", "#f5bb54"

# Up to this many letters a name is drawn whole.
LETTERS = 40


@contextmanager
def look() -> Iterator[None]:
    """The look for the duration of a drawing, and the session's settings after it."""
    # Loads the backend. One that is loaded by the first figure, within the look, loses
    # what it sets for the session: notebooks would show that figure and no other.
    plt.draw_if_interactive()
    with mpl.rc_context(LOOK):
        yield


def styled(function):
    """Draw in the look, and leave the settings of the session as they are."""
    return look()(function)


def one_axes(
    ax: Axes | None, width: float | None = None, height: float | None = None
) -> Axes:
    """The axes given, or new ones on a figure of a size in inches."""
    if ax is not None:
        return ax
    usual = LOOK["figure.figsize"]
    size = (width or usual[0], height or usual[1])
    return lasting(plt.figure(figsize=size, layout="constrained").add_subplot())


def lasting(ax: Axes) -> Axes:
    """Make ticks now: matplotlib makes them when it draws, in the look of then."""
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_major_ticks(1)
        axis.get_minor_ticks(1)
    return ax


def several_axes(
    axes: Sequence[Axes] | None, count: int, call: str, **layout
) -> tuple[Axes, ...]:
    """The axes given, or new ones.

    Args:
        axes: what a caller gave.
        count: how many are needed.
        call: for messages.
        **layout: of `pyplot.subplots`, where there are none.

    Raises:
        ValueError: where the caller gave another number.
    """
    if axes is None:
        _, made = plt.subplots(layout="constrained", **layout)
        return tuple(lasting(ax) for ax in made)
    if len(axes) != count:
        raise ValueError(f"`{call}(axes=...)` are {count} axes; got {len(axes)}.")
    return tuple(axes)


def shortened(names: Iterable[str], letters: int = LETTERS) -> list[str]:
    """Names of at most so many letters, the middle of longer ones left out.

    One that would then read like another stays whole.
    """
    names = list(names)
    head = (letters - 1) // 2 + (letters - 1) % 2
    tail = letters - 1 - head
    short = [n if len(n) <= letters else f"{n[:head]}…{n[-tail:]}" for n in names]
    return [s if short.count(s) == 1 else n for s, n in zip(short, names, strict=True)]


def inches(labels: Iterable[str], size: float = LOOK["font.size"]) -> float:
    """About how long the longest label is, at half the font size for each letter."""
    return max((len(label) for label in labels), default=0) * 0.55 * size / 72


def no_minor_ticks(ax: Axes, axis: str) -> None:
    """A categorical axis has nothing between its ticks."""
    sides = {"x": ("top", "bottom"), "y": ("left", "right")}[axis]
    ax.tick_params(axis=axis, which="minor", **dict.fromkeys(sides, False))
    ax.tick_params(axis=axis, which="major", **dict.fromkeys(sides, False))


def literal(legend: Legend) -> Legend:
    """Draw a legend's words letter by letter: `$` and `_` in them are no formula."""
    for text in legend.get_texts():
        text.set_parse_math(False)
    return legend
