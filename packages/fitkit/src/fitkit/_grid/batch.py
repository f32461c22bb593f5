"""Models of one shape, stacked and fitted in one call, side by side or in turn."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Float

from .._custom_types import Mask
from .._fit.minimum import FitOptions, minimise
from .._hypotest.asymptotics import Asymptotics
from .._hypotest.hypotest import result_of_test
from .._hypotest.limit import limits_of_twin
from .._hypotest.profiling import pick, prepare, statistics_at
from .._hypotest.statistic import AbstractTestStatistic
from .._likelihood import AbstractNegativeLogLikelihood

# Up to so many parameters lanes go side by side, one step of all fits at a time; above
# they go in turn. Side by side every lane takes both branches of each condition and as
# many steps as the slowest, which the larger matrices stop hiding. CPU time of
# `hypotest` side by side over that in turn, 32 lanes (8 of the last): 0.6 with 15
# parameters, 0.8 with 30, 1.15 with 45, 1.6 with 64.
_MOST_SIDE_BY_SIDE = 40


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


def _of_each(one: Callable[[Lane], dict[str, Array]], lanes: Lane) -> dict[str, Array]:
    """What `one` says of each lane, in one program."""
    if lanes.poi.shape[-1] <= _MOST_SIDE_BY_SIDE:
        return jax.vmap(one)(lanes)
    return jax.lax.map(one, lanes)


@eqx.filter_jit
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
        twin = prepare(*lane, statistic, solver, calculator.nominal_aux)

        def at(tested: Array) -> dict[str, Array]:
            q, q_asimov, converged = statistics_at(twin, tested, statistic, solver)
            result = result_of_test(
                tested, q, q_asimov, twin.best, converged, statistic, calculator
            )
            return {name: getattr(result, name) for name in columns}

        return jax.vmap(at)(poi_value) if poi_value.ndim else at(poi_value)

    return _of_each(one, lanes)


@eqx.filter_jit
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
        twin = prepare(*lane, statistic, solver, calculator.nominal_aux)
        found, converged = limits_of_twin(
            twin, jnp.log(level), statistic, calculator, solver, tolerance
        )
        return {
            "observed": found[0],
            "expected": found[1:],
            "converged": jnp.all(converged),
        }

    return _of_each(one, lanes)


@eqx.filter_jit
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

    return _of_each(one, lanes)
