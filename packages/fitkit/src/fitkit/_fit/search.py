"""One search for a minimum, and what is known where it ended."""

from typing import NamedTuple, final

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._custom_types import Vector
from .._model.likelihood import AbstractObjective, Derivatives
from .._numerics.bordered_matrix import Factor, factorise
from .._numerics.namespace import xp
from .box import Box
from .continuation import Carry, continuation
from .newton import MOST_STEPS, NewtonState, initial_state, newton_step
from .stationarity import Stationarity, stationarity

# Below this estimated distance to the minimum, in units of the negative log-likelihood,
# one last Newton step ends a search. As Newton's method doubles its digits with each
# step, what is left afterwards is far smaller.
EDM_TOLERANCE = 1e-8
# Of all searches of a fit together.
MAX_STEPS = 1000

# Why a search ended: at a minimum; no step lowers the function; too many steps; the
# function is infinite wherever the search could go.
CONVERGED, STUCK, TOO_MANY_STEPS, IMPOSSIBLE = 0, 1, 2, 3


@final
class Search(NamedTuple):
    """The end of a search.

    Attributes:
        y: where it ended.
        at: function and derivatives there.
        edm: estimated distance to the minimum before the last step.
        steps: Newton steps.
        stationarity: which equation holds for each entry.
        unique: whether the Hessian of the free entries is positive definite.
        factor: of the Hessian, on the free entries.
        status: why it ended.
    """

    y: Vector
    at: Derivatives
    edm: Float[Array, ""]
    steps: Int[Array, ""]
    stationarity: Stationarity
    unique: Bool[Array, ""]
    factor: Factor
    status: Int[Array, ""]


def ended(objective: AbstractObjective, state: NewtonState, steps, box: Box) -> Search:
    """What is known where a search ended."""
    held = stationarity(objective, state.y, state.at, box)
    factor, unique = factorise(state.at.hessian, held.free, strict=True)
    return Search(
        y=state.y,
        at=state.at,
        edm=state.edm,
        steps=steps,
        stationarity=held,
        unique=unique,
        factor=factor,
        status=xp.where(
            ~xp.isfinite(state.at.value),
            IMPOSSIBLE,
            xp.where(
                state.done,
                CONVERGED,
                xp.where(
                    state.stuck & (state.steps < MOST_STEPS), STUCK, TOO_MANY_STEPS
                ),
            ),
        ),
    )


def search_on_numpy(
    objective: AbstractObjective,
    start: Vector,
    inside: Vector,
    box: Box,
    max_steps: int,
) -> Search:
    """A search, step by step.

    Args:
        objective: what is minimised.
        start: where to begin; entries that are not movable are wanted there.
        inside: where to begin instead, if the function is infinite there.
        box: where the search may go.
        max_steps: after so many it is given up.
    """

    def search(carry: Carry) -> Carry:
        y, steps, state = carry
        while True:
            y, state = newton_step(objective, y, box, state, EDM_TOLERANCE)
            steps += 1
            if state.done or state.stuck or steps >= max_steps:
                return y, steps, state

    begin = start, np.int64(0), initial_state(objective, start)
    _, steps, state = continuation(search, begin, inside, box.movable, objective)
    return ended(objective, state, steps, box)
