"""Tables of tests and limits."""

import numpy as np
from jaxtyping import ArrayLike, Float

from .._tables import Limits, Tests, check_points, cls_by_value, limits_by_point
from ._submission import Table
from ._variables import Errors, dependent, independent


def cls_scan(tests: Tests, *, poi: str = "mu") -> Table:
    """CLs at each tested value: observed, with its error, and the expected band.

    Args:
        tests: as for `plot.cls_scan`.
        poi: name of the parameter of interest.
    """
    points = cls_by_value(tests, "hepdata.cls_scan")
    # Only pseudo-experiments have a statistical error.
    errors: Errors = {"stat": points.error} if points.error.any() else {}
    return Table(
        "CLs",
        f"CLs against the tested value of {poi}, observed and expected.",
        [independent(poi, points.values)],
        [
            dependent("CLs, observed", points.observed, errors),
            dependent("CLs, expected", points.expected[:, 2], _band(points.expected)),
        ],
    )


def upper_limits(
    values: Float[ArrayLike, " points"],
    limits: Limits,
    *,
    parameter: str,
    units: str = "",
    poi: str = "mu",
) -> Table:
    """Upper limits at each value of a signal's parameter, with the expected band.

    Args:
        values: of the parameter, one for each limit.
        limits: as for `plot.upper_limits`.
        parameter: its name.
        units: its units.
        poi: name of the parameter of interest.
    """
    points = limits_by_point(limits, "hepdata.upper_limits")
    values = check_points(values, len(points.observed), "hepdata.upper_limits")
    qualifiers: list[tuple[str, str | float, str]] = [
        ("CL", 100 * (1 - points.level), "%"),
        ("TEST", points.test, ""),
        ("BAND", points.band, ""),
    ]
    expected = points.expected
    return Table(
        "Upper limits",
        f"Upper limits (CLs) on {poi} against {parameter}, observed and expected.",
        [independent(parameter, values, units)],
        [
            dependent(
                f"Limit on {poi}, observed", points.observed, qualifiers=qualifiers
            ),
            dependent(
                f"Limit on {poi}, expected",
                expected[:, 2],
                _band(expected),
                qualifiers=qualifiers,
            ),
        ],
    )


def _band(expected: np.ndarray) -> Errors:
    """Both bands of outcomes, as errors of the median."""
    median = expected[:, 2:3]
    return {
        "1 sigma": expected[:, [1, 3]] - median,
        "2 sigma": expected[:, [0, 4]] - median,
    }
