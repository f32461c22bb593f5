"""The fit of the result: pulls, ranking, and what each uncertainty costs."""

from typing import Any

import numpy as np

import fitkit

from .._events import Dataset
from .._pipeline import AbstractPipeline
from .._results import head_room
from .plain import message, rounded


def fit(model: fitkit.Model, mu: float) -> dict[str, Any]:
    """Pulls and ranking of the fit to what is expected at a signal strength.

    A result that cannot be had leaves its place empty and says why: the rest of the
    page does not suffer.
    """
    try:
        data = fitkit.asimov_data(model, mu)
        best = fitkit.fit(model, data)
        pulls = fitkit.pulls(model, data, best=best)
        ranked = fitkit.ranking(model, data)
    # What fitkit raises where a fit has no minimum, or a model no answer.
    except (ArithmeticError, RuntimeError, ValueError) as error:
        return {"missing": message(error)}
    return {
        "mu": mu,
        "pulls": [
            {"name": name, "pull": rounded(pull), "width": rounded(width)}
            for name, pull, width in zip(
                pulls.names, pulls.pull, pulls.constraint, strict=True
            )
            if np.isfinite(pull)  # a free parameter has none
        ],
        "free": [
            {"name": name, "best": rounded(value), "error": rounded(error)}
            for name, value, error, pull in zip(
                pulls.names, pulls.best, pulls.uncertainty, pulls.pull, strict=True
            )
            if not np.isfinite(pull)
        ],
        "ranking": [
            {
                "name": name,
                "pull": rounded(ranked.pull[i]),
                "width": rounded(ranked.constraint[i]),
                "up": rounded(ranked.up[i]),
                "down": rounded(ranked.down[i]),
                "prefit_up": rounded(ranked.prefit_up[i]),
                "prefit_down": rounded(ranked.prefit_down[i]),
            }
            for i, name in enumerate(ranked.names)
        ],
        "total": rounded(ranked.total),
        "statistical": rounded(ranked.statistical),
    }


def costs(pipeline: AbstractPipeline, judges: Dataset) -> dict[str, Any]:
    """What each uncertainty costs the measurement of this observable."""
    try:
        room = head_room(pipeline, judges)
    except (ArithmeticError, RuntimeError, ValueError) as error:
        return {"missing": message(error)}
    return {
        "ratio": rounded(room.ratio),
        "poi_uncertainty": rounded(room.poi_uncertainty),
        "statistical": rounded(room.statistical),
        "costs": {name: rounded(cost) for name, cost in room.costs.items()},
    }
