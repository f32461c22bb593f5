r"""What each source of uncertainty does to the parameter of interest.

Two definitions stand beside each other. By *parameter shift*: a nuisance parameter is
fixed one standard deviation from its best fit and everything else is fitted again
(`ranking`), or follows to first order as the covariance says (`impacts`).
By *global observable* (arXiv:2307.04007): the auxiliary measurement itself is shifted
by one standard deviation; these impacts, and the one of the counts, add in quadrature
to the total uncertainty, and so do groups of them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._custom_types import Mask, Vector
from .._fit.poi import poi_mask
from .._fit.result import FitResult
from .._histfactory.likelihood import HistFactoryLikelihood
from .._model.model import AbstractModel, Data
from .._model.parameters import entry_names, hint
from .._model.with_terms import LikelihoodWithTerms
from .._numerics.batch import Batched
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import cond, scan, traced, xp
from .best_fit import BestFit, best_fit, covariance_at, pick, require_width
from .constraint_widths import prior_centres, prior_widths
from .profile_fits import Nearby, line_of


@final
class Ranking(eqx.Module):
    """Impacts on the parameter of interest, largest first.

    Attributes:
        pull: (best fit - nominal) / width of the constraint; NaN without one.
        constraint: uncertainty after the fit / width of the constraint; NaN without
            either.
        up, down: change of the parameter of interest with the parameter fixed at +1 and
            -1 standard deviation *after* the fit; NaN where it has none.
        prefit_up, prefit_down: the same with the width of its constraint; NaN without.
        by_observable: change for an auxiliary measurement shifted by +1 standard
            deviation, to first order; 0 without one, NaN where the model's likelihood
            does not know the errors of its data.
        statistical: the same for the counts, all bins in quadrature.
        total: uncertainty of the parameter of interest, from the covariance.
        best: its best fit.
        converged: whether all fits of a parameter found their minimum.
        names: of the parameters, `gamma[3]` for an entry of one per bin.
        poi: name of the parameter of interest.
    """

    pull: Float[Array, " entries"]
    constraint: Float[Array, " entries"]
    up: Float[Array, " entries"]
    down: Float[Array, " entries"]
    prefit_up: Float[Array, " entries"]
    prefit_down: Float[Array, " entries"]
    by_observable: Float[Array, " entries"]
    statistical: Float[Array, ""]
    total: Float[Array, ""]
    best: Float[Array, ""]
    converged: Bool[Array, " entries"]
    names: tuple[str, ...] = eqx.field(static=True)
    poi: str = eqx.field(static=True)

    def group(self, names: Sequence[str]) -> Float[Array, ""]:
        """The impact of several auxiliary measurements together.

        Args:
            names: of parameters; one without an index means all its entries.

        Raises:
            ValueError: for a name that is not among the ranked ones.
        """
        chosen = np.zeros(len(self.names), dtype=bool)
        for name in names:
            # A parameter's own name may hold brackets.
            entries = [n == name or n.rpartition("[")[0] == name for n in self.names]
            if not any(entries):
                raise ValueError(
                    f"`Ranking.group`: {name!r} is not ranked. {hint(name, self.names)}"
                )
            chosen |= np.array(entries)
        return xp.sqrt(xp.sum(xp.where(chosen, self.by_observable, 0.0) ** 2))

    def __repr__(self) -> str:
        if traced(self.best):
            return f"Ranking({len(self.names)} parameters)"
        width = max(map(len, [*self.names, "parameter"]))
        lines = [
            f"{self.poi} = {float(self.best):.6g} ± {float(self.total):.4g} "
            f"(statistical {float(self.statistical):.4g})",
            f"  {'parameter':<{width}} {'pull':>8}  {'constr.':>8}  {'up':>8}  "
            f"{'down':>8}  {'by aux.':>8}",
        ]
        columns = (
            self.pull,
            self.constraint,
            self.up,
            self.down,
            self.by_observable,
        )
        for i, name in enumerate(self.names):
            numbers = "  ".join(f"{float(c[i]):>8.3g}" for c in columns)
            note = "" if bool(self.converged[i]) else "  not converged"
            note += "  no uncertainty after the fit" * bool(np.isnan(self.up[i]))
            lines.append(f"  {name:<{width}} {numbers}{note}")
        return "\n".join(lines)


def ranking(model: AbstractModel, data: Data) -> Ranking:
    """Impacts of all fitted nuisance parameters on the parameter of interest.

    Four conditional fits for each parameter, two for one without a constraint; impacts
    by global observable need none: they are the derivative of the best fit with respect
    to the data.

    Args:
        model: any model with a parameter of interest.
        data: observed or expected data.

    Returns:
        A `Ranking`, ordered by the larger of the impacts up and down. A parameter
        without an uncertainty after the fit, since it is on its bound or the data do
        not determine it, has NaN there and comes last; the others do not suffer.

    Raises:
        ValueError: where the model has no parameter of interest.
        FitError: where the free fit finds no minimum, or the parameter of interest has
            no uncertainty: it is fixed, on its bound or not determined, as where the
            channels with signal are masked.
        RuntimeError: where float64 is off and the model's likelihood needs jax.

    Example:
        >>> from fitkit import correlated_background, ranking
        >>> model = correlated_background([12.0], [50.0], [55.0], [45.0])
        >>> result = ranking(model, model.expected_data(model.init))
        >>> result.names
        ('correlated_bkg_uncertainty',)
        >>> round(float(result.by_observable[0]), 4)  # 5 events of 12
        -0.4167

    References:
        arXiv:2307.04007, sections 2 and 3.
    """
    poi = poi_mask(model, "ranking")
    best = best_fit(model, data, "ranking")
    ranked = _ranked(model, best, poi, "ranking")
    # A batch has at least one member.
    change, converged = np.zeros((0, 4)), np.zeros((0, 4), dtype=bool)
    if ranked.entries.size:
        members = ranked.entries, ranked.shifts
        change, converged = _impacts((best, poi), members, poi.size)
    return _result(model, best, poi, ranked, np.asarray(change), converged)


def impacts(
    model: AbstractModel, data: Data, *, best: FitResult | None = None
) -> Ranking:
    r"""The same to first order, from the covariance alone: without any further fit.

    A parameter that is fixed at \(\hat\theta + \delta\) takes the parameter of interest
    along by \(\delta\,C_{\mu\theta}/C_{\theta\theta}\): after the fit by
    \(\pm\rho\,\sigma_\mu\). Impacts by global observable are those of `ranking`. For
    thousands of parameters, and for a fit that was stored.

    Args:
        model: any model with a parameter of interest.
        data: observed or expected data.
        best: the fit, where there is one, as of `fit` or `FitResult.load`; by default
            it is made.

    Returns:
        A `Ranking`, as of `ranking`.

    Raises:
        ValueError: where the model has no parameter of interest, or `best` is no fit
            of this model to these data.
        FitError: as `ranking`.

    Example:
        >>> from fitkit import correlated_background, impacts
        >>> model = correlated_background([12.0], [50.0], [55.0], [45.0])
        >>> result = impacts(model, model.expected_data(model.init))
        >>> round(float(result.up[0]), 4)  # 5 events of 12
        -0.4167
    """
    poi = poi_mask(model, "impacts")
    fitted = best_fit(model, data, "impacts", made=best)
    ranked = _ranked(model, fitted, poi, "impacts")
    covariance = covariance_at(fitted)
    column = np.asarray(covariance.table)[np.flatnonzero(poi)[0], ranked.entries]
    with np.errstate(all="ignore"):
        slope = column / np.asarray(covariance.widths)[ranked.entries] ** 2
    change = slope[:, None] * ranked.shifts
    converged = np.ones(change.shape, dtype=bool)
    return _result(model, fitted, poi, ranked, change, converged)


@final
class _Ranked(NamedTuple):
    """The parameters that are ranked.

    Attributes:
        entries: of the flat vector.
        pull, constraint: as of `Ranking`.
        shifts: up and down, after the fit and before it, `[entries, 4]`.
    """

    entries: np.ndarray
    pull: np.ndarray
    constraint: np.ndarray
    shifts: np.ndarray


def _ranked(model: AbstractModel, best: BestFit, poi: Mask, call: str) -> _Ranked:
    covariance = covariance_at(best)
    require_width(covariance.widths, best, poi, model, call)
    # One on its bound is ranked too: its constraint still has a width.
    index = np.flatnonzero(np.asarray(best.movable) & ~poi)
    widths, centres = (of(model)[index] for of in (prior_widths, prior_centres))
    sigma, constrained = np.asarray(covariance.widths)[index], widths > 0
    prefit = np.where(constrained, widths, np.nan)
    return _Ranked(
        index,
        (np.asarray(best.minimum.y)[index] - centres) / prefit,
        sigma / prefit,
        np.stack([sigma, -sigma, prefit, -prefit], axis=1),
    )


def _result(
    model: AbstractModel,
    best: BestFit,
    poi: Mask,
    ranked: _Ranked,
    change: Float[np.ndarray, "entries 4"],
    converged: Bool[Array, "entries 4"],
) -> Ranking:
    by_observation, statistical = _by_observation(best, poi)
    index, covariance = ranked.entries, covariance_at(best)
    up, down, prefit_up, prefit_down = change.T
    columns = {
        "pull": ranked.pull,
        "constraint": ranked.constraint,
        "up": up,
        "down": down,
        "prefit_up": prefit_up,
        "prefit_down": prefit_down,
        "by_observable": np.asarray(by_observation)[index],
        "converged": np.all(converged, axis=1),
    }
    # What has no impact after the fit comes last, below those of 0.
    size = np.nan_to_num(np.fmax(np.abs(up), np.abs(down)), nan=-1.0)
    order = np.argsort(-size, kind="stable")
    names = entry_names(model.parameter_shapes)
    return Ranking(
        **{name: column[order] for name, column in columns.items()},
        statistical=statistical,
        total=pick(covariance.widths, poi),
        best=pick(best.minimum.y, poi),
        names=tuple(names[i] for i in index[order]),
        poi=str(model.poi),
    )


def _impact(
    common: tuple[BestFit, Mask], member: tuple[Array, Float[Array, "4"]]
) -> tuple[Float[Array, "4"], Bool[Array, "4"]]:
    """How far the parameter of interest moves for each shift of one parameter."""
    (best, poi), (index, shifts) = common, member
    y, parameters = best.minimum.y, best.parameters
    mask = np.arange(y.shape[0]) == index
    bounds = parameters.lower, parameters.upper
    at, lower, upper = (pick(x, mask) for x in (y, *bounds))
    line = line_of(best, mask)

    def shifted(nearby: Nearby, shift: Array) -> tuple[Nearby, tuple[Array, Array]]:
        def fit() -> tuple[Nearby, tuple[Array, Array]]:
            # Beyond its bounds the parameter has no meaning, nor the model.
            value = xp.clip(at + shift, lower, upper)
            conditional, there = line.fit(value - at, value, nearby)
            change = pick(conditional.y, poi) - pick(y, poi)
            return there, (change, conditional.converged)

        unknown = nearby, (xp.asarray(np.nan), xp.asarray(True))
        return cond(xp.isfinite(shift), fit, lambda: unknown)

    return scan(shifted, line.nothing_nearby(), shifts, line)[1]


_impacts = Batched(_impact)


@numpy_or_compiled
def _by_observation(best: BestFit, poi: Mask) -> tuple[Vector, Float[Array, ""]]:
    r"""The best fit's derivatives with respect to the data, times their errors.

    For Poisson and normal terms the score of an observation with the expectation
    \(\nu(y)\) and the standard deviation \(\sigma\) changes with it by
    \(-\nabla\nu/\sigma^2\), and the best fit by \(H^{-1}\nabla\nu/\sigma^2\).
    """
    likelihood, y = best.likelihood, best.minimum.y
    # The observations of the model itself: those of more terms are of no one parameter.
    if isinstance(likelihood, LikelihoodWithTerms):
        likelihood = likelihood.inner
    deviations = likelihood.deviations(y)
    if deviations is None:
        return xp.full(poi.shape, np.nan), xp.asarray(np.nan)
    # One column for all observations: no fit, and no derivative of one.
    column = xp.sum(xp.where(poi[:, None], covariance_at(best).table, 0.0), axis=0)
    if isinstance(likelihood, HistFactoryLikelihood):
        changes = likelihood.expected_along(y, column)
        counts, aux = (
            xp.where(sigma > 0, change / xp.where(sigma > 0, sigma, 1.0), 0.0)
            for change, sigma in zip(changes, deviations, strict=True)
        )
    else:
        # Of any other likelihood with deviations: by the implicit function theorem.
        def score(observed: Any) -> Array:
            return -jnp.dot(column, likelihood.at(observed).gradient(y))

        slopes = jax.grad(score)(likelihood.observations())
        counts, aux = (a * b for a, b in zip(slopes, deviations, strict=True))
    return aux, xp.sqrt(xp.sum(counts**2))
