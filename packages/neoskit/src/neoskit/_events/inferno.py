"""The synthetic problem of INFERNO: three features, two nuisances of the background."""

import numpy as np
from jaxtyping import Float

from .._checks import check_count
from .dataset import Dataset
from .events import Events
from .process import Process

# The published code's generator, which made the published table. (The paper's text
# writes the signal around (1, 1); the table cannot be had with that.)
_BACKGROUND_X1_MEAN = 0.0
_BACKGROUND_VARIANCES = (5.0, 9.0)
_SIGNAL_RATE = 2.0
_NOMINAL_R = 2.0
_NOMINAL_RATE = 3.0


def inferno_synthetic(
    events: int = 100_000,
    *,
    signal_yield: float = 50.0,
    background_yield: float = 1000.0,
    r_shift: float = 0.2,
    rate_shift: float = 0.5,
    seed: int = 0,
) -> Dataset:
    """A background whose position and slope are uncertain, below a signal.

    Signal: (x0, x1) ~ N((0, 0), 1), x2 ~ Exponential(rate 2). Background: (x0, x1) ~
    N((r, 0), diag(5, 9)) with r = 2, x2 ~ Exponential(rate λ) with λ = 3. The
    systematics `r` and `rate` move the *same* background events: x0 → x0 − 2 + r, and
    x2 → x2 · 3/λ.

    Args:
        events: drawn for the signal and for the background.
        signal_yield: expected signal events.
        background_yield: expected background events, in the variations too.
        r_shift: how far one unit of the nuisance parameter `r` moves r. The default
            is the distance of the published templates, not of the published
            constraint, 0.4.
        rate_shift: the same for λ; the published constraint is 1.0.
        seed: another seed gives other draws.

    Returns:
        One channel `SR` with the processes `signal` and `background`.

    Example:
        >>> background = inferno_synthetic(1000).channels["SR"]["background"]
        >>> up, down = background.variations["r"]
        >>> float((up.features - down.features)[0, 0])
        0.4

    References:
        arXiv:1806.04743, section 5.1.
    """
    check_count("inferno_synthetic(events=...)", events)
    generator = np.random.default_rng(seed)

    def sample(features: Float[np.ndarray, "events 3"], total: float) -> Events:
        return Events(
            features, np.full(events, total / events), names=("x0", "x1", "x2")
        )

    signal = np.column_stack(
        [
            generator.normal(0.0, 1.0, (events, 2)),
            generator.exponential(1.0 / _SIGNAL_RATE, events),
        ]
    )
    background = np.column_stack(
        [
            generator.normal(
                (_NOMINAL_R, _BACKGROUND_X1_MEAN),
                np.sqrt(_BACKGROUND_VARIANCES),
                (events, 2),
            ),
            generator.exponential(1.0 / _NOMINAL_RATE, events),
        ]
    )

    # The same events in every variation, as in the published code: the templates'
    # difference has no statistical noise of its own.
    def moved(r: float = _NOMINAL_R, rate: float = _NOMINAL_RATE) -> Events:
        shift = np.array([r - _NOMINAL_R, 0.0, 0.0])
        scale = np.array([1.0, 1.0, _NOMINAL_RATE / rate])
        return sample((background + shift) * scale, background_yield)

    variations = {
        "r": (moved(r=_NOMINAL_R + r_shift), moved(r=_NOMINAL_R - r_shift)),
        "rate": (
            moved(rate=_NOMINAL_RATE + rate_shift),
            moved(rate=_NOMINAL_RATE - rate_shift),
        ),
    }
    return Dataset(
        {
            "SR": {
                "signal": Process(sample(signal, signal_yield)),
                "background": Process(moved(), variations),
            }
        }
    )
