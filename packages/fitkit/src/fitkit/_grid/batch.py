"""Points of one shape, stacked, and what is computed of each."""

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import jax
import numpy as np
from jaxtyping import Array, Float

from .._custom_types import Mask
from .._fit.minimise import minimise
from .._hypotest import discovery, hypotest
from .._hypotest.asymptotics import Asymptotics
from .._hypotest.fits import fits_of_test, pick
from .._hypotest.limit import asymptotic_limits
from .._hypotest.statistic import Q0, AbstractTestStatistic
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.parameters import ParameterVectors
from .._numerics.batch import LONG_PROGRAM, Batched
from .._numerics.namespace import xp


@final
class Member(NamedTuple):
    """One point without its names: what a batch stacks.

    Attributes:
        likelihood: the model at its data.
        parameters: starts, bounds and fixed entries of all its fits.
        poi: the entry of the parameter of interest; none for a plain fit.
    """

    likelihood: AbstractNegativeLogLikelihood
    parameters: ParameterVectors
    poi: Mask | np.ndarray

    def shape(self) -> tuple[Any, ...]:
        """What the members of one batch have in common."""
        leaves, structure = jax.tree.flatten(self)
        return structure, tuple((np.shape(x), np.result_type(x)) for x in leaves)


def stacked(members: Sequence[Member]) -> Member:
    """Members of one shape side by side."""
    return jax.tree.map(lambda *leaves: np.array(leaves), *members)


# The attributes of results that become columns, with their shapes for each point.
_BAND = (5,)
EXCLUSION: dict[str, tuple[int, ...]] = {
    "cls": (),
    "cls_expected": _BAND,
    "log_cls": (),
    "log_cls_expected": _BAND,
    "statistic": (),
    "statistic_asimov": (),
    "best": (),
}
DISCOVERY: dict[str, tuple[int, ...]] = {
    "p0": (),
    "p0_expected": _BAND,
    "significance": (),
    "significance_expected": _BAND,
    "statistic": (),
    "statistic_asimov": (),
    "best": (),
}
LIMITS: dict[str, tuple[int, ...]] = {"observed": (), "expected": _BAND}
BEST_FIT: dict[str, tuple[int, ...]] = {"best": (), "twice_nll": (), "edm": ()}


def _test(
    common: tuple[Float[Array, "*values"], AbstractTestStatistic, Asymptotics],
    member: Member,
) -> dict[str, Array]:
    tested, statistic, calculator = common
    free, conditional = fits_of_test(*member, tested, statistic, calculator)
    result = hypotest.result_of_fits(tested, free, conditional, statistic, calculator)
    # The best fit is one for all values; a column has an entry for each.
    columns = {name: getattr(result, name) for name in EXCLUSION}
    columns["best"] = xp.broadcast_to(columns["best"], xp.shape(tested))
    return columns | {"converged": result.converged}


def _discovery(common: tuple[Q0, Asymptotics], member: Member) -> dict[str, Array]:
    statistic, calculator = common
    free, conditional = fits_of_test(*member, np.zeros(()), statistic, calculator)
    result = discovery.result_of_fits(free, conditional, statistic, calculator)
    columns = {name: getattr(result, name) for name in DISCOVERY}
    return columns | {"converged": result.converged}


def _limit(
    common: tuple[Array, AbstractTestStatistic, Asymptotics, Array], member: Member
) -> dict[str, Array]:
    level, statistic, calculator, tolerance = common
    limits, converged, _ = asymptotic_limits(
        *member, xp.log(level), statistic, calculator, tolerance
    )
    # All six flags: one limit that does not exist is no reason to lose the others.
    return {"observed": limits[0], "expected": limits[1:], "converged": converged}


def _fit(common: tuple[()], member: Member) -> dict[str, Array]:
    minimum = minimise(member.likelihood, member.parameters)
    return {
        "best": xp.where(xp.any(member.poi), pick(minimum.y, member.poi), np.nan),
        "twice_nll": minimum.twice_nll,
        "edm": minimum.edm,
        "converged": minimum.converged,
    }


# Each runs on NumPy, point by point, until a program for the rest would be sooner.
tests, discoveries, fits = map(Batched, (_test, _discovery, _fit))
limits = Batched(_limit, LONG_PROGRAM)
