"""Modifiers for the statistical error of templates: shapesys, staterror."""

from typing import final

import numpy as np
from jaxtyping import Array, ArrayLike

from ..._model.constraints import Normal, Poisson
from .base import (
    AbstractModifier,
    ParameterDeclaration,
    ParameterKind,
    Place,
    Tables,
    as_values,
    check_bins,
    record,
)

# A factor of a bin stays positive: at 0 the bin could not produce what was counted.
_SMALLEST_FACTOR = 1e-10
# The choice is the class of the constraint: a word for it would need a table of words.
_KINDS = {Normal: ParameterKind.MC_STAT, Poisson: ParameterKind.POISSON_STAT}


@final
@record
class ShapeSys(AbstractModifier):
    """One factor per bin of one sample, with a Poisson constraint of (yield/error)^2.

    A bin with no yield or no error has its factor fixed at 1.

    Attributes:
        name: the parameter, of shape `(bins,)`; used by this sample alone.
        uncertainty: absolute error of the sample's yields, `[bins]`, not negative; may
            be traced.

    References:
        CERN-OPEN-2012-016, section 4.2.
    """

    name: str
    uncertainty: Array | np.ndarray

    def __init__(self, name: str, uncertainty: ArrayLike):
        values = as_values(uncertainty, "uncertainty", "ShapeSys", name)
        vars(self).update(name=name, uncertainty=values)

    def declare(self, tables: Tables, place: Place) -> None:
        uncertainty = check_bins(self, place, "uncertainty")
        # The width follows from yields and errors, which may be traced, at the end.
        tables.parameter(
            self.name,
            place,
            ParameterDeclaration(
                place.size, False, ParameterKind.POISSON, 1.0, _SMALLEST_FACTOR, 10.0
            ),
        )
        tables.factor(self.name, place, np.arange(place.size), uncertainty)


@final
@record
class StatError(AbstractModifier):
    """One factor per bin for the Monte Carlo statistics of a channel's total.

    The samples of a channel that carry it share the factors; the constraint has the
    relative error of their sum (Barlow-Beeston "lite"). Where the sum is not positive
    there is no relative error, and the factor is fixed at 1, as in pyhf.

    Attributes:
        name: the parameter; the channel's name is customarily a part of it.
        uncertainty: absolute error of this sample's yields, the root of its sum of
            squared weights, `[bins]`, not negative; may be traced. None where the
            sample's yields are a histogram that knows its variances.
        constraint: `Normal` (default, as pyhf), or `Poisson`, which is right also for
            few simulated events: a count of the effective number of events,
            (total/error)^2.

    References:
        J. S. Conway, arXiv:1103.0354, section 5; CERN-OPEN-2012-016, section 4.2
        (both constraints).
    """

    name: str
    uncertainty: Array | np.ndarray | None
    constraint: type[Normal] | type[Poisson]

    def __init__(
        self,
        name: str,
        uncertainty: ArrayLike | None = None,
        constraint: type[Normal] | type[Poisson] = Normal,
    ):
        if constraint not in _KINDS:
            raise ValueError(
                f"StatError {name!r}: `constraint` must be the class `fitkit.Normal` "
                f"or `fitkit.Poisson`; got {constraint!r}."
            )
        values = uncertainty
        if values is not None:
            values = as_values(uncertainty, "uncertainty", "StatError", name)
        vars(self).update(name=name, uncertainty=values, constraint=constraint)

    def declare(self, tables: Tables, place: Place) -> None:
        uncertainty = check_bins(self, place, "uncertainty")
        start = tables.parameter(
            self.name,
            place,
            ParameterDeclaration(
                place.size,
                False,
                _KINDS[self.constraint],
                1.0,
                _SMALLEST_FACTOR,
                10.0,
                aux=1.0,
            ),
        )
        entries = np.arange(start, start + place.size)
        tables.factor(self.name, place, entries, uncertainty)
