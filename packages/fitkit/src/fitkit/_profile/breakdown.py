r"""What part of an uncertainty comes from which group of parameters."""

from collections.abc import Mapping, Sequence
from typing import cast, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float

from .._custom_types import Mask
from .._fit.poi import poi_mask
from .._fit.result import FitResult
from .._fit.uncertainty import covariance_of
from .._histfactory.likelihood import HistFactoryLikelihood
from .._histfactory.model import Model
from .._histfactory.modifiers import AbstractModifier
from .._model.model import AbstractModel, Data
from .._model.parameters import flatten
from .._numerics.batch import in_batch
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import traced, xp
from .best_fit import BestFit, best_fit, covariance_at, entry, pick, require_width
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
        if traced(self.total):
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
    best: FitResult | None = None,
) -> Breakdown:
    r"""Split an uncertainty by freezing groups of parameters at their best fit.

    Frozen parameters are those of the groups so far, in the order given; uncertainties
    are from the inverse Hessian of what is left, so that freezing moves no best fit and
    needs none. For the profile likelihood interval with a group frozen, fix it at its
    best fit: `interval(model.with_init(best.params).with_fixed(*group), data)`.

    Args:
        model: any model.
        data: observed or expected data.
        groups: by name, the members that `parameter_group` understands; a parameter of
            two groups belongs to the first. By default one group, `systematic`: all
            parameters with a constraint.
        parameter: whose uncertainty; `gamma[3]` for an entry of a parameter per bin.
            By default the parameter of interest.
        best: the fit, where there is one, as of `fit` or `FitResult.load`; by default
            it is made.

    Returns:
        A `Breakdown`, in units of the parameter.

    Raises:
        ValueError: for an unknown parameter or member, or a group with the parameter
            itself; where `best` is no fit of this model to these data.
        FitError: where the fit finds no minimum, or the parameter has no uncertainty:
            it is fixed, on its bound or not determined.
        RuntimeError: traced, where float64 is off.

    Example:
        Five events of background uncertainty, and the root of the counts:

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
        members = {"systematic": (*constrained, *model.profiled_names)}
    else:
        members = {name: parameter_group(model, *of) for name, of in groups.items()}
    # Of each group its entries in the flat vector, then its profiled factors.
    profiled = model.profiled_names
    frozen = [
        np.append(
            flatten(
                {name: True for name in names if name not in profiled},
                model.parameter_shapes,
                "",
                bool,
            ).given,
            np.array([name in names for name in profiled], dtype=bool),
        )
        for names in members.values()
    ]
    size = mask.size
    for name, group in zip(members, frozen, strict=True):
        if np.any(group[:size] & mask):
            raise ValueError(
                f"`breakdown`: the group {name!r} holds the parameter itself."
            )
    fitted = best_fit(model, data, "breakdown", made=best)
    # Frozen groups can only add what is known: without any the width must be.
    require_width(covariance_at(fitted).widths, fitted, mask, model, "breakdown")
    # A mask for each step, nothing frozen first, and one for each group alone.
    apart = np.array(frozen, dtype=bool).reshape(-1, size + len(profiled))
    together = np.logical_or.accumulate(apart, axis=0)
    none = np.zeros((1, apart.shape[1]), dtype=bool)
    masks = np.concatenate([none, together, apart])
    if isinstance(model, Model) and profiled:
        held = model.bins_of_factors(masks[:, size:])
        deviations = _deviations_with_factors(fitted, mask, masks[:, :size], held)
    else:
        deviations = _deviations(fitted, mask, masks)
    steps, alone = deviations[: len(apart) + 1], deviations[len(apart) + 1 :]
    return Breakdown(
        steps[0],
        _difference(steps[:-1], steps[1:]),
        steps[-1],
        _difference(steps[0], alone),
        tuple(members),
        str(model.poi) if poi else str(parameter),
    )


def _difference(larger: Array, smaller: Array) -> Array:
    """In quadrature; rounding must not leave the root of a negative number."""
    return xp.sqrt(xp.maximum(larger**2 - smaller**2, 0.0))


@numpy_or_compiled
def _deviations(best: BestFit, of: Mask, frozen: Array) -> Float[Array, " masks"]:
    """The standard deviation of one entry, with each of some masks frozen."""

    def deviation(mask: Mask) -> Float[Array, ""]:
        # Frozen at the best fit, the others stay there: no fit is needed.
        covariance = covariance_of(best.minimum.curvature, best.free & ~mask)
        return pick(covariance.widths, of)

    return in_batch(deviation, frozen, of.shape[0], best)


@numpy_or_compiled
def _deviations_with_factors(
    best: BestFit, of: Mask, frozen: Array, held: Bool[Array, "masks bins"]
) -> Float[Array, " masks"]:
    """The same, with profiled factors of some bins held at their best values too."""
    likelihood = cast(HistFactoryLikelihood, best.likelihood)
    y = best.minimum.y
    gamma = cast(Array, likelihood.factors(y))

    def deviation(both: tuple[Mask, Array]) -> Float[Array, ""]:
        mask, here = both
        curvature = likelihood.with_factors(gamma, here).derivatives(y).hessian
        return pick(covariance_of(curvature, best.free & ~mask).widths, of)

    return in_batch(deviation, (frozen, held), of.shape[0], best)
