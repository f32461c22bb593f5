"""The fits behind a test: the data and their Asimov twin, free and held."""

from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Bool, Float

from .._numerics.compiled import compiled
from .._custom_types import Mask, Vector
from .._fit.kept import call_kept
from .._fit.minimise import FitOptions, keepable, minimise
from .._model.likelihood import AbstractNegativeLogLikelihood
from .asymptotics import Asymptotics
from .statistic import AbstractTestStatistic


@final
class Twin(NamedTuple):
    """The data and the Asimov data of the alternative, fitted.

    What tests of every value of the parameter of interest have in common.

    Attributes:
        asimov: the Asimov data, as `likelihood.observations`.
        best, at_best: best fit of the parameter of interest, and the value there.
        asimov_best, asimov_at_best: the same for the Asimov data.
        converged: whether the fits found their minima.
    """

    asimov: Any
    best: Float[Array, ""]
    at_best: Float[Array, ""]
    asimov_best: Float[Array, ""]
    asimov_at_best: Float[Array, ""]
    converged: Bool[Array, ""]


@final
class Held(NamedTuple):
    """Fits of the data and of the Asimov data with the parameter of interest held.

    Attributes:
        data, asimov: the values at the minima, one for each tested value.
        converged: whether both fits found their minima.
    """

    data: Float[Array, "*tested"]
    asimov: Float[Array, "*tested"]
    converged: Bool[Array, "*tested"]


@compiled
def pick(y: Vector, mask: Mask) -> Float[Array, ""]:
    """The one entry of `y` that the mask names."""
    return jnp.sum(jnp.where(mask, y, 0.0))


def restricted(
    options: FitOptions, poi: Mask | np.ndarray, statistic: AbstractTestStatistic
) -> FitOptions:
    """The options of a free fit: where the best fit that a statistic means may lie."""
    return options.at_least(poi, 0.0) if statistic.physical else options


def fit_twins(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    poi: Mask | np.ndarray,
    tested: Float[Array, "*tested"],
    statistic: AbstractTestStatistic,
    solver: optx.AbstractMinimiser | None,
    calculator: Asymptotics,
) -> tuple[Twin, Held]:
    """Do all fits of the tests of some values, in one program.

    One fit is in it, gone through in turn: each copy would be compiled for itself. By
    definition the Asimov data's best fit is the point that they were made at, so they
    need no free fit, unless their auxiliary data are those of another point.

    Args:
        likelihood: at the data.
        options: of every fit.
        poi: the entry of the parameter of interest.
        tested: its tested values, of any shape; traced.
        statistic: which statistic.
        solver: the minimiser.
        calculator: which auxiliary data the Asimov data have.

    Raises:
        ValueError: where the Asimov data have not the shapes of the data.
    """
    args = likelihood, options, poi, tested, statistic, solver, calculator
    if solver is None and keepable(args, likelihood, statistic, calculator):
        found = call_kept(_fit_twins, *args)
        outcome = Twin(likelihood.observations(), *(0,) * 5), Held(*(0,) * 3)
        return jax.tree.unflatten(jax.tree.structure(outcome), found)
    return _compiled_fit_twins(*args)


def _fit_twins(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    poi: Mask,
    tested: Float[Array, "*tested"],
    statistic: AbstractTestStatistic,
    solver: optx.AbstractMinimiser | None,
    calculator: Asymptotics,
) -> tuple[Twin, Held]:
    likelihood = likelihood.prepared()

    def made_at(y: Vector) -> Any:
        expected = likelihood.expected(y)
        if calculator.nominal_aux:
            return likelihood.with_nominal_aux(expected)
        return expected

    data = likelihood.observations()
    room = _room(jax.eval_shape(made_at, likelihood.parameters().init), data)
    stages = _stages(options, poi, tested, statistic, calculator)

    def fit(asimov: Any, stage: _Stage) -> tuple[Any, tuple]:
        here = jax.tree.map(lambda a, b: jnp.where(stage.on_asimov, a, b), asimov, data)
        found = minimise(likelihood.at(here), stage.options, solver)
        asimov = jax.tree.map(
            lambda a, b: jnp.where(stage.makes_asimov, a, b), made_at(found.y), asimov
        )
        return asimov, (found.y, found.value, found.converged)

    asimov, (y, values, converged) = jax.lax.scan(fit, room, stages)
    if calculator.nominal_aux:
        asimov_best, asimov_at_best = pick(y[-1], poi), values[-1]
        common = converged[0] & converged[1] & converged[-1]
    else:
        asimov_best = jnp.asarray(statistic.asimov_poi, dtype=float)
        asimov_at_best = likelihood.at(asimov).value(y[0])
        common = converged[0] & converged[1]
    twin = Twin(asimov, pick(y[1], poi), values[1], asimov_best, asimov_at_best, common)
    values, converged = (
        x[2 : 2 + 2 * jnp.size(tested)].reshape(*jnp.shape(tested), 2)
        for x in (values, converged)
    )
    return twin, Held(values[..., 0], values[..., 1], common & jnp.all(converged, -1))


class _Stage(NamedTuple):
    """One of the fits, or all of them in the order in which they are made.

    Attributes:
        options: of the fit.
        on_asimov: whether it is one of the Asimov data.
        makes_asimov: whether these are made at what it finds.
    """

    options: FitOptions
    on_asimov: Bool[np.ndarray, "*fits"]
    makes_asimov: Bool[np.ndarray, "*fits"]


def _stages(
    options: FitOptions,
    poi: Mask,
    tested: Float[Array, "*tested"],
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
) -> _Stage:
    """The fits of tests: with the alternative's signal, free, two for each value."""
    several = jnp.repeat(jnp.reshape(tested, -1), 2)
    pairs = jax.vmap(lambda value: options.holding(poi, value))(several)
    free = restricted(options, poi, statistic)
    one_each = [options.holding(poi, statistic.asimov_poi), free]
    on_asimov = [False, False] + [False, True] * jnp.size(tested)
    if calculator.nominal_aux:
        one_each.append(free)
        on_asimov.append(True)
    first, second, *last = jax.tree.map(lambda x: jnp.asarray(x)[None], one_each)
    return _Stage(
        jax.tree.map(lambda *x: jnp.concatenate(x), first, second, pairs, *last),
        np.array(on_asimov),
        np.arange(len(on_asimov)) == 0,
    )


def _room(asimov: Any, data: Any) -> Any:
    """Zeros for the Asimov data, whose shapes must be those of the data."""
    shapes = [
        {jax.tree_util.keystr(path): jnp.shape(x) for path, x in leaves}
        for leaves in map(jax.tree.leaves_with_path, (asimov, data))
    ]
    if shapes[0] != shapes[1]:
        expected, given = shapes
        at = next(k for k in [*expected, *given] if expected.get(k) != given.get(k))
        raise ValueError(
            "A test needs Asimov data of the shapes of the data: `expected_data` gives "
            f"{expected.get(at, 'nothing')} at {at}, where the data have "
            f"{given.get(at, 'nothing')}. Let both have as many entries, those too "
            "many with weight 0."
        )
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), asimov)


_compiled_fit_twins = compiled(_fit_twins)
