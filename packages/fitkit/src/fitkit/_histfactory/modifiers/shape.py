"""Modifiers that change the shape of a sample: histosys, shapefactor."""

from typing import final

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike

from ._base import (
    INTERPOLATION,
    AbstractModifier,
    ParameterDeclaration,
    ParameterKind,
    Place,
    Tables,
    as_values,
    check_bins,
)


@final
class HistoSys(AbstractModifier):
    """A correlated shape uncertainty: the templates at -1 and +1 standard deviation.

    Attributes:
        name: the parameter, in standard deviations.
        lo: yields at -1, `[bins]`; may be traced.
        hi: yields at +1, `[bins]`; may be traced.
    """

    name: str = eqx.field(static=True)
    lo: Array | np.ndarray
    hi: Array | np.ndarray

    def __init__(self, name: str, lo: ArrayLike, hi: ArrayLike):
        self.name = name
        self.lo = as_values(lo)
        self.hi = as_values(hi)

    def declare(self, tables: Tables, place: Place) -> None:
        lo, hi = check_bins(self, place, "lo"), check_bins(self, place, "hi")
        tables.parameter(self.name, place, INTERPOLATION)
        tables.histosys(self.name, place, lo, hi)


@final
class ShapeFactor(AbstractModifier):
    """One free factor for each bin: a shape taken from the data.

    Attributes:
        name: the parameter, of shape `(bins,)`.
    """

    name: str = eqx.field(static=True)

    def declare(self, tables: Tables, place: Place) -> None:
        tables.parameter(
            self.name,
            place,
            ParameterDeclaration(place.size, False, ParameterKind.FREE, 1.0, 0.0, 10.0),
        )
        tables.factor(self.name, place, range(place.size))
