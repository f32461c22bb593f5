"""Four Gaussian blobs in the plane: the problem that neos was shown on."""

from collections.abc import Sequence

import numpy as np

from .._checks import check_count
from .dataset import Dataset
from .events import Events
from .process import Process

# The means that the published code draws from and its figure shows. (The paper's
# appendix prints the three background means in another order.)
_SIGNAL = (-1.0, 1.0)
_BACKGROUND = (1.0, -1.0)
_UP = (2.5, 2.0)
_DOWN = (-2.5, -1.5)


def gaussian_blobs(
    events: int = 10_000,
    *,
    signal_yield: float = 20.0,
    background_yield: float = 100.0,
    seed: int = 0,
) -> Dataset:
    """Signal, background, and a background that a systematic moves across the plane.

    All four samples are unit Gaussians in two dimensions: signal around (-1, 1),
    background around (1, -1), and with the systematic `shape` at +1 σ around (2.5, 2),
    at -1 σ around (-2.5, -1.5). A network that separates signal from the *nominal*
    background counts the shifted one as signal; one that knows of the systematic finds
    the corner that none of the three reaches.

    Args:
        events: drawn for each of the four samples, independently (the published code
            shifts the same draws, so that its samples agree event by event).
        signal_yield: expected signal events.
        background_yield: expected background events; the same for up and down.
        seed: another seed gives other draws.

    Returns:
        One channel `SR` with the processes `signal` and `background`.

    Example:
        >>> dataset = gaussian_blobs(1000)
        >>> list(dataset.channels["SR"]["background"].variations)
        ['shape']
        >>> float(dataset.channels["SR"]["signal"].nominal.weights.sum())
        20.0

    References:
        arXiv:2203.05570, appendix.
    """
    check_count("gaussian_blobs(events=...)", events)
    generator = np.random.default_rng(seed)

    def blob(mean: Sequence[float], total: float) -> Events:
        return Events(
            generator.normal(mean, 1.0, (events, 2)),
            np.full(events, total / events),
            names=("x", "y"),
        )

    signal = Process(blob(_SIGNAL, signal_yield))
    background = Process(
        blob(_BACKGROUND, background_yield),
        {"shape": (blob(_UP, background_yield), blob(_DOWN, background_yield))},
    )
    return Dataset({"SR": {"signal": signal, "background": background}})
