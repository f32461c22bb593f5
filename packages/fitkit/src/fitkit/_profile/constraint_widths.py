"""Where the constraints put the parameters before any fit, and how well."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Array, Float

from .._model.constraints import Normal, Poisson
from .._model.model import AbstractModel
from .._model.parameters import Parameter, entry_names
from .._model.terms import CorrelatedNormal
from .._model.with_terms import ModelWithTerms
from .._numerics.namespace import as_numpy, scatter_add, take, xp

# Two widths that differ by less, relative, are the same number rounded twice.
_SAME = 1e-12


def prior_widths(model: AbstractModel) -> Float[Array, " params"]:
    """The width of each entry's constraint, 0 without one or where it is fixed."""

    def width(parameter: Parameter) -> Array:
        match parameter.constraint:
            case Normal(sigma=sigma):
                value = sigma
            case Poisson(aux=aux, tau=tau):
                # The root of the count, in units of what one of the parameter expects.
                value = xp.sqrt(aux) / tau
            case _:
                value = xp.zeros_like(parameter.init)
        return xp.where(parameter.fixed, 0.0, value)

    return _of_each(model, width)


def prior_centres(model: AbstractModel) -> Float[Array, " params"]:
    """Where each entry's nominal auxiliary measurement puts it; its start if none."""

    def centre(parameter: Parameter) -> Array:
        match parameter.constraint:
            case Normal(aux=aux):
                return aux
            case Poisson(aux=aux, tau=tau):
                return aux / tau
        return parameter.init

    return _of_each(model, centre)


def prior_covariance(model: AbstractModel) -> Float[Array, "params params"]:
    """The covariance of all entries before any fit, 0 where there is no constraint."""
    widths = prior_widths(model)
    covariance = xp.diag(widths**2)
    if not isinstance(model, ModelWithTerms):
        return covariance
    entries = entry_names(model.parameter_shapes)
    for term in model.terms:
        if not isinstance(term, CorrelatedNormal):
            continue
        index = np.array([entries.index(name) for name in term.names])
        own = term.covariance
        # Only where the widths are this term's: a fixed one, or one with another
        # constraint, is not correlated by it.
        mine = xp.sqrt(xp.diagonal(own))
        theirs = xp.abs(take(widths, index) - mine) <= _SAME * mine
        off = xp.where(theirs[:, None] & theirs, own - xp.diag(xp.diagonal(own)), 0.0)
        both = index[:, None], index[None, :]
        covariance = covariance + scatter_add(covariance.shape, both, off)
    return covariance


def _of_each(
    model: AbstractModel, what: Callable[[Parameter], Array]
) -> Float[Array, " params"]:
    parameters = model.parameters
    parts = [what(parameters[name]) for name in model.parameter_names]
    return xp.concatenate([np.zeros(0), *(xp.ravel(as_numpy(x)) for x in parts)])
