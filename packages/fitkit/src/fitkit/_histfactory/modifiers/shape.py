"""Modifiers that change the shape of a sample: histosys, shapefactor."""

from typing import final

import numpy as np
from jaxtyping import Array, ArrayLike

from ..interpolation import ADDITIVE_CODES
from .base import (
    INTERPOLATION,
    AbstractModifier,
    ParameterDeclaration,
    ParameterKind,
    Place,
    Tables,
    as_values,
    check_bins,
    check_code,
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
        code: interpolation, "4p", "2" or "0"; None for the model's `histosys_code`.
    """

    name: str
    lo: Array | np.ndarray
    hi: Array | np.ndarray
    code: str | None

    def __init__(
        self, name: str, lo: ArrayLike, hi: ArrayLike, code: str | None = None
    ):
        check_code("HistoSys", name, code, ADDITIVE_CODES)
        lo, hi = (
            as_values(lo, "lo", "HistoSys", name),
            as_values(hi, "hi", "HistoSys", name),
        )
        vars(self).update(name=name, lo=lo, hi=hi, code=code)

    def declare(self, tables: Tables, place: Place) -> None:
        lo, hi = check_bins(self, place, "lo"), check_bins(self, place, "hi")
        tables.parameter(self.name, place, INTERPOLATION)
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
