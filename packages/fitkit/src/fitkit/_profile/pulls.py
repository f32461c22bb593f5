"""What the data say of each parameter, beside what was known of it before."""

from typing import cast, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from .._fit.result import FitResult
from .._histfactory.likelihood import HistFactoryLikelihood
from .._histfactory.model import Model
from .._model.model import AbstractModel, Data
from .._model.parameters import entry_names
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import take, traced, xp
from .best_fit import BestFit, best_fit, covariance_at
from .constraint_widths import prior_centres, prior_widths


@final
class Pulls(eqx.Module):
    """All fitted parameters, against their constraints where they have one.

    Attributes:
        pull: (best fit - nominal) / width of the constraint; NaN without one.
        constraint: uncertainty after the fit / width of the constraint; NaN likewise.
        best: best fit of each parameter.
        uncertainty: its uncertainty after the fit, from the inverse Hessian; NaN where
            the data do not determine it, or push the parameter onto its bound.
        nominal: where the constraint, or for a free parameter the start, puts it.
        width: standard deviation of the constraint; NaN without one.
        names: of the parameters, `gamma[3]` for an entry of one per bin.
    """

    pull: Float[Array, " entries"]
    constraint: Float[Array, " entries"]
    best: Float[Array, " entries"]
    uncertainty: Float[Array, " entries"]
    nominal: Float[Array, " entries"]
    width: Float[Array, " entries"]
    names: tuple[str, ...] = eqx.field(static=True)

    def __repr__(self) -> str:
        if traced(self.best):
            return f"Pulls({len(self.names)} parameters)"
        width = max(map(len, [*self.names, "parameter"]))
        lines = [f"{'parameter':<{width}}  {'best fit':>10}  {'error':>9}  pull"]
        for i, name in enumerate(self.names):
            pull, constraint = float(self.pull[i]), float(self.constraint[i])
            words = "free" if np.isnan(pull) else f"{pull:+.3f} ± {constraint:.3f}"
            lines.append(
                f"{name:<{width}}  {float(self.best[i]):>10.4g}  "
                f"{float(self.uncertainty[i]):>9.3g}  {words}"
            )
        return "\n".join(lines)


def pulls(model: AbstractModel, data: Data, *, best: FitResult | None = None) -> Pulls:
    r"""Best fits and uncertainties in units of the constraints.

    A normal constraint has the width \(\sigma\). A Poisson constraint, which counts
    \(n\) events where \(\tau\gamma\) are expected, puts \(\gamma\) at \(n/\tau\) with
    the width \(\sqrt n/\tau\): the relative uncertainty of a shapesys bin.

    Args:
        model: any model.
        data: observed or expected data.
        best: the fit, where there is one, as of `fit` or `FitResult.load`; by default
            it is made.

    Returns:
        A `Pulls` of the parameters that were fitted, in the order of the model, and of
        the factors that it profiles.

    Raises:
        ValueError: where `best` is no fit of this model to these data.
        FitError: where the fit finds no minimum.
        RuntimeError: traced, where float64 is off.

    Example:
        >>> from fitkit import correlated_background, pulls
        >>> model = correlated_background([12.0], [50.0], [55.0], [45.0])
        >>> data = model.data({"single_channel": [55.0]})
        >>> result = pulls(model.with_fixed(mu=0.0), data)
        >>> result.names
        ('correlated_bkg_uncertainty',)
        >>> round(float(result.pull[0]), 3), round(float(result.constraint[0]), 3)
        (0.326, 0.812)
    """
    fitted = best_fit(model, data, "pulls", made=best)
    # Also those on a bound: their pull is known, and says why.
    chosen = np.flatnonzero(np.asarray(fitted.movable))
    names = entry_names(model.parameter_shapes)
    width, centre = prior_widths(model), prior_centres(model)
    # A division by NaN is silent, and its result says what there is to say.
    with np.errstate(invalid="ignore"):
        width = xp.where(width > 0, width, np.nan)
    values, errors = fitted.minimum.y, covariance_at(fitted).widths
    columns = [column[chosen] for column in (values, errors, centre, width)]
    of = [names[i] for i in chosen]
    if isinstance(model, Model) and model.profiled_names:
        factors, more = _of_factors(model, fitted)
        columns = [xp.append(*both) for both in zip(columns, factors, strict=True)]
        of += more
    values, errors, centre, width = columns
    with np.errstate(invalid="ignore"):
        pull, constraint = (values - centre) / width, errors / width
    return Pulls(pull, constraint, values, errors, centre, width, names=tuple(of))


def _of_factors(model: Model, best: BestFit) -> tuple[tuple[Array, ...], list[str]]:
    """Values, errors, centres and widths of profiled factors, and their names."""
    likelihood = cast(HistFactoryLikelihood, best.likelihood)
    values, errors = _factors_and_errors(best)
    bins = likelihood.constraints.bins
    centre = xp.where(bins.poisson, bins.nominal_aux / bins.tau, bins.nominal_aux)
    columns = (values, errors, centre, bins.widths(bins.nominal_aux))
    named = {
        place: f"{name}[{i}]"
        for name, places, _ in model.layout.profiled
        for i, place in enumerate(places)
    }
    moved = [place for place in named if not bins.fixed[place]]
    chosen = np.array(moved, dtype=int)
    return tuple(take(each, chosen) for each in columns), [named[i] for i in moved]


@numpy_or_compiled
def _factors_and_errors(best: BestFit) -> tuple[Array, Array]:
    """Best values of profiled factors, and their uncertainties; NaN on a bound."""
    likelihood, y = cast(HistFactoryLikelihood, best.likelihood), best.minimum.y
    given_all, _ = likelihood.factor_variances(y)
    # What they follow is known no better than the parameters.
    following = covariance_at(best).variance_along(likelihood.factor_slopes(y).T)
    variance = xp.where(given_all > 0, given_all + following, np.nan)
    return cast(Array, likelihood.factors(y)), xp.sqrt(variance)
