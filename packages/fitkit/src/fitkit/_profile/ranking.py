r"""What each source of uncertainty does to the parameter of interest.

Two definitions stand beside each other. By *parameter shift*: a nuisance parameter is
held at one standard deviation from its best fit and everything else is fitted again.
By *global observable* (arXiv:2307.04007): the auxiliary measurement itself is shifted
by one standard deviation; these impacts, and the one of the counts, add in quadrature
to the total uncertainty, and so do groups of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, ArrayLike, Bool, Float

from .._numerics.compiled import compiled
from .._custom_types import Mask
from .._fit.diagnose import entry_names
from .._fit.fit import poi_mask
from .._numerics.batch import in_lanes
from .._fit.minimise import minimise
from .._model.model import AbstractModel, Data
from .profile_fits import BestFit, best_fit, pick, require_covariance
from .constraint_widths import prior_centres, prior_widths


@final
class Ranking(eqx.Module):
    """Impacts on the parameter of interest, largest first.

    Attributes:
        pull: (best fit - nominal) / width of the constraint; NaN without one.
        constraint: uncertainty after the fit / width of the constraint; NaN likewise.
        up, down: change of the parameter of interest with the parameter held at +1 and
            -1 standard deviation *after* the fit.
        prefit_up, prefit_down: the same with the width of its constraint; NaN without.
        by_observable: change for an auxiliary measurement shifted by +1 standard
            deviation, to first order; 0 without one, NaN where the model's likelihood
            does not know the errors of its data.
        statistical: the same for the counts, all bins in quadrature.
        total: uncertainty of the parameter of interest, from the covariance.
        best: its best fit.
        converged: whether all four fits of a parameter found their minimum.
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
            found = np.array([n == name or n.split("[")[0] == name for n in self.names])
            if not found.any():
                raise ValueError(
                    f"`Ranking.group`: {name!r} is not ranked; what is: "
                    + ", ".join(self.names[:20])
                )
            chosen |= found
        return jnp.sqrt(jnp.sum(jnp.where(chosen, self.by_observable, 0.0) ** 2))

    def __repr__(self) -> str:
        if isinstance(self.best, jax.core.Tracer):
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
            lines.append(f"  {name:<{width}} {numbers}{note}")
        return "\n".join(lines)


def ranking(
    model: AbstractModel,
    data: Data,
    *,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
) -> Ranking:
    """Impacts of all fitted nuisance parameters on the parameter of interest.

    All fits are made together, four for each parameter; impacts by global observable
    need none: they are the derivative of the best fit with respect to the data.

    Args:
        model: any model with a parameter of interest.
        data: observed or expected data.
        init, fixed, bounds, solver: of all fits; see `fit`.

    Returns:
        A `Ranking`, ordered by the larger of the impacts up and down.

    Raises:
        ValueError: where the model has no parameter of interest.
        FitError: where the free fit finds no minimum, or does not determine all
            parameters, as where the channels with signal are masked.

    Example:
        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
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
    mask = poi_mask(model, "ranking")
    best = best_fit(model, data, init, fixed, bounds, solver, "ranking")
    require_covariance(best, model, "ranking")
    by_entry, chosen, numbers = _impacts(
        best, mask, prior_centres(model), prior_widths(model)
    )
    order = np.flatnonzero(np.asarray(chosen))
    size = np.maximum(np.abs(by_entry["up"]), np.abs(by_entry["down"]))[order]
    order = order[np.argsort(-np.nan_to_num(size, nan=np.inf), kind="stable")]
    names = entry_names(model.parameter_shapes)
    columns = {name: column[order] for name, column in by_entry.items()}
    return Ranking(
        **columns, **numbers, names=tuple(names[i] for i in order), poi=str(model.poi)
    )


@compiled
def _impacts(
    best: BestFit, poi: Mask, centres: Array, widths: Array
) -> tuple[dict[str, Array], Mask, dict[str, Array]]:
    y, sigma = best.minimum.y, best.sigma
    centre = pick(y, poi)
    entries = y.shape[0]
    chosen = best.movable & ~poi
    # Up and down, after the fit and before it; what is not ranked stays in place.
    shifts = jnp.stack([sigma, -sigma, widths, -widths])
    shifts = jnp.where(chosen & jnp.isfinite(shifts), shifts, 0.0)

    def moved(lane):
        index, shift = lane
        mask = jnp.arange(entries) == index
        value = jnp.clip(y + shift, best.lower, best.upper)
        held = best.held(mask, value)
        return pick(held.y, poi) - centre, held.converged

    lanes = (jnp.tile(jnp.arange(entries), 4), shifts.reshape(-1))
    change, converged = in_lanes(moved, lanes, entries)
    up, down, prefit_up, prefit_down = change.reshape(4, entries)
    constrained = widths > 0
    unknown = lambda x: jnp.where(constrained, x, jnp.nan)  # noqa: E731
    safe = jnp.where(constrained, widths, 1.0)

    aux, statistical = _by_observation(best, poi)
    by_entry = {
        "pull": unknown((y - centres) / safe),
        "constraint": unknown(sigma / safe),
        "up": up,
        "down": down,
        "prefit_up": unknown(prefit_up),
        "prefit_down": unknown(prefit_down),
        "by_observable": aux,
        "converged": jnp.all(converged.reshape(4, entries), axis=0),
    }
    numbers = {"statistical": statistical, "total": pick(sigma, poi), "best": centre}
    return by_entry, chosen, numbers


def _by_observation(
    best: BestFit, poi: Mask
) -> tuple[Float[Array, " params"], Float[Array, ""]]:
    """The best fit's derivatives with respect to the data, times their errors."""
    likelihood = best.likelihood.prepared()
    errors = likelihood.deviations(best.minimum.y)
    if errors is None:
        return jnp.full(poi.shape, jnp.nan), jnp.array(jnp.nan)
    options = best.options.starting_at(best.minimum.y)

    def fitted(observed: Any) -> Array:
        return pick(minimise(likelihood.at(observed), options, best.solver).y, poi)

    slopes = jax.grad(fitted)(likelihood.observations())
    counts, aux = (slope * error for slope, error in zip(slopes, errors, strict=True))
    return aux, jnp.sqrt(jnp.sum(counts**2))
