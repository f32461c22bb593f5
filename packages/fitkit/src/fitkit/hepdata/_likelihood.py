"""Tables of the profile likelihood along one parameter and around two."""

import numpy as np

from .._profile.contour import Contour
from .._profile.scan import Scan
from ._submission import Table, fitting
from ._variables import dependent, independent, rounded


def scan(result: Scan) -> Table:
    """The profile likelihood along a parameter; points that failed are left out.

    Args:
        result: what `scan` returned.
    """
    good = np.asarray(result.converged)
    return Table(
        fitting("Scan of ", result.name),
        f"Twice the negative profile log-likelihood along {result.name}, above its "
        f"minimum at {rounded(result.best)}.",
        [independent(result.name, np.asarray(result.values)[good])],
        [dependent("-2 Delta ln L", np.asarray(result.delta)[good])],
    )


def contour(result: Contour) -> list[Table]:
    """One table for each level: the points along the line, in their order.

    Args:
        result: what `contour` returned.
    """
    first, second = result.names
    tables = []
    for i, level in enumerate(result.levels):
        x, y = np.asarray(result.points[i])[np.asarray(result.converged[i])].T
        tables.append(
            Table(
                f"Contour, {100 * level:.4g} percent",
                f"Points along the {100 * level:.4g} % contour of {first} and {second} "
                f"around their best fit at {rounded(result.best[0])}, "
                f"{rounded(result.best[1])}.",
                [independent(first, x)],
                [dependent(second, y, qualifiers=[("CL", 100 * level, "%")])],
            )
        )
    return tables
