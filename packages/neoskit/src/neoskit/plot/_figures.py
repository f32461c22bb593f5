"""Figures of several panels, on disk and in motion."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox


def panels(*, width: float = 12.0, height: float = 3.8) -> Figure:
    """An empty figure for panels beside each other.

    Args:
        width, height: of the figure, in inches.
    """
    return plt.figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: str | Path) -> Path:
    """Writes a figure and closes it.

    Args:
        figure: what was drawn.
        path: where to; the format is the name's ending.
    """
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
        # GIF has 256 colours: each picture gets those that suit it.
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
