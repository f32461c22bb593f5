r"""Profile likelihood intervals, as MINOS gives them."""

from collections.abc import Mapping, Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, ArrayLike, Bool, Float

from .._numerics.compiled import compiled
from .._custom_types import Mask
from .._fit.diagnose import entry_names
from .._numerics.batch import in_lanes
from .._model.model import AbstractModel, Data
from .._numerics.roots import falling_roots
from .profile_fits import BestFit, best_fit, entry, pick, root_of_excess


@final
class Intervals(eqx.Module):
    """Profile likelihood intervals of some parameters.

    Attributes:
        best: best fit of each parameter.
        low, high: ends of its interval.
        low_at_bound, high_at_bound: where the likelihood allows more than the
            parameter's bound, which is the end then.
        converged: whether all fits and both searches ended.
        names: of the parameters.
        sigmas: standard deviations that the intervals correspond to.
    """

    best: Float[Array, " chosen"]
    low: Float[Array, " chosen"]
    high: Float[Array, " chosen"]
    low_at_bound: Bool[Array, " chosen"]
    high_at_bound: Bool[Array, " chosen"]
    converged: Bool[Array, " chosen"]
    names: tuple[str, ...] = eqx.field(static=True)
    sigmas: float = eqx.field(static=True)

    def __getitem__(self, name: str) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Lower and upper end for one parameter."""
        i = self.names.index(name)
        return self.low[i], self.high[i]

    def __repr__(self) -> str:
        if isinstance(self.best, jax.core.Tracer):
            return f"Intervals({', '.join(self.names)})"
        width = max(map(len, self.names))
        lines = [f"profile likelihood intervals, {self.sigmas:g} sigma:"]
        for i, name in enumerate(self.names):
            best, low, high = (float(x[i]) for x in (self.best, self.low, self.high))
            note = "" if bool(self.converged[i]) else "  NOT CONVERGED"
            note += "  lower end at its bound" * bool(self.low_at_bound[i])
            note += "  upper end at its bound" * bool(self.high_at_bound[i])
            lines.append(
                f"  {name:<{width}}  {best: .6g}  {low - best:+.6g}  "
                f"{high - best:+.6g}{note}"
            )
        return "\n".join(lines)


def interval(
    model: AbstractModel,
    data: Data,
    parameters: str | Sequence[str] | None = None,
    *,
    sigmas: float = 1.0,
    tolerance: float = 1e-7,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
) -> Intervals:
    r"""Where the profile likelihood has fallen by what `sigmas` stand for.

    The ends of the interval solve \(-2\ln\lambda(\theta) = \mathrm{sigmas}^2\) on
    either side of the best fit. All parameters and both sides are searched together.

    Args:
        model: any model.
        data: observed or expected data.
        parameters: one name or several; `gamma[3]` for an entry of a parameter per
            bin. By default all that are fitted.
        sigmas: standard deviations; 1 is a confidence level of 68.27 %.
        tolerance: precision of the ends, relative to the half width.
        init, fixed, bounds, solver: of all fits; see `fit`.

    Returns:
        The intervals; an end that lies beyond the parameter's bound is the bound, and
        flagged.

    Raises:
        ValueError: for an unknown or fixed parameter.
        FitError: where the free fit finds no minimum.

    Example:
        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
        >>> from fitkit import Channel, Model, NormFactor, Sample, interval
        >>> sample = Sample("signal", [100.0], (NormFactor("mu"),))
        >>> model = Model([Channel("SR", [sample])], poi="mu")
        >>> low, high = interval(model, model.data({"SR": [100.0]}), "mu")["mu"]
        >>> round(float(low), 6), round(float(high), 6)
        (0.903305, 1.103361)

    References:
        F. James, M. Roos, Comput. Phys. Commun. 10 (1975) 343 (MINOS).
    """
    best = best_fit(model, data, init, fixed, bounds, solver, "interval")
    names = entry_names(model.parameter_shapes)
    moved = np.asarray(best.movable)
    if parameters is None:
        chosen = [n for n, free in zip(names, moved, strict=True) if free]
    else:
        chosen = [parameters] if isinstance(parameters, str) else list(parameters)
    masks = np.array([entry(model, name, "interval") for name in chosen])
    held = [n for n, mask in zip(chosen, masks, strict=True) if not moved[mask].all()]
    if held:
        raise ValueError(
            f"`interval`: {held[0]!r} is fixed. Free it with "
            f"`fixed={{{held[0]!r}: False}}`, or leave it out."
        )
    return Intervals(*_ends(best, masks, sigmas, tolerance), tuple(chosen), sigmas)


@compiled
def _ends(
    best: BestFit, masks: Mask, sigmas: float, tolerance: float
) -> tuple[Array, ...]:
    each = jax.vmap(pick, (None, 0))
    at, sigma, lower, upper = (
        each(v, masks) for v in (best.minimum.y, best.sigma, best.lower, best.upper)
    )
    # Where some combination is not determined: any length will do.
    sigma = jnp.where(jnp.isfinite(sigma) & (sigma > 0), sigma, 1.0)
    sides = jnp.repeat(jnp.array([-1.0, 1.0]), at.shape[0])
    both = jnp.concatenate
    lanes = (jnp.tile(at, 2), sides, jnp.tile(sigma, 2), jnp.tile(masks, (2, 1)))

    def excess(distance):
        def one(lane):
            d, (centre, side, unit, mask) = lane
            held = best.held(mask, centre + side * d * unit)
            return root_of_excess(held, best.minimum)

        root, good = in_lanes(one, (distance, lanes), masks.shape[1])
        return sigmas - root, good

    wanted = jnp.full(sides.shape, sigmas)
    room = both([at - lower, upper - at]) / jnp.tile(sigma, 2)
    roots = falling_roots(excess, wanted, wanted, largest=room, tolerance=tolerance)
    ends = lanes[0] + sides * roots.x * lanes[2]
    # Rounding must not leave an end beside the bound that it is.
    ends = jnp.where(roots.beyond, both([lower, upper]), ends)
    count = at.shape[0]
    return (
        at,
        ends[:count],
        ends[count:],
        roots.beyond[:count],
        roots.beyond[count:],
        roots.converged[:count] & roots.converged[count:],
    )
