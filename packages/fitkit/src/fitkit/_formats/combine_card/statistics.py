"""`autoMCStats`: which parameters the errors of templates have."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .card import Statistics

# What rounding may do to a template with one event of weight one.
_ROUNDING = 0.999


class Treatment(NamedTuple):
    """How the errors of a channel are treated, bin by bin.

    Attributes:
        total: bins with one normal parameter for the sum, `[bins]`.
        counted: processes with a Poisson parameter, `[processes, bins]`.
        normal: processes with a normal parameter, `[processes, bins]`.
        events: effective events of each process, whole numbers, `[processes, bins]`.
    """

    total: Float[np.ndarray, " bins"]
    counted: Float[np.ndarray, "processes bins"]
    normal: Float[np.ndarray, "processes bins"]
    events: Float[np.ndarray, "processes bins"]


def treatment(
    flags: Statistics,
    values: Float[np.ndarray, "processes bins"],
    errors: Float[np.ndarray, "processes bins"],
    scale: Float[np.ndarray, " processes"],
    signal: Float[np.ndarray, " processes"],
) -> Treatment:
    """Choose the parameters of each bin, as Combine's documentation has it.

    Args:
        flags: what the card says of the channel.
        values, errors: of the nominal templates.
        scale: what scales each process at the start.
        signal: which processes are signals.
    """
    if flags.threshold < 0:
        none = np.zeros(values.shape, dtype=bool)
        return Treatment(none[0], none, none, np.zeros(values.shape))
    chosen = np.ones_like(signal) if flags.signal else ~signal
    yields, absolute = values * scale[:, None], errors * scale[:, None]
    variance = (absolute[chosen] ** 2).sum(axis=0)
    safe = np.where(variance > 0, variance, 1.0)
    # Rounded half up, as Combine does, not to even numbers.
    events = np.floor(0.5 + yields[chosen].sum(axis=0) ** 2 / safe)
    has_error = variance > 0
    few = has_error & (events <= flags.threshold)
    all_errors = (absolute**2).sum(axis=0) > 0
    square = np.where(errors > 0, errors, 1.0) ** 2
    own = np.floor(0.5 + values**2 / square)
    usable = few & (errors > 0) & (values >= 0)
    enough = usable & (values > 0) & (values >= _ROUNDING * errors)
    counted = enough & (own <= flags.threshold)
    return Treatment(has_error & ~few & all_errors, counted, usable & ~counted, own)
