"""Tables of parameters: values, correlations, intervals, pulls and impacts."""

import numpy as np

from .._fit.result import FitResult
from .._profile.interval import Intervals
from .._profile.pulls import Pulls
from .._profile.ranking import Ranking
from .._tables import estimates
from ._submission import Table
from ._variables import dependent, independent


def parameters(result: FitResult) -> Table:
    """Best-fit values with their uncertainties, from the inverse Hessian.

    Fixed parameters and those on a bound are left out: they have no symmetric error.
    One that the data do not determine has none here.

    Args:
        result: what `fit` returned.
    """
    fitted = estimates(result, "hepdata.parameters")
    return Table(
        "Parameters",
        "Best-fit values of the parameters, with uncertainties from the inverse "
        "Hessian of the negative log-likelihood.",
        [independent("Parameter", fitted.names)],
        [dependent("Best fit", fitted.values, {"fit": fitted.errors})],
    )


def correlation(result: FitResult) -> Table:
    """The correlation of each two parameters that have an uncertainty, both ways.

    Args:
        result: what `fit` returned.
    """
    fitted = estimates(result, "hepdata.correlation").determined()
    count = len(fitted.names)
    return Table(
        "Correlations",
        "Correlations of the parameters after the fit.",
        [
            independent("First parameter", np.repeat(fitted.names, count)),
            independent("Second parameter", np.tile(fitted.names, count)),
        ],
        [dependent("Correlation", fitted.correlation.ravel())],
    )


def intervals(result: Intervals) -> Table:
    """Best-fit values with their profile likelihood intervals, as asymmetric errors.

    Args:
        result: what `interval` returned.
    """
    best, low, high = (np.asarray(x) for x in (result.best, result.low, result.high))
    # HEPData's asymmetric errors are differences, the lower one negative.
    ends = np.stack([low - best, high - best], axis=1)
    return Table(
        "Intervals",
        "Best-fit values with profile likelihood intervals.",
        [independent("Parameter", result.names)],
        [
            dependent(
                "Best fit",
                best,
                {"profile likelihood": ends},
                qualifiers=[("SIGMAS", result.sigmas, "")],
            )
        ],
    )


def pulls(result: Pulls) -> Table:
    """(best fit - nominal) / width of the constraint, with the uncertainty after it.

    Args:
        result: what `pulls` returned.
    """
    # A column of dashes for all free parameters would tell nothing.
    known = np.isfinite(np.asarray(result.pull))
    return Table(
        "Pulls",
        "Best fit less nominal value, and uncertainty after the fit, in units of the "
        "constraint's width; parameters without a constraint are left out.",
        [independent("Parameter", np.array(result.names)[known])],
        [
            dependent(
                "Pull",
                np.asarray(result.pull)[known],
                {"fit": np.asarray(result.constraint)[known]},
            )
        ],
    )


def ranking(result: Ranking) -> Table:
    """Impacts on the parameter of interest, after the fit, before it, by observable.

    Args:
        result: what `ranking` or `impacts` returned.
    """
    columns = {
        "+1 sigma after the fit": result.up,
        "-1 sigma after the fit": result.down,
        "+1 sigma before the fit": result.prefit_up,
        "-1 sigma before the fit": result.prefit_down,
        "auxiliary measurement +1 sigma": result.by_observable,
    }
    poi = result.poi
    return Table(
        "Impacts",
        f"Change of {poi} with each parameter fixed one standard deviation from its "
        "best fit, and with its auxiliary measurement shifted by one (to first order).",
        [independent("Parameter", result.names)],
        [
            dependent(
                f"Impact on {poi}", np.asarray(values), qualifiers=[("SHIFT", how, "")]
            )
            for how, values in columns.items()
        ],
    )
