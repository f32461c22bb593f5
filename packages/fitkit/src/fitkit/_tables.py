"""Results at many points, and estimates of many parameters, as columns of numbers."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np
from jaxtyping import ArrayLike, Bool, Float

from ._fit.result import FitResult
from ._fit.uncertainty import covariance_of
from ._hypotest.results import HypotestResult, UpperLimit
from ._model.parameters import entry_names
from ._numerics.namespace import concrete

Tests: TypeAlias = HypotestResult | Sequence[HypotestResult]
"""Tests at several values: one result of many, as of `jax.vmap`, or single ones."""

Limits: TypeAlias = UpperLimit | Sequence[UpperLimit]
"""Limits at several points: one result of many, as of `jax.vmap`, or single ones."""


@final
class ClsByValue(NamedTuple):
    """Tests, ordered by the tested value.

    Attributes:
        values: tested values of the parameter of interest.
        observed, expected: CLs of the data, and of the band.
        error: statistical error of the observed one, 0 for asymptotic formulae.
        cl_sb, cl_b: tail probabilities of the data.
        converged: whether all fits found their minima.
    """

    values: Float[np.ndarray, " points"]
    observed: Float[np.ndarray, " points"]
    expected: Float[np.ndarray, "points 5"]
    error: Float[np.ndarray, " points"]
    cl_sb: Float[np.ndarray, " points"]
    cl_b: Float[np.ndarray, " points"]
    converged: Bool[np.ndarray, " points"]


def cls_by_value(tests: Tests, call: str) -> ClsByValue:
    """Collect tests of several values.

    Raises:
        TypeError: for anything but results of `hypotest`.
        ValueError: for fewer than two.
    """
    names = ("poi_value", "cls", "cls_expected", "cls_error", "cl_sb", "cl_b")
    columns = _columns(
        tests, HypotestResult, (*names, "converged"), (call, "tests", "hypotest")
    )
    # A line is drawn from point to point: it must not run back.
    order = np.argsort(columns[0], kind="stable")
    return ClsByValue(*(column[order] for column in columns))


@final
class LimitsByPoint(NamedTuple):
    """Upper limits at several points, in the order in which they were given."""

    observed: Float[np.ndarray, " points"]
    expected: Float[np.ndarray, "points 5"]
    level: float
    converged: Bool[np.ndarray, "points 6"]
    test: str
    band: str


def limits_by_point(limits: Limits, call: str) -> LimitsByPoint:
    """Collect limits at several points.

    Raises:
        TypeError: for anything but upper limits.
        ValueError: for fewer than two, or for several confidence levels.
    """
    observed, expected, level, converged = _columns(
        limits,
        UpperLimit,
        ("observed", "expected", "level", "converged"),
        (call, "limits", "upper_limit"),
    )
    each = [limits] if isinstance(limits, UpperLimit) else limits
    # Limits of two levels or conventions in one picture would be read as one curve.
    levels = set(level.ravel().tolist())
    conventions = {(one.test, one.band) for one in each}
    if len(levels) > 1 or len(conventions) > 1:
        raise ValueError(
            f"`{call}` takes limits of one level and one convention; got levels "
            f"{sorted(levels)} and conventions {sorted(conventions)}."
        )
    (convention,) = conventions
    return LimitsByPoint(observed, expected, *levels, converged, *convention)


def _columns(
    results: Any, kind: type, names: Sequence[str], where: tuple[str, str, str]
) -> list[np.ndarray]:
    """Attributes of several results, each with the points as its first axis.

    Args:
        results: one result of many points, or several of one.
        kind: what they must be.
        names: of the attributes; the first one has one number for each point.
        where: call, argument and the call that gives such results, for messages.
    """
    call, argument, source = where
    if isinstance(results, kind):
        shape = np.shape(getattr(results, names[0]))
        if len(shape) != 1:
            raise ValueError(
                f"`{call}({argument}=...)` needs several results of `{source}`, a "
                f"list or one batch along one axis; got one of shape {shape}."
            )
        columns = [np.asarray(getattr(results, name)) for name in names]
        # What all points have in common may stand there once.
        columns = [np.broadcast_to(c, shape) if not c.ndim else c for c in columns]
    else:
        results = list(results)
        wrong = [one for one in results if not isinstance(one, kind)]
        if wrong:
            raise TypeError(
                f"`{call}({argument}=...)` are results of `{source}`; got "
                f"{type(wrong[0]).__name__}."
            )
        columns = [np.array([getattr(one, n) for one in results]) for n in names]
    if len(columns[0]) < 2:
        raise ValueError(
            f"`{call}({argument}=...)` needs at least two results; got "
            f"{len(columns[0])}."
        )
    return columns


@final
class Estimates(NamedTuple):
    """What a fit says of the entries that it moved, in the model's order.

    Attributes:
        names: `mu`, `gamma[3]`.
        values, errors: best fit and standard deviation; NaN where not determined.
        correlation: between them; NaN likewise.
    """

    names: tuple[str, ...]
    values: Float[np.ndarray, " chosen"]
    errors: Float[np.ndarray, " chosen"]
    correlation: Float[np.ndarray, "chosen chosen"]

    def determined(self) -> "Estimates":
        """Those that have a standard deviation."""
        known = np.isfinite(self.errors)
        names = tuple(n for n, yes in zip(self.names, known, strict=True) if yes)
        table = self.correlation[np.ix_(known, known)]
        return Estimates(names, self.values[known], self.errors[known], table)


def estimates(fit: FitResult, call: str) -> Estimates:
    """Best fit, errors and correlations of the entries that are free at the minimum.

    Fixed entries and those on a bound are left out: they have no symmetric error.

    Raises:
        TypeError: for anything but the result of a single fit.
    """
    if not isinstance(fit, FitResult) or np.ndim(fit.y) != 1:
        raise TypeError(
            f"`{call}` takes the result of one `fit`; got {type(fit).__name__}"
            + (f" of shape {np.shape(fit.y)}." if isinstance(fit, FitResult) else ".")
        )
    # A fit of a compiled function has arrays of jax.
    fit = concrete(fit)
    free = fit.stationarity.free | fit.stationarity.at_kink
    with np.errstate(all="ignore"):
        covariance = covariance_of(fit.curvature, free)
        errors = covariance.widths[free]
        correlation = covariance.table[np.ix_(free, free)] / np.outer(errors, errors)
    names = np.array(entry_names(fit.shapes))[free]
    return Estimates(tuple(map(str, names)), fit.y[free], errors, correlation)


def check_points(values: ArrayLike, count: int, call: str) -> np.ndarray:
    """The values of a signal's parameter, one for each result.

    Raises:
        ValueError: where there are more or fewer.
    """
    values = np.asarray(values, dtype=float)
    if values.shape != (count,):
        raise ValueError(
            f"`{call}(values=...)` has one value for each limit; got shape "
            f"{values.shape} for {count} limits."
        )
    return values
