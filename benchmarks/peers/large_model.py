"""A generated model of thousands of systematics, for several programs: NumPy alone.

A signal without systematics and two backgrounds in channels of 100 bins; each
systematic shifts a background in two neighbouring channels linearly. Counts are
fluctuated.
"""

from typing import NamedTuple

import numpy as np

BINS = 100  # of a channel
SIZES = {"signal": 4e3, "background": 4e4, "rare": 800.0}


class LargeModel(NamedTuple):
    """The model and its data.

    Attributes:
        yields: `[channels, bins]` by sample.
        errors: of the simulation, likewise.
        changes: of each systematic: its name, the sample, the channel and the change of
            the yields at one standard deviation, `[bins]`.
        counts: `[channels, bins]`.
    """

    yields: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]
    changes: list[tuple[str, str, int, np.ndarray]]
    counts: np.ndarray


def large_model(systematics: int, bins: int) -> LargeModel:
    """The model with so many systematics, and bins in all."""
    rng = np.random.default_rng(systematics + bins)
    channels, centre = bins // BINS, np.linspace(-2.0, 2.0, BINS)
    yields = {
        name: np.array(
            [
                size
                * (np.exp(-0.5 * (centre / (1 + 0.3 * s)) ** 2) + 0.05)
                * (1 + 0.2 * np.sin(centre + c))
                for c in range(channels)
            ]
        )
        for s, (name, size) in enumerate(SIZES.items())
    }
    # Ten times the events of the data.
    errors = {name: np.sqrt(each / 10) for name, each in yields.items()}
    changes = []
    for k in range(systematics):
        first = int(rng.integers(channels))
        sample = ("background", "rare")[k % 2]
        for c in {first, (first + 1) % channels}:
            shape = 0.01 * rng.normal() * np.sin(rng.uniform(0, 6) + 2 * centre)
            changes.append((f"syst{k}", sample, c, yields[sample][c] * shape))
    expected = 1.05 * yields["signal"] + yields["background"] + yields["rare"]
    return LargeModel(yields, errors, changes, 1.0 * rng.poisson(expected))
