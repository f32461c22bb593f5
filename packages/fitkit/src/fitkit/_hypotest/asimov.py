"""Asimov data: what a hypothesis expects, with nothing fluctuated."""

from collections.abc import Mapping

from jaxtyping import ArrayLike

from .._fit.fit import fixed_poi_fit
from .._fit.poi import fixed_pois
from .._model.model import AbstractModel, Data
from .._numerics.namespace import xp


def asimov_data(
    model: AbstractModel,
    poi_value: ArrayLike | Mapping[str, ArrayLike],
    data: Data | None = None,
    *,
    nominal_aux: bool = False,
    throw: bool = True,
) -> Data:
    """The data that the model expects for a value of the parameter of interest.

    Args:
        model: any model with a parameter of interest.
        poi_value: the value; of several parameters of interest by name; traced.
        data: if given, all other parameters are at their best fit to these data with
            the parameter of interest fixed, and the auxiliary data are those of that
            fit (the LHC convention); if not, they are at their nominal values.
        nominal_aux: whether the auxiliary data are nominal all the same, as if the
            fit had not measured the other parameters anew.
        throw: of that fit; see `fit`.

    Returns:
        Main and auxiliary data; differentiable. They are data like any others: a limit
        from them is the one that is expected if the signal has this strength, and what
        they give a test of no signal is its expected significance.

    Raises:
        ValueError: where the model has no parameter of interest.
        FitError: where the fit finds no minimum and `throw` is set.

    Example:
        The limit that is expected if there is no signal, and if there is one:

        >>> from fitkit import asimov_data, uncorrelated_background, upper_limit
        >>> model = uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0])
        >>> for strength in (0.0, 1.0):
        ...     limit = upper_limit(model, asimov_data(model, strength))
        ...     print(round(float(limit.observed), 4))
        1.0688
        1.9742

        With the other parameters where the control regions put them, and nothing known
        of the signal regions: `asimov_data(model.with_masked("SR*"), 0.0, data)`.

    References:
        ATL-PHYS-PUB-2011-11, section 2; arXiv:1007.1727, section 3.2.
    """
    if data is None:
        fixed, value = fixed_pois(model, poi_value, "asimov_data")
        start = xp.where(fixed, value, model.ravel(model.init))
        return model.expected_data(model.unravel(start))
    best = fixed_poi_fit(model, data, poi_value, throw=throw)
    params = {**best.params, **model.profiled_factors(best.params, data)}
    expected = model.expected_data(params)
    return Data(expected.main, model.nominal_aux) if nominal_aux else expected
