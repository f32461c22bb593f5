"""The best fit, where every profile starts, and which entry a name means."""

from typing import NamedTuple, final

import numpy as np
from jaxtyping import Array, Float

from .._custom_types import Mask, Vector
from .._fit.diagnose import FitError
from .._fit.minimise import Minimum, minimise, minimised
from .._fit.result import FitResult, require_fit_of
from .._fit.uncertainty import Covariance, covariance_of
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.model import AbstractModel, Data
from .._model.parameters import ParameterVectors, entry_names, hint
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import choose, cond, traced, xp
from .._numerics.precision import require_float64


@final
class BestFit(NamedTuple):
    """A model fitted to data: where every profile starts.

    Attributes:
        likelihood: at the data.
        parameters: bounds and fixed entries of all fits.
        minimum: the unconditional fit.
        movable: entries that are fitted, `[params]`.
        covariance: of the entries that are free, where it is known already.
    """

    likelihood: AbstractNegativeLogLikelihood
    parameters: ParameterVectors
    minimum: Minimum
    movable: Mask
    covariance: Covariance | None = None

    @property
    def free(self) -> Mask:
        """Fitted entries that are not on a bound against which the data push them."""
        at = self.minimum.stationarity
        # One at a kink counts: its curvature is the mean of both sides.
        return self.movable & ~at.at_lower & ~at.at_upper


def best_fit(
    model: AbstractModel,
    data: Data,
    call: str,
    released: Mask | None = None,
    *,
    made: FitResult | None = None,
) -> BestFit:
    """Fit, and collect what profiles need.

    Args:
        model: any model.
        data: observed or expected data.
        call: for messages.
        released: entries whose default bounds do not hold; see
            `fit_beyond_default_bounds`. By default all bounds hold.
        made: the fit, where it has been made already.

    Raises:
        FitError: where the fit finds no minimum.
        ValueError: where the fit that has been made is one of something else.
        RuntimeError: traced, where float64 is off.
    """
    # By its class: of a bound method equinox makes a new object each time.
    likelihood = type(model).negative_log_likelihood(model, data)
    parameters = model.parameter_vectors()
    require_float64(likelihood, parameters)
    if made is not None:
        return _from_result(made, model, data, likelihood, parameters, call)
    given = parameters.lower_given & parameters.upper_given
    if released is None or not (traced(given) or (released & ~given).any()):
        minimum = minimised(likelihood, parameters)
    else:
        minimum, parameters = _fit_beyond_default_bounds(
            likelihood, parameters, released
        )
    if not traced(minimum.converged) and not bool(minimum.converged):
        raise FitError(
            f"the free fit of `{call}` found no minimum. `fit` on the same data gives "
            "the reason."
        )
    _, movable = parameters.start()
    return BestFit(likelihood, parameters, minimum, movable)


def _from_result(
    result: FitResult,
    model: AbstractModel,
    data: Data,
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    call: str,
) -> BestFit:
    """The best fit that somebody made before."""
    if not isinstance(result, FitResult):
        raise TypeError(
            f"`{call}(best=...)` takes the result of `fit`; got "
            f"{type(result).__name__}."
        )
    if not traced(result, model, data):
        require_fit_of(result, model, data, call)
        if not bool(result.converged):
            raise FitError(
                f"`{call}`: the fit that is given found no minimum. `fit` gives the "
                "reason."
            )
    fields = {name: getattr(result, name) for name in _OF_RESULT}
    value = result.twice_nll / 2 - likelihood.saturated()
    minimum = Minimum(value=value, **fields)
    _, movable = parameters.start()
    return BestFit(likelihood, parameters, minimum, movable, result.stored_covariance)


# What a minimum and the result of a fit have in common.
_OF_RESULT = tuple(name for name in Minimum._fields if name != "value")


def fit_beyond_default_bounds(
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    released: Mask,
) -> tuple[Minimum, ParameterVectors]:
    """A fit, and another one without the default bounds at which it ended.

    Args:
        likelihood: at the data.
        parameters: of the fit.
        released: entries whose default bounds do not hold.

    Returns:
        The minimum, and the parameters without these bounds. Where there is none beyond
        the bounds, the one at them: without any counts yields may fall without end.
    """
    # First inside, so that what no bound stops is the minimum that `fit` finds.
    minimum = minimise(likelihood, parameters)
    at = minimum.stationarity
    stopped = released & (
        (at.at_lower & ~parameters.lower_given)
        | (at.at_upper & ~parameters.upper_given)
    )
    wider = parameters.without_default_bounds(stopped)

    def beyond() -> tuple[Minimum, ParameterVectors]:
        outside = minimise(likelihood, wider.starting_at(minimum.y))
        return choose(outside.converged, (outside, wider), (minimum, parameters))

    return cond(xp.any(stopped), beyond, lambda: (minimum, parameters))


_fit_beyond_default_bounds = numpy_or_compiled(fit_beyond_default_bounds)


def constrained_entries(model: AbstractModel) -> np.ndarray:
    """Which entries of the flat vector an auxiliary measurement constrains."""
    parameters = model.parameters
    return np.concatenate(
        [
            np.zeros(0, dtype=bool),
            *(
                np.full(
                    np.size(parameters[name].init),
                    parameters[name].constraint is not None,
                )
                for name in model.parameter_names
            ),
        ]
    )


def covariance_at(best: BestFit) -> Covariance:
    """The covariance of the entries that are free at the best fit."""
    return _covariance_at(best) if best.covariance is None else best.covariance


@numpy_or_compiled
def _covariance_at(best: BestFit) -> Covariance:
    return covariance_of(best.minimum.curvature, best.free)


def require_width(
    widths: Vector, best: BestFit, mask: Mask, model: AbstractModel, call: str
) -> None:
    """Refuse a call whose one parameter has no uncertainty; traced, it is NaN.

    Args:
        widths: standard deviations of all entries.
        best: the fit.
        mask: the parameter.
        model: for names.
        call: for messages.

    Raises:
        FitError: where the parameter is fixed, on a bound or not determined.
    """
    # The widths of others may be unknown: nothing is asked of them here.
    if traced(widths) or np.isfinite(widths[mask]).all():
        return
    (index,) = np.flatnonzero(mask)
    name = entry_names(model.parameter_shapes)[index]
    if not best.movable[index]:
        why = f"it is fixed; `model.with_free({name!r})` frees it"
    elif not best.free[index]:
        why = "the data push it onto its bound, and `interval` gives its other end"
    elif best.minimum.curvature.diagonal()[index] == 0:
        why = f"nothing that is fitted depends on {name!r}"
    else:
        why = "the data do not determine it; `fit` tells which combination is flat"
    raise FitError(f"`{call}`: {name!r} has no uncertainty: {why}.")


def entry(model: AbstractModel, name: str, call: str) -> np.ndarray:
    """The entry of the flat vector that `name` means, as a mask.

    Args:
        model: any model.
        name: a scalar parameter, or one entry of a parameter per bin, `gamma[3]`.
        call: for messages.

    Raises:
        ValueError: where the model has no such entry.
    """
    # Not a pattern: `gamma[3]` is the fourth entry, and a name may hold brackets.
    names = entry_names(model.parameter_shapes)
    if name not in names:
        shape = model.parameter_shapes.get(name)
        known = (
            f"it has one value per bin: name one, such as {name}[0]."
            if shape
            else hint(name, names)
        )
        raise ValueError(f"`{call}`: no single parameter {name!r}; {known}")
    return np.array([other == name for other in names])


def pick(vector: Array, mask: Mask) -> Float[Array, ""]:
    """The one entry that the mask names, also where others are infinite."""
    return xp.sum(xp.where(mask, vector, 0.0))
