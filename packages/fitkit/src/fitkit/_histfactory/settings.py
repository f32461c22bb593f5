"""From defaults and a measurement's settings to the flat vectors of all parameters."""

import itertools
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array

from .._numerics.namespace import traced, xp
from .check import first_broken, guarded
from .declare import Collected
from .modifiers import ParameterKind
from .modifiers.base import POISSON_KINDS
from .problem import SpecificationError
from .spec import ParameterSettings

_POISSON = tuple(map(int, POISSON_KINDS))
_NONE = ParameterSettings()


def check_settings(
    settings: Mapping[str, ParameterSettings], parameters: Mapping[str, Collected]
) -> None:
    """Check that settings are of parameters that have what they set.

    Raises:
        SpecificationError: for a name that is no parameter's, a wrong number of values,
            or what concerns a constraint that the parameter does not have.
    """
    for name, setting in settings.items():
        # Unlike in a document, a name that no modifier has is a misprint here.
        if name not in parameters:
            raise SpecificationError(
                f"`settings` names {name!r}, which is no parameter of the model. It "
                f"has: {', '.join(parameters) or 'none'}.",
                keys=("settings", name),
            )
        if not isinstance(setting, ParameterSettings):
            raise TypeError(
                f"`settings[{name!r}]` must be a `ParameterSettings`; got "
                f"{setting!r:.60}."
            )
        parameter = parameters[name]
        free = parameter.declaration.kind == ParameterKind.FREE
        for field in ("init", "bounds", "fixed", "aux", "sigma"):
            given = getattr(setting, field)
            if given is None:
                continue
            # It would be ignored, and the parameter stay unconstrained.
            if free and field in ("aux", "sigma"):
                raise _wrong(
                    name, field, f"a {parameter.modifier} has no constraint. Remove it."
                )
            for each in given if field == "bounds" else (given,):
                _check_shape(name, field, each.shape, parameter)


def _check_shape(
    name: str, field: str, shape: tuple[int, ...], parameter: Collected
) -> None:
    # A list of one number is none for a parameter of many, though it would broadcast.
    if shape in ((), (parameter.size,)):
        return
    count = "1 value" if parameter.size == 1 else f"{parameter.size} values"
    raise _wrong(
        name,
        field,
        f"has {int(np.prod(shape))} entries, but the parameter has {count}. Give one "
        "entry for each.",
    )


def _wrong(name: str, field: str, reason: str, *index: int) -> SpecificationError:
    words = (f"settings of parameter {name!r}", f"`{field}`")
    return SpecificationError(reason, words, ("settings", name, field, *index))


def parameter_vectors(
    parameters: Mapping[str, Collected], settings: Mapping[str, ParameterSettings]
) -> dict[str, Array | np.ndarray]:
    """Start, bounds and constraints of all parameters, settings over defaults.

    Returns:
        By the names of the fields of `Arrays`, also where the settings gave them.

    Raises:
        SpecificationError: naming the parameter and what is wrong with its settings.
    """
    check_settings(settings, parameters)
    fields = ("init", "lower", "upper", "fixed", "aux", "sigma")
    values: dict[str, list[Any]] = {field: [] for field in fields}
    given: dict[str, list[Any]] = {field: [] for field in fields}
    for name, parameter in parameters.items():
        size, declared = parameter.size, parameter.declaration
        setting = settings.get(name, _NONE)
        # Those of staterror and shapesys follow from the templates.
        width = setting.sigma if declared.sigma is None else declared.sigma
        if declared.kind == ParameterKind.NORMAL and width is None:
            raise SpecificationError(
                f"the constraint of parameter {name!r} has no width. Give "
                f"`Lumi({name!r}, sigma=...)` or "
                f"`settings={{{name!r}: ParameterSettings(sigma=...)}}`.",
                keys=("settings", name, "no width"),
            )
        lower, upper = setting.bounds or (None, None)
        for field, own, default in (
            ("init", setting.init, declared.init),
            ("lower", lower, declared.lower),
            ("upper", upper, declared.upper),
            ("fixed", setting.fixed, False),
            ("aux", setting.aux, declared.aux),
            ("sigma", setting.sigma, 1.0 if width is None else width),
        ):
            given[field].append([own is not None] * size)
            value = default if own is None else own
            # Most are numbers: a list of them takes less time than an array of each.
            values[field].append(
                [value] * size
                if isinstance(value, (float, int))
                else xp.broadcast_to(value, (size,))
            )
    vectors = {
        field: _vector(parts, bool if field == "fixed" else float)
        for field, parts in values.items()
    }
    vectors |= _checked(vectors, parameters, settings)
    # What the settings say wins over what templates give: bins without yield are fixed
    # and auxiliary counts are computed only where they say nothing.
    for field in ("lower", "upper", "fixed", "aux", "sigma"):
        vectors[f"{field}_given"] = _vector(given[field], bool)
    vectors["declared_init"] = vectors["init"]
    return vectors


def _vector(parts: list[Any], dtype: Any = float) -> Array | np.ndarray:
    """Parts of a flat parameter vector put together."""
    if any(traced(part) for part in parts if not isinstance(part, list)):
        return xp.concatenate([xp.asarray(part, dtype=dtype) for part in parts])
    return np.array(list(itertools.chain.from_iterable(parts)), dtype=dtype)


def _checked(
    vectors: Mapping[str, Any],
    parameters: Mapping[str, Collected],
    settings: Mapping[str, ParameterSettings],
) -> dict[str, Any]:
    """Those of the vectors that have rules, checked."""

    # The name of an entry is looked for only where one is wrong.
    def wrong(field: str, index: int, reason: str) -> SpecificationError:
        ends = np.cumsum([parameter.size for parameter in parameters.values()])
        at = int(np.searchsorted(ends, index, side="right"))
        name, parameter = [*parameters.items()][at]
        index -= int(ends[at]) - parameter.size
        if getattr(settings.get(name), field, None) is not None:
            return _wrong(name, field, reason, index)
        # The width of a luminosity may be its modifier's.
        where = f"{parameter.modifier} {name!r} at {parameter.where}"
        return SpecificationError(reason, (where, f"`{field}`"))

    checked = guarded({field: vectors[field] for field in ("init", "aux", "sigma")})
    if (broken := first_broken(checked)) is not None:
        raise wrong(broken.table, broken.index[0], broken.reason)
    lower, upper, aux = vectors["lower"], vectors["upper"], vectors["aux"]
    if traced(lower, upper):
        # A box without inside would be taken for a parameter at its bound.
        rule = "`bounds` of `ParameterSettings`: lower must be below upper."
        checked["upper"] = eqx.error_if(upper, ~xp.all(lower < upper), rule)
    elif not (lower < upper).all():
        index = int(np.argmin(lower < upper))
        reason = (
            f"{lower[index]:g} is not below {upper[index]:g}. Write (lower, upper)."
        )
        raise wrong("bounds", index, reason)
    # Of normal constraints it may be negative: the measurement of a systematic.
    if not traced(aux) and (aux < 0).any():
        kinds = [[int(p.declaration.kind)] * p.size for p in parameters.values()]
        counts = np.isin(list(itertools.chain(*kinds)), _POISSON)
        if (negative := counts & (aux < 0)).any():
            index = int(np.argmax(negative))
            reason = f"got {aux[index]:g}, but it is a count of a Poisson constraint."
            raise wrong("aux", index, reason)
    return checked
