"""Starts, bounds and constraints of the parameters of a card."""

from typing import Any

import numpy as np

from ..._histfactory.spec import ParameterSettings
from .card import Card, Systematic, fault
from .strengths import Strengths

_NORMAL = {"aux": 0.0, "sigma": 1.0, "init": 0.0}


def settings_of(card: Card, scaled: Strengths) -> dict[str, dict[str, Any]]:
    """What a card says of each parameter, by the names of `ParameterSettings`.

    Raises:
        WorkspaceError: where a free factor has two starts.
    """
    given: dict[str, dict[str, Any]] = {}
    for name, (start, low, high) in scaled.settings.items():
        given[name] = {"init": start, "bounds": (low, high)}
    for each in card.systematics:
        given.setdefault(each.name, _of_kind(each))
    for rate in card.rates:
        if isinstance(rate.value, str):
            continue
        before = given.get(rate.name, {}).get("init")
        if before is not None and before != rate.value:
            raise fault(
                rate.line,
                f"{rate.name!r} starts at {rate.value:g} here and at {before:g} "
                "before. Give one value.",
            )
        bounds = rate.bounds or (-np.inf, np.inf)
        given[rate.name] = {"init": rate.value, "bounds": bounds}
    for name, extra in card.extras.items():
        if extra.bounds:
            given[name] = {"init": extra.value, "bounds": extra.bounds}
    for name in card.constraints:
        given[name] = given.get(name, {}) | _constrained(card, name)
    for name in card.frozen:
        given.setdefault(name, {})["fixed"] = True
    return given


def nominal_values(
    card: Card, scaled: Strengths, given: dict[str, dict[str, Any]]
) -> dict[str, float]:
    """The value of each parameter before any fit."""
    values = dict.fromkeys(scaled.names, 1.0)
    for each in card.systematics:
        values[each.name] = {"gmM": 1.0}.get(each.kind, 0.0)
        if each.kind == "gmN":
            values[each.name] = each.arguments[0]
    return values | {n: each["init"] for n, each in given.items() if "init" in each}


def made_settings(given: dict[str, dict[str, Any]]) -> dict[str, ParameterSettings]:
    """The same as settings of a model."""
    return {name: ParameterSettings(**each) for name, each in given.items()}


def _constrained(card: Card, name: str) -> dict[str, Any]:
    constraint = card.constraints[name]
    if name in card.asymmetric:
        return _NORMAL | {"bounds": (-4.0, 4.0)}
    mean, error = constraint.mean, constraint.up
    bounds = constraint.bounds or (mean - 4 * error, mean + 4 * error)
    return {"init": mean, "aux": mean, "sigma": error, "bounds": bounds}


def _of_kind(systematic: Systematic) -> dict[str, Any]:
    """Bounds and constraint of the parameter of a systematic, as Combine has them."""
    match systematic.kind:
        case "gmN":
            return {}
        case "gmM":
            (error, *_) = systematic.effects.values() or (0.5,)
            width = 5 * error if isinstance(error, float) else 1.0
            return {"bounds": (max(0.01, 1 - width), 1 + width)}
        case "lnU" | "shapeU":
            return {"bounds": (-1.0, 1.0), "init": 0.0}
        case "unif":
            low, high = systematic.arguments
            return {"bounds": (low, high), "init": (low + high) / 2}
        case "trG":
            slopes = [s for s in systematic.effects.values() if isinstance(s, float)]
            low = max([-7.0, *(-1 / slope for slope in slopes if slope > 0)])
            high = min([7.0, *(-1 / slope for slope in slopes if slope < 0)])
            return _NORMAL | {"bounds": (low, high)}
        case "shape":
            return _NORMAL | {"bounds": (-4.0, 4.0)}
    return _NORMAL | {"bounds": (-7.0, 7.0)}
