"""Upper limits by pseudo-experiments, with their statistical errors."""

import math

import numpy as np
from jaxtyping import Array, Float

from .._numerics.namespace import traced
from .results import UpperLimit
from .toys import ToyFits, ToyTest, test_by_toys

# About so many values are tested for the six limits together.
TESTED_VALUES = 30
# First bracket around the asymptotic limit, and how fast it grows.
_BRACKET = 1.2
_MOST_GROWTHS = 12
# A bracket is narrow enough once it is this part of the statistical error.
_PART_OF_ERROR = 0.25
_MOST_HALVINGS = 12


def limits_by_toys(
    fits: ToyFits, first: Float[Array, "6"], level: Float[Array, ""]
) -> UpperLimit:
    """Search the six limits, observed and the band, each from a guess.

    The same key at every tested value makes CLs a nearly smooth function of it, which
    a bracket can follow; each is narrowed to a part of its statistical error. The
    background-only experiments are the same at every value, and fitted freely once.

    Args:
        fits: what does not depend on the tested value.
        first: guesses.
        level: one minus the confidence level.

    Raises:
        TypeError: where something is traced: how many values are tested depends on
            what the experiments say.
    """
    if traced(fits, first, level):
        raise TypeError(
            "`upper_limit(calculator=Toys(...))` cannot be traced: call it outside "
            "`jax.jit`, `jax.grad` and `jax.vmap`."
        )
    known: dict[float, ToyTest] = {}
    log_level = math.log(float(level))

    def test(value: float) -> ToyTest:
        if value not in known:
            known[value] = test_by_toys(fits, np.asarray(value))
        return known[value]

    def excess(value: float, index: int) -> float:
        """Log CLs less log level; with no experiment left, as if half of one were."""
        cls = _six(test(value))[index]
        return math.log(max(np.nan_to_num(cls), 0.5 / fits.toys.n)) - log_level

    def error(value: float, slope: float, index: int) -> float:
        relative = _errors(test(value), fits)[index] / math.exp(log_level)
        return relative / abs(slope) if slope else math.inf

    limits, errors, found = np.zeros(6), np.zeros(6), np.zeros(6, dtype=bool)
    for index, guess in enumerate(np.asarray(first)):
        # An asymptotic limit that does not exist is no place to start from.
        guess = float(guess) if 0 < guess < math.inf else 1.0
        low, high = guess / _BRACKET, guess * _BRACKET
        for _ in range(_MOST_GROWTHS):
            if excess(low, index) > 0 >= excess(high, index):
                break
            if excess(low, index) <= 0:
                low /= _BRACKET
            else:
                high *= _BRACKET
        f_low, f_high = excess(low, index), excess(high, index)
        found[index] = f_low > 0 >= f_high
        if not found[index]:
            limits[index] = math.inf if f_high > 0 else math.nan
            errors[index] = math.nan
            continue
        # The slope is that of the first, wide bracket: noise does not matter there.
        slope = (f_high - f_low) / (high - low)
        for _ in range(_MOST_HALVINGS):
            x = low - f_low * (high - low) / (f_high - f_low)
            if high - low < _PART_OF_ERROR * error(low, slope, index):
                break
            # Not nearer to an end than a tenth: a secant alone may creep.
            margin = (high - low) / 10
            x = min(max(x, low + margin), high - margin)
            f = excess(x, index)
            if f > 0:
                low, f_low = x, f
            else:
                high, f_high = x, f
        limits[index] = low - f_low * (high - low) / (f_high - f_low)
        errors[index] = error(low, slope, index)
    points = sorted(known)
    tests = [known[value] for value in points]
    return UpperLimit(
        observed=limits[0],
        expected=limits[1:],
        observed_error=errors[0],
        expected_error=errors[1:],
        level=level,
        converged=found & all(bool(each.converged) for each in tests),
        tested=np.array(points),
        curves=np.array([_six(each) for each in tests]),
        failed=np.array(
            [[np.isnan(each.sb).sum(), np.isnan(each.b).sum()] for each in tests]
        ),
        test=type(fits.statistic).__name__,
        band=f"of {fits.toys.n} + {fits.toys.n} pseudo-experiments at each value",
    )


def _six(test: ToyTest) -> np.ndarray:
    """CLs, observed and the band."""
    return np.append(test.cls, test.cls_expected)


def _errors(test: ToyTest, fits: ToyFits) -> np.ndarray:
    """Statistical errors of CLs: of the band, the spread over resampled experiments."""
    band = test.spread(lambda each: each.cls_expected, fits.toys.key)
    # A band that no resampling moves is known to one experiment.
    least = np.asarray(test.cls_expected) / fits.toys.n
    return np.append(test.cls_error, np.maximum(band, least))
