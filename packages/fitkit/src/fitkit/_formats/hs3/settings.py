"""Starts, bounds and constraints of parameters, as an HS3 document says them."""

from typing import final

import numpy as np

from ..._histfactory.spec import ParameterSettings
from ..._workspace.error import WorkspaceError
from .constraints import Constraint
from .document import Chosen, Value
from .parameters import Parameters, Vector
from .schema import ShapeSysPart, StatErrorPart

_SMALLEST_FACTOR = 1e-10
# The bounds of a modifier where a document says nothing, as `Model` takes them.
_BOUNDS = {
    "normfactor": (0.0, np.inf),
    "lumi": (0.0, 10.0),
    "normsys": (-5.0, 5.0),
    "histosys": (-5.0, 5.0),
    "shapefactor": (0.0, np.inf),
    "shapesys": (_SMALLEST_FACTOR, 10.0),
    "staterror": (_SMALLEST_FACTOR, 10.0),
}


@final
class Settings:
    """Settings of a likelihood's parameters."""

    def __init__(self, about: Chosen, parameters: Parameters):
        """Of the values and bounds that a document gives."""
        self._about, self._parameters = about, parameters

    def of_scalar(
        self, name: str, kind: str, word: str, explicit: Constraint | None
    ) -> ParameterSettings:
        value = self._about.values.get(name, Value(None, None))
        bounds, empty = self._range(name, kind)
        const = bool(value.const) or word == "Const" or empty
        aux = sigma = None
        if explicit is not None:
            aux = explicit.aux
            # A luminosity has its width in its modifier.
            sigma = None if kind == "lumi" else explicit.sigma
        return ParameterSettings(
            init=value.value,
            bounds=None if bounds == _BOUNDS[kind] else bounds,
            fixed=True if const else None,
            aux=aux,
            sigma=sigma,
        )

    def of_vector(
        self, vector: Vector, word: str, explicit: list[Constraint | None]
    ) -> ParameterSettings:
        values = [self._about.values.get(e, Value(None, None)) for e in vector.entries]
        ranges = [self._range(entry, vector.kind) for entry in vector.entries]
        pairs = [pair for pair, _ in ranges]
        const = np.array([bool(v.const) for v in values])
        const |= np.array([empty for _, empty in ranges]) | (word == "Const")
        fixed = None
        if const.any() or (
            word != "Const" and all(v.const is not None for v in values)
        ):
            exact = all(v.const is not None for v in values)
            fixed = const if exact else const | self._without_error(vector)
        aux = sigma = None
        if any(each is not None for each in explicit):
            for entry, each, held in zip(vector.entries, explicit, const, strict=True):
                if each is None and not held:
                    raise WorkspaceError(
                        f"{vector.where}: {entry!r} has no constraint, though other "
                        f"bins of {vector.name!r} have. Add it, or make it `const`."
                    )
            aux = [1.0 if each is None else each.aux for each in explicit]
            sigma = [1.0 if each is None else each.sigma for each in explicit]
        init = None
        if any(v.value is not None for v in values):
            init = [1.0 if v.value is None else v.value for v in values]
        default = _BOUNDS[vector.kind]
        return ParameterSettings(
            init=init,
            bounds=None
            if all(pair == default for pair in pairs)
            else ([low for low, _ in pairs], [high for _, high in pairs]),
            fixed=fixed,
            aux=aux,
            sigma=sigma,
        )

    def _range(self, entry: str, kind: str) -> tuple[tuple[float, float], bool]:
        """The bounds of an entry, and whether they hold it where it is."""
        default = _BOUNDS[kind]
        said = self._about.bounds.get(entry)
        if said is None:
            return default, False
        lower = -np.inf if said.lower is None else said.lower
        upper = np.inf if said.upper is None else said.upper
        return ((lower, upper), False) if lower < upper else (default, True)

    def _without_error(self, vector: Vector) -> np.ndarray:
        """Bins that no uncertainty or no yield leaves without a constraint."""
        total: dict[str, float] = {}
        error: dict[str, float] = {}
        for (c, s, m), entries in self._parameters.entries_at.items():
            if (
                self._parameters.names[entries] != vector.name
                or vector.kind == "shapefactor"
            ):
                continue
            sample = self._parameters.channels[c].content.samples[s]
            part = sample.modifiers[m]
            if isinstance(part, ShapeSysPart):
                given = part.data.vals
            elif isinstance(part, StatErrorPart):
                given = part.errors(sample.data) or [0.0] * len(entries)
            else:
                continue
            for entry, content, each in zip(
                entries, sample.data.contents, given, strict=False
            ):
                total[entry] = total.get(entry, 0.0) + content
                error[entry] = error.get(entry, 0.0) + abs(each)
        return np.array(
            [
                entry in total and not (total[entry] > 0 and error[entry] > 0)
                for entry in vector.entries
            ]
        )
