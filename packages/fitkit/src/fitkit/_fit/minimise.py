"""Minima of a likelihood in a box: flat vectors, without names."""

from typing import Any, NamedTuple, final

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._custom_types import Vector
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.parameters import ParameterVectors
from .._numerics.bordered_matrix import Bordered
from .._numerics.compiled import needs_jax, numpy_or_compiled, runs_on_numpy
from .._numerics.namespace import choose, concrete, freeze, traced, xp
from .._numerics.threads import one_thread
from .box import Box
from .implicit import Found, minimum_point, minimum_value
from .search import CONVERGED, MAX_STEPS, Search, search_on_numpy
from .stationarity import Stationarity


@final
class Minimum(NamedTuple):
    """The minimum of a likelihood in its box, as flat vectors without names.

    Attributes:
        y: where it is; differentiable.
        value: minus the log-likelihood less its saturated value; differentiable.
        twice_nll: minus twice the log-likelihood; differentiable.
        edm: estimated distance to the minimum, before the last step.
        steps: Newton steps, those of a continuation included.
        stationarity: which entries are free, at a bound, on the edge, at a kink.
        unique: whether the Hessian of the free entries is positive definite.
        gradient, curvature: there, the latter the Hessian; they carry no derivative.
        converged: whether it ended at a minimum.
        status: why the search ended; see `search.py`.
    """

    y: Vector
    value: Float[Array, ""]
    twice_nll: Float[Array, ""]
    edm: Float[Array, ""]
    steps: Int[Array, ""]
    stationarity: Stationarity
    unique: Bool[Array, ""]
    gradient: Vector
    curvature: Bordered
    converged: Bool[Array, ""]
    status: Int[Array, ""]


def minimise(
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    inside: Vector | None = None,
    max_steps: int = MAX_STEPS,
) -> Minimum:
    """Minimise a likelihood in its box.

    Args:
        likelihood: the model at its data.
        parameters: starts, bounds and fixed entries.
        inside: a point of which it is known that the likelihood is not zero there, to
            begin at where it is zero at the start; by default the one that the model
            declares.
        max_steps: after so many steps a search is given up.
    """
    found = _searched(likelihood, parameters, inside, max_steps)
    at, held = found.at, found.stationarity
    point = freeze(Found(found.y, at.value, held.free, at.hessian, found.factor))
    target = held.target(parameters.start()[0], parameters.lower, parameters.upper)
    value = minimum_value(likelihood, target, point)
    return Minimum(
        y=minimum_point(likelihood, target, point),
        value=value,
        twice_nll=2 * (value + likelihood.saturated()),
        edm=found.edm,
        steps=found.steps,
        stationarity=held,
        unique=found.unique,
        gradient=freeze(at.gradient),
        curvature=freeze(at.hessian),
        converged=(found.status == CONVERGED) & xp.isfinite(value),
        status=found.status,
    )


minimised = numpy_or_compiled(minimise)


def _searched(
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    inside: Vector | None,
    max_steps: int,
) -> Search:
    """The search for the minimum, or the better one of two; arguments as above."""
    start, movable = parameters.start()
    lower, upper = parameters.lower, parameters.upper
    inside = parameters.declared_init if inside is None else inside
    inside = xp.where(movable, xp.clip(inside, lower, upper), inside)
    if runs_on_numpy(likelihood, parameters, inside):
        search = search_on_numpy
    else:
        # Only a traced fit needs optimistix, which takes a while to import.
        from .solver import search_traced as search

    def searched(side: float) -> Search:
        box = Box(lower, upper, movable, side)
        return search(likelihood, start, inside, box, max_steps)

    found = searched(1.0)
    if likelihood.has_kinks:
        # A kink that descends on both sides is the door to two minima: try both.
        other = searched(-1.0)
        better = (other.at.value < found.at.value) | (
            xp.isnan(found.at.value) & ~xp.isnan(other.at.value)
        )
        found = choose(better, other, found)
    return found


def smallest_value(
    likelihood: AbstractNegativeLogLikelihood, parameters: ParameterVectors
) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """Minus the log-likelihood at the minimum, less saturation, and whether it is one.

    The first derivative of a program that has only this needs no linear system: where
    the minimum is has none, and is not asked for.
    """
    found = _searched(likelihood, parameters, None, MAX_STEPS)
    held, value = found.stationarity, found.at.value
    return _at_minimum(
        likelihood, parameters, found.y, value, held, found.status == CONVERGED
    )


def _at_minimum(
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    y: Vector,
    value: Float[Array, ""],
    held: Stationarity,
    converged: Bool[Array, ""],
) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    target = held.target(parameters.start()[0], parameters.lower, parameters.upper)
    point = freeze(Found(y, value, held.free))
    value = minimum_value(likelihood, target, point)
    return value, converged & xp.isfinite(value)


def searched_on_host(
    likelihood: AbstractNegativeLogLikelihood, parameters: ParameterVectors
) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """As `smallest_value`, for a program that leaves the search to NumPy.

    Raises:
        TypeError: for a likelihood that is written in `jax.numpy`.
    """
    if needs_jax(likelihood):
        raise TypeError(
            f"a {type(likelihood).__name__} is written in `jax.numpy`, and cannot be "
            "fitted outside of a program: leave out `on_host`."
        )
    leaves, structure = jax.tree.flatten((likelihood, parameters))
    # What is known while the program is traced need not be handed over in each call.
    passed = [number for number, leaf in enumerate(leaves) if traced(leaf)]

    def on_host(*values: Any) -> Any:
        every = list(leaves)
        for number, value in zip(passed, values, strict=True):
            every[number] = np.asarray(value)
        with one_thread():
            arguments = concrete(jax.tree.unflatten(structure, every))
            found = _searched(*arguments, None, MAX_STEPS)
        converged = found.status == CONVERGED
        parts = found.y, found.at.value, found.stationarity, converged
        return jax.tree.map(lambda x, like: np.asarray(x, like.dtype), parts, shapes)

    mask = jax.ShapeDtypeStruct(parameters.init.shape, bool)
    number = jax.ShapeDtypeStruct((), float)
    shapes = (
        jax.ShapeDtypeStruct(parameters.init.shape, float),
        number,
        Stationarity(*[mask] * len(Stationarity._fields)),
        jax.ShapeDtypeStruct((), bool),
    )
    values = freeze([leaves[number] for number in passed])
    found = jax.pure_callback(on_host, shapes, *values, vmap_method="sequential")
    return _at_minimum(likelihood, parameters, *found)
