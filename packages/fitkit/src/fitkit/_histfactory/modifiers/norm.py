"""Modifiers that scale a whole sample: normfactor, normsys, lumi."""

from typing import final

import numpy as np
from jaxtyping import Array, ArrayLike

from ..._model.constraints import Normal
from ..interpolation import MULTIPLICATIVE_CODES
from .base import (
    AbstractModifier,
    ParameterDeclaration,
    ParameterKind,
    Place,
    Tables,
    as_values,
    check_code,
    check_constraint,
    check_number,
    interpolation_of,
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
        code: interpolation, "4", "1" or "lnN" (Combine's); None for the model's
            `normsys_code`.
        constraint: the class `Normal`, or None for a parameter that is free.

    References:
        CERN-OPEN-2012-016, section 4.1.
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
        check_code("NormSys", name, code, MULTIPLICATIVE_CODES)
        lo, hi = (
            as_values(lo, "lo", "NormSys", name),
            as_values(hi, "hi", "NormSys", name),
        )
        check_constraint("NormSys", name, constraint)
        vars(self).update(name=name, lo=lo, hi=hi, code=code, constraint=constraint)

    def declare(self, tables: Tables, place: Place) -> None:
        lo, hi = check_number(self, "lo"), check_number(self, "hi")
        tables.parameter(self.name, place, interpolation_of(self.constraint))
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


@final
@record
class GammaNorm(AbstractModifier):
    r"""A factor that a count in a control region measures: Combine's gmN and gmM.

    The factor is \(\theta\), and `count` events were observed where
    \(\tau\theta\) are expected. With `tau` = 1, as gmN, the factor is the number of
    events expected in the control region, and the yields of the sample are those for
    one such event (the transfer factor).

    Attributes:
        name: the parameter; start `init`, lower bound 0 and no upper one.
        count: observed in the control region, not negative; may be traced.
        tau: events expected there for a factor of 1, positive; may be traced.
        init: nominal value of the factor.

    Example:
        Four events in a sideband, times 0.16:

        >>> import fitkit
        >>> sideband = fitkit.GammaNorm("WW_norm", 4)
        >>> background = fitkit.Sample("WW", [0.16], [sideband])
        >>> model = fitkit.Model([fitkit.Channel("SR", [background])], poi=None)
        >>> float(model.expected_data(model.init).main["SR"][0])
        0.64
    """

    name: str
    count: Array | np.ndarray
    tau: Array | np.ndarray
    init: Array | np.ndarray

    def __init__(
        self,
        name: str,
        count: ArrayLike,
        tau: ArrayLike = 1.0,
        init: ArrayLike | None = None,
    ):
        count = as_values(count, "count", "GammaNorm", name)
        tau = as_values(tau, "tau", "GammaNorm", name)
        start = count / tau if init is None else init
        init = as_values(start, "init", "GammaNorm", name)
        vars(self).update(name=name, count=count, tau=tau, init=init)

    def declare(self, tables: Tables, place: Place) -> None:
        count, tau, init = (check_number(self, f) for f in ("count", "tau", "init"))
        tables.parameter(
            self.name,
            place,
            ParameterDeclaration(
                1,
                True,
                ParameterKind.COUNT,
                init=init,
                lower=0.0,
                upper=np.inf,
                aux=count,
                sigma=tau**-0.5,
            ),
        )
        tables.factor(self.name, place, 0)
