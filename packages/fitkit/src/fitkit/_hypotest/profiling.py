"""The fits behind a test: the data and their Asimov twin, free and held."""

from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Bool, Float

from .._compiled import compiled
from .._custom_types import Mask
from .._fit.minimum import FitOptions, minimised
from .._likelihood import AbstractNegativeLogLikelihood
from .statistic import AbstractTestStatistic, as_array


@compiled
def _asimov(
    likelihood: AbstractNegativeLogLikelihood, y: Array
) -> tuple[Any, Float[Array, ""]]:
    """The data that the model expects at `y`, and the value there."""
    likelihood = likelihood.prepared()
    expected = likelihood.expected(y)
    return expected, likelihood.at(expected).value(y)


@compiled
def _with_nominal_aux(likelihood: AbstractNegativeLogLikelihood, expected: Any) -> Any:
    return likelihood.prepared().with_nominal_aux(expected)


@compiled
def _statistics(
    statistic: AbstractTestStatistic,
    tested: Float[Array, ""],
    best: tuple[Float[Array, ""], Float[Array, ""]],
    at_tested: tuple[Float[Array, ""], Float[Array, ""]],
    at_best: tuple[Float[Array, ""], Float[Array, ""]],
    converged: tuple[Bool[Array, ""], ...],
) -> tuple[Float[Array, ""], Float[Array, ""], Bool[Array, ""]]:
    """The statistic of the data and of the Asimov data, and whether all converged."""
    q, q_asimov = (
        statistic.ratio(best[i], tested, at_tested[i], at_best[i]) for i in range(2)
    )
    return q, q_asimov, jnp.all(jnp.stack(converged))


@final
class Twin(eqx.Module):
    """What tests of every value of the parameter of interest have in common.

    Attributes:
        likelihood: at the data.
        asimov: the Asimov data of the alternative, as `likelihood.observations`.
        best, at_best: best fit of the parameter of interest, and the value there.
        asimov_best, asimov_at_best: the same for the Asimov data.
        options: of every fit.
        poi: the entry of the parameter of interest.
        converged: whether the fits so far found their minima.
    """

    likelihood: AbstractNegativeLogLikelihood
    asimov: Any
    best: Float[Array, ""]
    at_best: Float[Array, ""]
    asimov_best: Float[Array, ""]
    asimov_at_best: Float[Array, ""]
    options: FitOptions
    poi: Mask
    converged: Bool[Array, ""]


@compiled
def pick(y: Array, mask: Mask) -> Float[Array, ""]:
    """The one entry of `y` that the mask names."""
    return jnp.sum(jnp.where(mask, y, 0.0))


def prepare(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    poi: Mask,
    statistic: AbstractTestStatistic,
    solver: optx.AbstractMinimiser | None,
    nominal_aux: bool,
) -> Twin:
    """Fit the data freely and with the alternative's signal; make the Asimov data.

    By definition the Asimov data's best fit is the point that they were made at, so
    they need no free fit, unless their auxiliary data are those of another point.
    """
    free_options = options.at_least(poi, 0.0) if statistic.physical else options
    free = minimised(likelihood, free_options, solver)
    alternative = options.holding(poi, statistic.asimov_poi)
    held = minimised(likelihood, alternative, solver)
    asimov, asimov_at_best = _asimov(likelihood, held.y)
    asimov_best = as_array(statistic.asimov_poi)
    converged = free.converged & held.converged
    if nominal_aux:
        asimov = _with_nominal_aux(likelihood, asimov)
        refitted = minimised(
            likelihood.at(asimov), free_options.starting_at(held.y), solver
        )
        asimov_best, asimov_at_best = pick(refitted.y, poi), refitted.value
        converged = converged & refitted.converged
    return Twin(
        likelihood=likelihood,
        asimov=asimov,
        best=pick(free.y, poi),
        at_best=free.value,
        asimov_best=asimov_best,
        asimov_at_best=asimov_at_best,
        options=options,
        poi=poi,
        converged=converged,
    )


def statistics_at(
    twin: Twin,
    tested: Float[Array, ""],
    statistic: AbstractTestStatistic,
    solver: optx.AbstractMinimiser | None,
) -> tuple[Float[Array, ""], Float[Array, ""], Bool[Array, ""]]:
    """The statistic of the data and of the Asimov data, and whether all fits converged.

    Args:
        twin: what `prepare` found.
        tested: the tested value of the parameter of interest; traced.
        statistic: which statistic.
        solver: the minimiser.
    """
    options = twin.options.holding(twin.poi, tested)
    data = minimised(twin.likelihood, options, solver)
    asimov = minimised(twin.likelihood.at(twin.asimov), options, solver)
    return _statistics(
        statistic,
        tested,
        (twin.best, twin.asimov_best),
        (data.value, asimov.value),
        (twin.at_best, twin.asimov_at_best),
        (twin.converged, data.converged, asimov.converged),
    )
