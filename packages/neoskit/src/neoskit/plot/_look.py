"""What the pictures have in common: colours, settings, axes where none are given."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

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
    # Loads the backend. One that is loaded by the first figure, within the context,
    # loses what it sets for the session: notebooks would show no other figure.
    plt.draw_if_interactive()
    return mpl.rc_context(
        {
            "font.size": 10,
            "axes.labelsize": 10,
            "axes.titlesize": 10,
            "axes.prop_cycle": mpl.rcsetup.cycler(color=COLOURS),
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


def axes_or_new(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    return plt.figure(figsize=(5.0, 3.8), layout="constrained").add_subplot()


def colours_of(samples: Iterable[str], signals: Sequence[str]) -> dict[str, str]:
    backgrounds = [name for name in samples if name not in signals]
    colours = {
        name: COLOURS[position % len(COLOURS)]
        for position, name in enumerate(backgrounds)
    }
    return colours | dict.fromkeys(signals, SIGNAL)
