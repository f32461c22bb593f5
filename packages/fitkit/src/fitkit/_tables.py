"""Results at many points, and estimates of many parameters, as columns of numbers."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias, final

import jax
import numpy as np
from jaxtyping import ArrayLike, Bool, Float

from ._fit.diagnose import entry_names
from ._fit.fit import FitResult
from ._hypotest.hypotest import HypotestResult
from ._hypotest.limit import UpperLimit
from ._hypotest.toys import ToysResult
from ._fit.uncertainty import inverse_of_free

Tests: TypeAlias = HypotestResult | Sequence[HypotestResult] | Sequence[ToysResult]
"""Tests at several values: one batched result of `jax.vmap`, or single ones."""

Limits: TypeAlias = UpperLimit | Sequence[UpperLimit]
"""Limits at several points: one batched result of `jax.vmap`, or single ones."""


@final
class ClsByValue(NamedTuple):
    """Tests, ordered by the tested value.

    Attributes:
        values: tested values of the parameter of interest.
        observed, expected: CLs of the data, and of the band.
        error: statistical error of the observed one, 0 without pseudo-experiments.
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
        TypeError: for anything but tests with a CLs.
        ValueError: for fewer than two.
    """
    each = _singly(tests, HypotestResult | ToysResult, call, "tests", "hypotest")
    if any(isinstance(one, ToysResult) and one.discovery for one in each):
        raise TypeError(
            f"`{call}` draws CLs, which a discovery test (`Q0`) has not; test values "
            "of the parameter of interest with `QMuTilde()`."
        )
    rows = [
        (
            one.poi_value,
            one.cls_observed,
            one.cls_expected,
            getattr(one, "cls_observed_error", 0.0),
            one.cl_sb,
            one.cl_b,
            one.converged,
        )
        for one in each
    ]
    columns = [np.asarray(column) for column in zip(*rows, strict=True)]
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
    each = _singly(limits, UpperLimit, call, "limits", "upper_limit")
    levels = {float(one.level) for one in each}
    conventions = {(one.test, one.band) for one in each}
    if len(levels) > 1 or len(conventions) > 1:
        raise ValueError(
            f"`{call}` takes limits of one level and one convention; got levels "
            f"{sorted(levels)} and conventions {sorted(conventions)}."
        )
    (convention,) = conventions
    return LimitsByPoint(
        np.asarray([one.observed for one in each]),
        np.asarray([one.expected for one in each]),
        *levels,
        np.asarray([one.converged for one in each]),
        *convention,
    )


def _singly(results, kinds, call: str, argument: str, source: str) -> list:
    """Take a batched result apart, or check that there are several single ones."""
    if isinstance(results, kinds):
        shape = np.shape(results.converged)
        batched = shape[: len(shape) - isinstance(results, UpperLimit)]
        if len(batched) != 1:
            raise ValueError(
                f"`{call}({argument}=...)` needs several results of `{source}`, a "
                f"list or one batch along one axis; got one of shape {batched}."
            )
        results = [jax.tree.map(lambda x: x[i], results) for i in range(*batched)]  # noqa: B023
    results = list(results)
    wrong = [one for one in results if not isinstance(one, kinds)]
    if wrong:
        raise TypeError(
            f"`{call}({argument}=...)` are results of `{source}`; got "
            f"{type(wrong[0]).__name__}."
        )
    if len(results) < 2:
        raise ValueError(
            f"`{call}({argument}=...)` needs at least two results; got {len(results)}."
        )
    return results


@final
class Estimates(NamedTuple):
    """What a fit says of the entries that it moved, in the model's order.

    Attributes:
        names: `mu`, `gamma[3]`.
        values, errors: best fit and standard deviation; NaN where not determined.
        correlation: between them.
    """

    names: tuple[str, ...]
    values: Float[np.ndarray, " chosen"]
    errors: Float[np.ndarray, " chosen"]
    correlation: Float[np.ndarray, "chosen chosen"]


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
    free = np.asarray(fit.stationarity.free)
    covariance = np.asarray(inverse_of_free(fit.curvature, fit.stationarity.free)[0])
    errors = np.sqrt(np.diagonal(covariance))[free]
    names = np.array(entry_names(fit.shapes))[free]
    return Estimates(
        tuple(map(str, names)),
        np.asarray(fit.y)[free],
        errors,
        covariance[np.ix_(free, free)] / np.outer(errors, errors),
    )


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
