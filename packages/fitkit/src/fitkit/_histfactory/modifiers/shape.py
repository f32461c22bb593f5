"""Modifiers that change the shape of a sample: histosys, shapefactor."""

from typing import final

import numpy as np
from jaxtyping import Array, ArrayLike

from ..._model.constraints import Normal
from ..interpolation import ADDITIVE_CODES, is_additive
from .base import (
    AbstractModifier,
    ParameterDeclaration,
    ParameterKind,
    Place,
    Tables,
    as_values,
    check_bins,
    check_code,
    check_constraint,
    interpolation_of,
    record,
)


@final
@record
class HistoSys(AbstractModifier):
    """A correlated shape uncertainty: the templates at -1 and +1 standard deviation.

    Attributes:
        name: the parameter, in standard deviations.
        lo: yields at -1, `[bins]`; may be traced.
        hi: yields at +1, `[bins]`; may be traced.
        code: interpolation, "4p", "2" or "0", or "4p@0.5" for a polynomial inside half
            a standard deviation; None for the model's `histosys_code`.
        constraint: the class `Normal`, or None for a parameter that is free.

    References:
        CERN-OPEN-2012-016, section 4.1; ROOT `MathFuncs.h` (code 4p).
    """

    name: str
    lo: Array | np.ndarray
    hi: Array | np.ndarray
    code: str | None
    constraint: type[Normal] | None

    def __init__(
        self,
        name: str,
        lo: ArrayLike,
        hi: ArrayLike,
        code: str | None = None,
        constraint: type[Normal] | None = Normal,
    ):
        if code is None or not is_additive(code):
            check_code("HistoSys", name, code, ADDITIVE_CODES)
        lo, hi = (
            as_values(lo, "lo", "HistoSys", name),
            as_values(hi, "hi", "HistoSys", name),
        )
        check_constraint("HistoSys", name, constraint)
        vars(self).update(name=name, lo=lo, hi=hi, code=code, constraint=constraint)

    def declare(self, tables: Tables, place: Place) -> None:
        lo, hi = check_bins(self, place, "lo"), check_bins(self, place, "hi")
        tables.parameter(self.name, place, interpolation_of(self.constraint))
        tables.histosys(self.name, place, lo, hi, self.code)


@final
@record
class ShapeFactor(AbstractModifier):
    """One free factor for each bin: a shape taken from the data.

    Attributes:
        name: the parameter, of shape `(bins,)`.
    """

    name: str

    def declare(self, tables: Tables, place: Place) -> None:
        tables.parameter(
            self.name,
            place,
            # A vector, also for one bin: documents list its settings so.
            ParameterDeclaration(
                place.size, False, ParameterKind.FREE, 1.0, 0.0, np.inf
            ),
        )
        tables.factor(self.name, place, np.arange(place.size))


@final
@record
class Floor(AbstractModifier):
    """Yields that are at least so many, whatever variations subtract; for readers.

    Attributes:
        name: of the modifier; it is no parameter.
        least: the least yield of a bin.
    """

    name: str
    least: float

    def declare(self, tables: Tables, place: Place) -> None:
        tables.floor(place, self.least)
