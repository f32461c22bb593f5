"""Modifiers that scale a whole sample: normfactor, normsys, lumi."""

from typing import final

import numpy as np
from jaxtyping import Array, ArrayLike

from ..interpolation import MULTIPLICATIVE_CODES
from .base import (
    INTERPOLATION,
    AbstractModifier,
    ParameterDeclaration,
    ParameterKind,
    Place,
    Tables,
    as_values,
    check_code,
    check_number,
    record,
)

# Start and bounds are pyhf's: documents leave them out and count on these.
# No upper bound: pyhf's default of 10 caps the best fit of a weak signal, silently.
_FREE = ParameterDeclaration(1, True, ParameterKind.FREE, 1.0, 0.0, np.inf)


@final
@record
class NormFactor(AbstractModifier):
    """A free factor: signal strengths, normalisations measured in control channels.

    Start 1, lower bound 0 and no upper one, unless the settings say otherwise.

    Attributes:
        name: the parameter.
    """

    name: str

    def declare(self, tables: Tables, place: Place) -> None:
        tables.parameter(self.name, place, _FREE)
        tables.factor(self.name, place, 0)


@final
@record
class NormSys(AbstractModifier):
    """A normalisation uncertainty with a unit normal constraint.

    Attributes:
        name: the parameter, in standard deviations.
        lo: the factor at -1, positive; may be traced.
        hi: the factor at +1, positive; may be traced.
        code: interpolation, "4" or "1"; None for the model's `normsys_code`.
    """

    name: str
    lo: Array | np.ndarray
    hi: Array | np.ndarray
    code: str | None

    def __init__(
        self, name: str, lo: ArrayLike, hi: ArrayLike, code: str | None = None
    ):
        check_code("NormSys", name, code, MULTIPLICATIVE_CODES)
        lo, hi = (
            as_values(lo, "lo", "NormSys", name),
            as_values(hi, "hi", "NormSys", name),
        )
        vars(self).update(name=name, lo=lo, hi=hi, code=code)

    def declare(self, tables: Tables, place: Place) -> None:
        lo, hi = check_number(self, "lo"), check_number(self, "hi")
        # The one declaration object of all systematics: see `Collector.parameter`.
        tables.parameter(self.name, place, INTERPOLATION)
        tables.normsys(self.name, place, lo, hi, self.code)


@final
@record
class Lumi(AbstractModifier):
    """The luminosity: one factor with a normal constraint of given width.

    Attributes:
        name: the parameter.
        sigma: its relative uncertainty, positive, the same wherever it is given; None
            where another `Lumi` of this name or `ParameterSettings` give it.
    """

    name: str
    sigma: Array | np.ndarray | None

    def __init__(self, name: str = "lumi", sigma: ArrayLike | None = None):
        if sigma is not None:
            sigma = as_values(sigma, "sigma", "Lumi", name)
        vars(self).update(name=name, sigma=sigma)

    def declare(self, tables: Tables, place: Place) -> None:
        sigma = None if self.sigma is None else check_number(self, "sigma")
        tables.parameter(
            self.name,
            place,
            ParameterDeclaration(
                1,
                True,
                ParameterKind.NORMAL,
                init=1.0,
                lower=0.0,  # pyhf's, as wide as those of a free factor
                upper=10.0,
                aux=1.0,
                sigma=sigma,
            ),
        )
        tables.factor(self.name, place, 0)
