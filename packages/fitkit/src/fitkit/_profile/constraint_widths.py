"""Where the constraints put the parameters before any fit, and how well."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Array, Float

from .._model.constraints import Normal, Poisson
from .._model.model import AbstractModel
from .._model.parameters import Parameter
from .._numerics.namespace import as_numpy, xp


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


def _of_each(
    model: AbstractModel, what: Callable[[Parameter], Array]
) -> Float[Array, " params"]:
    parameters = model.parameters
    parts = [what(parameters[name]) for name in model.parameter_names]
    return xp.concatenate([np.zeros(0), *(xp.ravel(as_numpy(x)) for x in parts)])
