r"""What part of an uncertainty comes from which group of parameters."""

from collections.abc import Mapping, Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, ArrayLike, Float

from .._numerics.compiled import compiled
from .._custom_types import Mask
from .._fit.fit import poi_mask
from .._histfactory.modifiers import AbstractModifier
from .._model.model import AbstractModel, Data
from .._model.parameters import flatten
from .._fit.uncertainty import inverse_of_free
from .profile_fits import BestFit, best_fit, entry, pick, require_covariance
from .groups import parameter_group


@final
class Breakdown(eqx.Module):
    r"""An uncertainty apart by groups of parameters.

    Attributes:
        total: the uncertainty with nothing frozen.
        contributions: of each group, \(\sqrt{\sigma_{before}^2-\sigma_{after}^2}\):
            before and after it is frozen as well as all groups before it.
        statistical: the uncertainty with all groups frozen. The squares of this and of
            the contributions add up to that of `total`.
        alone: of each group, the same difference where it is the only one frozen. These
            do not depend on the order, and do not add up where groups are correlated.
        names: of the groups, in the order of freezing.
        parameter: whose uncertainty it is.
    """

    total: Float[Array, ""]
    contributions: Float[Array, " groups"]
    statistical: Float[Array, ""]
    alone: Float[Array, " groups"]
    names: tuple[str, ...] = eqx.field(static=True)
    parameter: str = eqx.field(static=True)

    def __getitem__(self, name: str) -> Float[Array, ""]:
        """The contribution of one group."""
        return self.contributions[self.names.index(name)]

    def __repr__(self) -> str:
        if isinstance(self.total, jax.core.Tracer):
            return f"Breakdown({self.parameter}: {', '.join(self.names)})"
        width = max(map(len, [*self.names, "statistical"]))
        lines = [f"uncertainty of {self.parameter}: {float(self.total):.6g}"]
        for name, part, alone in zip(
            self.names, self.contributions, self.alone, strict=True
        ):
            lines.append(
                f"  {name:<{width}}  {float(part):.6g}  (alone {float(alone):.6g})"
            )
        lines.append(f"  {'statistical':<{width}}  {float(self.statistical):.6g}")
        return "\n".join(lines)


def breakdown(
    model: AbstractModel,
    data: Data,
    groups: Mapping[str, Sequence[str | type[AbstractModifier]]] | None = None,
    *,
    parameter: str | None = None,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
) -> Breakdown:
    r"""Split an uncertainty by freezing groups of parameters at their best fit.

    Frozen parameters are those of the groups so far, in the order given; uncertainties
    are from the inverse Hessian of what is left, so that freezing moves no best fit and
    needs none. For the profile likelihood interval with a group frozen, give
    `interval(..., init=best.params, fixed=dict.fromkeys(group, True))`.

    Args:
        model: any model.
        data: observed or expected data.
        groups: by name, the members that `parameter_group` understands; a parameter of
            two groups belongs to the first. By default one group, `systematic`: all
            parameters with a constraint.
        parameter: whose uncertainty; `gamma[3]` for an entry of a parameter per bin.
            By default the parameter of interest.
        init, fixed, bounds, solver: of the fit; see `fit`.

    Returns:
        A `Breakdown`.

    Raises:
        ValueError: for an unknown parameter or member, or a group with the parameter
            itself.
        FitError: where the fit finds no minimum, or does not determine the parameters.

    Example:
        Five events of background uncertainty, and the root of the counts:

        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
        >>> from fitkit import breakdown, correlated_background
        >>> model = correlated_background([12.0], [52.0], [57.0], [47.0])
        >>> result = breakdown(model, model.expected_data(model.init))
        >>> round(float(12 * result["systematic"]), 6)
        5.0
        >>> round(float(12 * result.statistical), 6)
        8.0
    """
    poi = parameter is None
    mask = poi_mask(model, "breakdown") if poi else entry(model, parameter, "breakdown")
    if groups is None:
        settings = model.parameters
        constrained = [n for n, p in settings.items() if p.constraint is not None]
        members = {"systematic": constrained}
    else:
        members = {name: parameter_group(model, *of) for name, of in groups.items()}
    frozen = [
        np.asarray(
            flatten(dict.fromkeys(names, True), model.parameter_shapes, "").given
        )
        for names in members.values()
    ]
    for name, group in zip(members, frozen, strict=True):
        if np.any(group & mask):
            raise ValueError(
                f"`breakdown`: the group {name!r} holds the parameter itself."
            )
    best = best_fit(model, data, init, fixed, bounds, solver, "breakdown")
    require_covariance(best, model, "breakdown")
    apart = np.array(frozen).reshape(-1, mask.size)
    together = np.logical_or.accumulate(apart, axis=0)
    total, after, alone = _deviations(best, mask, together, apart)
    steps = jnp.append(total, after)
    return Breakdown(
        total,
        _difference(steps[:-1], steps[1:]),
        steps[-1],
        _difference(total, alone),
        tuple(members),
        str(model.poi) if poi else str(parameter),
    )


def _difference(larger: Array, smaller: Array) -> Array:
    """In quadrature; rounding must not leave the root of a negative number."""
    return jnp.sqrt(jnp.maximum(larger**2 - smaller**2, 0.0))


@compiled
def _deviations(
    best: BestFit, of: Mask, together: Array, apart: Array
) -> tuple[Array, Array, Array]:
    """Standard deviation with nothing frozen, with each of the masks frozen."""

    def deviation(frozen):
        inverse, _ = inverse_of_free(best.minimum.curvature, best.movable & ~frozen)
        return jnp.sqrt(pick(jnp.diagonal(inverse), of))

    each = jax.vmap(deviation)
    return deviation(jnp.zeros_like(of)), each(together), each(apart)
