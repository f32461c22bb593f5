"""Asimov data: what a hypothesis expects, with nothing fluctuated."""

from collections.abc import Mapping

import jax.numpy as jnp
import optimistix as optx
from jaxtyping import ArrayLike

from .._fit.fit import fixed_poi_fit
from .._model import AbstractModel, Data


def asimov_data(
    poi_value: ArrayLike,
    model: AbstractModel,
    data: Data | None = None,
    *,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
    throw: bool = True,
) -> Data:
    """The data that the model expects for a value of the parameter of interest.

    Args:
        poi_value: the value; traced.
        model: any model with a parameter of interest.
        data: if given, all other parameters are at their best fit to these data with
            the parameter of interest held, and the auxiliary data are those of that fit
            (the LHC convention); if not, they are at their nominal values.
        init, fixed, bounds, solver, throw: of that fit; see `fit`.

    Returns:
        Main and auxiliary data; differentiable.

    Raises:
        ValueError: where the model has no parameter of interest.

    References:
        ATL-PHYS-PUB-2011-11, section 2; arXiv:1007.1727, section 3.2.
    """
    if data is None:
        if model.poi is None:
            raise ValueError(
                "`asimov_data` needs a parameter of interest, and the model has none. "
                "Use `model.expected_data(params)`."
            )
        return model.expected_data(
            {**model.init, model.poi: jnp.asarray(poi_value, float)}
        )
    best = fixed_poi_fit(
        poi_value,
        model,
        data,
        init=init,
        fixed=fixed,
        bounds=bounds,
        solver=solver,
        throw=throw,
    )
    return model.expected_data(best.params)
