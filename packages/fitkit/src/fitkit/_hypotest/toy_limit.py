"""Upper limits by pseudo-experiments, with their statistical errors."""

import math
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from .._numerics.compiled import compiled
from .._custom_types import Mask
from .._fit.minimise import FitOptions
from .._model.likelihood import AbstractNegativeLogLikelihood
from .statistic import AbstractTestStatistic
from .toys import Toys, ToysResult, start_toys, toys_test

# First bracket around the asymptotic limit, and how fast it grows.
_BRACKET = 1.2
_MOST_GROWTHS = 12
# A bracket is narrow enough once it is this part of the statistical error.
_PART_OF_ERROR = 0.25
_MOST_HALVINGS = 12
_RESAMPLINGS = 100


@final
class ToysLimit(eqx.Module):
    """An upper limit by pseudo-experiments.

    Attributes:
        observed: the value at which the observed CLs equals `level`.
        expected: the same at -2, -1, 0, 1, 2 standard deviations of the
            background-only pseudo-experiments, `[5]`.
        observed_error, expected_error: statistical errors: that of CLs over its slope.
        level: one minus the confidence level.
        tested: all tested values, rising; `[points]`.
        curves: CLs there, observed and the band, `[points, 6]`.
        failed: how many pseudo-experiments had no statistic at each, under the tested
            and the background-only hypothesis, `[points, 2]`; they are left out.
        converged: whether all fits to the data found their minima and all limits were
            enclosed.
        test: the name of the test statistic.
    """

    observed: Float[Array, ""]
    expected: Float[Array, "5"]
    observed_error: Float[Array, ""]
    expected_error: Float[Array, "5"]
    level: Float[Array, ""]
    tested: Float[Array, " points"]
    curves: Float[Array, "points 6"]
    failed: Int[Array, "points 2"]
    converged: Bool[Array, ""]
    test: str = eqx.field(static=True)

    def __repr__(self) -> str:
        band = ", ".join(
            f"{x:.4g} ± {e:.1g}"
            for x, e in zip(self.expected, self.expected_error, strict=True)
        )
        status = "" if bool(self.converged) else "  (NOT CONVERGED)"
        if failed := int(jnp.sum(self.failed)):
            status += f"  ({failed} pseudo-experiments failed and are left out)"
        return (
            f"upper limit at {100 * (1 - float(self.level)):g} % CLs: observed "
            f"{float(self.observed):.4g} ± {float(self.observed_error):.1g}, expected "
            f"[{band}] ({self.test}, pseudo-experiments at {self.tested.size} values)"
            f"{status}"
        )


def limits_by_toys(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    poi: Mask,
    first: Float[Array, "6"],
    level: ArrayLike,
    statistic: AbstractTestStatistic,
    solver: optx.AbstractMinimiser | None,
    toys: Toys,
) -> ToysLimit:
    """Search the six limits, observed and the band, each from a guess.

    The same key at every tested value makes CLs a nearly smooth function of it, which
    a bracket can follow; each is narrowed to a part of its statistical error. The
    background-only experiments are the same at every value, and fitted freely once.

    Args:
        likelihood, options, poi, statistic, solver, toys: as in `toys_test`.
        first: guesses.
        level: one minus the confidence level.
    """
    known: dict[float, ToysResult] = {}
    log_level = math.log(float(level))
    start = start_toys(likelihood, options, poi, statistic, solver, toys)

    def excess(value: float, lane: int) -> float:
        """Log CLs less log level; with no experiment left, as if half of one were."""
        if value not in known:
            tested = jnp.asarray(value)
            known[value] = toys_test(
                likelihood, options, poi, tested, statistic, solver, toys, start
            )
        cls = _six(known[value])[lane]
        return math.log(max(np.nan_to_num(cls), 0.5 / toys.n)) - log_level

    def error(value: float, slope: float, lane: int) -> float:
        relative = _errors(known[value], toys)[lane] / math.exp(log_level)
        return relative / abs(slope)

    limits, errors, enclosed = np.zeros(6), np.zeros(6), True
    for lane, guess in enumerate(np.nan_to_num(np.asarray(first), nan=1.0)):
        low, high = guess / _BRACKET, guess * _BRACKET
        for _ in range(_MOST_GROWTHS):
            if excess(low, lane) > 0 >= excess(high, lane):
                break
            if excess(low, lane) <= 0:
                low /= _BRACKET
            else:
                high *= _BRACKET
        f_low, f_high = excess(low, lane), excess(high, lane)
        enclosed &= f_low > 0 >= f_high
        # The slope is that of the first, wide bracket: noise does not matter there.
        slope = (f_high - f_low) / (high - low)
        for _ in range(_MOST_HALVINGS):
            x = low - f_low * (high - low) / (f_high - f_low)
            if high - low < _PART_OF_ERROR * error(low, slope, lane):
                break
            # Not nearer to an end than a tenth: a secant alone may creep.
            margin = (high - low) / 10
            x = min(max(x, low + margin), high - margin)
            f = excess(x, lane)
            if f > 0:
                low, f_low = x, f
            else:
                high, f_high = x, f
        limits[lane] = low - f_low * (high - low) / (f_high - f_low)
        errors[lane] = error(low, slope, lane)
    points = sorted(known)
    results = [known[value] for value in points]
    return ToysLimit(
        observed=jnp.asarray(limits[0]),
        expected=jnp.asarray(limits[1:]),
        observed_error=jnp.asarray(errors[0]),
        expected_error=jnp.asarray(errors[1:]),
        level=jnp.asarray(level, dtype=float),
        tested=jnp.array(points),
        curves=jnp.array([_six(result) for result in results]),
        failed=jnp.array([result.failed for result in results]),
        converged=jnp.array(
            enclosed and all(bool(result.converged) for result in results)
        ),
        test=type(statistic).__name__,
    )


def _six(result: ToysResult) -> np.ndarray:
    """CLs, observed and the band."""
    return np.append(np.asarray(result.cls_observed), np.asarray(result.cls_expected))


def _errors(result: ToysResult, toys: Toys) -> np.ndarray:
    """Statistical errors of CLs: of the band, the spread over resampled experiments."""
    keys = jax.random.split(jax.random.fold_in(toys.key, toys.n), _RESAMPLINGS)
    band = np.std(_resampled(result, keys), axis=0)
    # A band that no resampling moves is known to one experiment.
    band = np.maximum(band, np.asarray(result.cls_expected) / toys.n)
    return np.append(np.asarray(result.cls_observed_error), band)


@compiled
def _resampled(result: ToysResult, keys: Array) -> Float[Array, "resamplings 5"]:
    def one(key):
        of = jax.random.randint(key, (2, result.toys_b.shape[0]), 0, result.toys_b.size)
        sb, b = result.toys_sb[of[0]], result.toys_b[of[1]]
        changed = eqx.tree_at(lambda r: (r.toys_sb, r.toys_b), result, (sb, b))
        return changed.cls_expected

    return jax.lax.map(one, keys)
