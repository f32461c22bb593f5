"""Asimov data: what a hypothesis expects, with nothing fluctuated."""

from collections.abc import Mapping

import jax.numpy as jnp
import optimistix as optx
from jaxtyping import ArrayLike

from .._fit.fit import fixed_poi_fit
from .._model.model import AbstractModel, Data


def asimov_data(
    poi_value: ArrayLike,
    model: AbstractModel,
    data: Data | None = None,
    *,
    nominal_aux: bool = False,
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
        nominal_aux: whether the auxiliary data are nominal all the same, as if the
            fit had not measured the other parameters anew.
        init, fixed, bounds, solver, throw: of that fit; see `fit`.

    Returns:
        Main and auxiliary data; differentiable. They are data like any others: a limit
        from them is the one that is expected if the signal has this strength, and what
        they give a test of no signal is its expected significance.

    Raises:
        ValueError: where the model has no parameter of interest.

    Example:
        The limit that is expected if there is no signal, and if there is one:

        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
        >>> from fitkit import asimov_data, uncorrelated_background, upper_limit
        >>> model = uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0])
        >>> for strength in (0.0, 1.0):
        ...     limit = upper_limit(model, asimov_data(strength, model))
        ...     print(round(float(limit.observed), 4))
        1.0688
        1.9742

        With the other parameters where the control regions put them, and nothing known
        of the signal regions: `asimov_data(0.0, model.masking("SR*"), data)`.

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
    expected = model.expected_data(best.params)
    return Data(expected.main, model.nominal_aux) if nominal_aux else expected
