"""Models of one shape, stacked and fitted in one call, side by side or in turn."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Float

from .._numerics.compiled import compiled
from .._custom_types import Mask
from .._numerics.batch import in_lanes
from .._fit.minimise import FitOptions, minimise
from .._hypotest.asymptotics import Asymptotics
from .._hypotest.hypotest import result_of_test
from .._hypotest.limit import asymptotic_limits
from .._hypotest.fits import Held, fit_twins, pick
from .._hypotest.statistic import AbstractTestStatistic
from .._model.likelihood import AbstractNegativeLogLikelihood


class Lane(NamedTuple):
    """One point without its names: what a batch stacks.

    Attributes:
        likelihood: the model at its data.
        options: of all its fits.
        poi: the entry of the parameter of interest; none for a plain fit.
    """

    likelihood: AbstractNegativeLogLikelihood
    options: FitOptions
    poi: Mask | np.ndarray

    def shape(self) -> tuple[Any, ...]:
        """What the lanes of one batch have in common."""
        leaves, structure = jax.tree.flatten(self)
        return structure, tuple((np.shape(x), np.result_type(x)) for x in leaves)


def stacked(lanes: Sequence[Lane], size: int) -> Lane:
    """Lanes of one shape side by side, the last repeated up to `size`."""
    padded = [*lanes, *[lanes[-1]] * (size - len(lanes))]
    return jax.tree.map(lambda *leaves: np.array(leaves), *padded)


@compiled
def tests(
    lanes: Lane,
    poi_value: Float[Array, "*values"],
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
    solver: optx.AbstractMinimiser | None,
    columns: tuple[str, ...],
) -> dict[str, Array]:
    """`hypotest` of all lanes: the named attributes of its results."""

    def one(lane: Lane) -> dict[str, Array]:
        twin, held = fit_twins(*lane, poi_value, statistic, solver, calculator)

        def of_value(tested: Array, held: Held) -> dict[str, Array]:
            result = result_of_test(tested, twin, held, statistic, calculator)
            return {name: getattr(result, name) for name in columns}

        each = jax.vmap(of_value) if poi_value.ndim else of_value
        return each(poi_value, held)

    return in_lanes(one, lanes, lanes.poi.shape[-1])


@compiled
def limits(
    lanes: Lane,
    level: Float[Array, ""],
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
    tolerance: float,
    solver: optx.AbstractMinimiser | None,
) -> dict[str, Array]:
    """`upper_limit` of all lanes."""

    def one(lane: Lane) -> dict[str, Array]:
        found, converged = asymptotic_limits(
            *lane, jnp.log(level), statistic, calculator, solver, tolerance
        )
        return {
            "observed": found[0],
            "expected": found[1:],
            "converged": jnp.all(converged),
        }

    return in_lanes(one, lanes, lanes.poi.shape[-1])


@compiled
def fits(lanes: Lane, solver: optx.AbstractMinimiser | None) -> dict[str, Array]:
    """`fit` of all lanes."""

    def one(lane: Lane) -> dict[str, Array]:
        found = minimise(lane.likelihood, lane.options, solver)
        return {
            "best": jnp.where(jnp.any(lane.poi), pick(found.y, lane.poi), jnp.nan),
            "twice_nll": found.twice_nll,
            "edm": found.edm,
            "converged": found.converged,
        }

    return in_lanes(one, lanes, lanes.poi.shape[-1])
