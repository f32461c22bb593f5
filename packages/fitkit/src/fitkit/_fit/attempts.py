"""Further attempts at a minimum, where the search from the start gives up."""

import jax
import numpy as np

from .._custom_types import Mask
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.parameters import ParameterVectors
from .._numerics.compiled import numpy_or_compiled, runs_on_numpy
from .._numerics.namespace import xp
from .minimise import Minimum, minimise
from .search import CONVERGED, EDM_TOLERANCE, IMPOSSIBLE

# The steps of a walk along the parameter of interest.
_WALK = 16
# What is left of the way to the data, in the walk along them. Where a minimum lies on
# a wall, in bins whose count is all but zero, the last part is the hardest.
_LEFT = (1.0, 0.75, 0.5, 0.25, 0.125, 1e-2, 1e-3, 1e-4, 1e-6, 0.0)


@numpy_or_compiled
def minimised_from_anywhere(
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    poi: Mask,
) -> Minimum:
    """As `minimise`; on NumPy a fit that is given up is tried again in two other ways.

    Far from what the data allow, at strengths of 10 and 50, a likelihood may be so
    ragged that a search ends between two walls, with a minimum elsewhere.

    For a fit that somebody asked for. Searches for limits, which make many where no
    minimum may be, do without. Compiled, a batch would pay for what one of its members
    needs.

    Args:
        likelihood, parameters: as of `minimise`.
        poi: the entries of the parameters of interest, `[params]`.
    """
    found = minimise(likelihood, parameters)
    if not runs_on_numpy(likelihood, parameters, poi) or found.status == IMPOSSIBLE:
        return found
    if _arrived(likelihood, found):
        return _as_converged(found)
    # Both, for there may be more than one minimum, and either may miss the lowest.
    ends = [
        _along_the_profile(likelihood, parameters, poi),
        _along_the_data(likelihood, parameters),
    ]
    minima = [end for end in ends if _arrived(likelihood, end)]
    if not minima:
        return found
    return _as_converged(min(minima, key=lambda minimum: float(minimum.value)))


def _arrived(likelihood: AbstractNegativeLogLikelihood, found: Minimum) -> bool:
    """Whether a search ended at a minimum, or as near as that matters.

    No parameters are better than the saturated model, whose value is 0: what is left
    above it bounds the distance to the minimum, also where the minimum lies on a wall
    and no step leads on.
    """
    known = likelihood.bins() is not None
    saturated = known and abs(found.value) < EDM_TOLERANCE
    return bool(found.converged) or saturated


def _as_converged(found: Minimum) -> Minimum:
    if found.converged:
        return found
    return found._replace(
        converged=np.bool_(True), status=np.asarray(CONVERGED), edm=found.value
    )


def _along_the_profile(
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    poi: Mask,
) -> Minimum:
    """The end of a walk along the profile, from where the model declares its start.

    The last fit of it, which need not have converged.
    """
    wanted, declared = parameters.init, parameters.declared_init
    at = minimise(likelihood, parameters.fixed_at(poi, declared))
    fixed = poi & parameters.fixed
    ways = np.linspace(0.0, 1.0, _WALK + 1)[1:] if fixed.any() else [1.0]
    for way in ways:
        if not at.converged:
            break
        value = np.where(fixed, declared + way * (wanted - declared), at.y)
        at = minimise(likelihood, parameters.starting_at(value))
    return at


def _along_the_data(
    likelihood: AbstractNegativeLogLikelihood, parameters: ParameterVectors
) -> Minimum:
    """The end of a walk from the data that the start expects to those that were taken.

    Of the first of them the start is the minimum; each next fit begins at the last.
    """
    taken = likelihood.observations()
    expected = likelihood.expected(parameters.start()[0])
    for left in _LEFT:
        between = jax.tree.map(
            lambda a, b, part=left: part * a + (1 - part) * b, expected, taken
        )
        at = minimise(likelihood.at(between if left else taken), parameters)
        if xp.isfinite(at.value):
            parameters = parameters.starting_at(at.y)
    return at
