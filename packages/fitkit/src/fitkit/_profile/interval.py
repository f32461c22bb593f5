r"""Profile likelihood intervals, as MINOS gives them."""

from collections.abc import Sequence
from typing import final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float

from .._model.model import AbstractModel, Data
from .._model.parameters import entry_names
from .._numerics.batch import Batched
from .._numerics.namespace import as_floats, traced, xp
from .._numerics.roots import falling_roots
from .best_fit import BestFit, best_fit, entry, pick
from .profile_fits import Nearby, line_of, root_of_excess


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
        if traced(self.best):
            return f"Intervals({', '.join(self.names)})"
        width = max(map(len, self.names), default=0)
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
) -> Intervals:
    r"""Where the profile likelihood has fallen by what `sigmas` stand for.

    The ends of the interval solve \(-2\ln\lambda(\theta) = \mathrm{sigmas}^2\) on
    either side of the best fit.

    Args:
        model: any model.
        data: observed or expected data.
        parameters: one name or several; `gamma[3]` for an entry of a parameter per
            bin. By default all that are fitted.
        sigmas: standard deviations; 1 is a confidence level of 68.27 %.
        tolerance: precision of the ends, relative to the half width.

    Returns:
        The intervals; an end that lies beyond the parameter's bound is the bound, and
        flagged.

    Raises:
        ValueError: for an unknown or fixed parameter.
        FitError: where the free fit finds no minimum.
        RuntimeError: traced, where float64 is off.

    Example:
        >>> from fitkit import Channel, Model, NormFactor, Sample, interval
        >>> sample = Sample("signal", [100.0], (NormFactor("mu"),))
        >>> model = Model([Channel("SR", [sample])], poi="mu")
        >>> low, high = interval(model, model.data({"SR": [100.0]}), "mu")["mu"]
        >>> round(float(low), 6), round(float(high), 6)
        (0.903305, 1.103361)

    References:
        F. James, M. Roos, Comput. Phys. Commun. 10 (1975) 343 (MINOS).
    """
    best = best_fit(model, data, "interval")
    # From the settings, which are known also where the data are traced.
    names = entry_names(model.parameter_shapes)
    movable = np.asarray(best.movable)
    if parameters is None:
        chosen = [n for n, free in zip(names, movable, strict=True) if free]
    else:
        chosen = [parameters] if isinstance(parameters, str) else list(parameters)
    masks = [entry(model, name, "interval") for name in chosen]
    fixed = [
        n for n, mask in zip(chosen, masks, strict=True) if not movable[mask].all()
    ]
    if fixed:
        raise ValueError(
            f"`interval`: {fixed[0]!r} is fixed. Free it with "
            f"`model.with_free({fixed[0]!r})`, or leave it out."
        )
    if not chosen:
        none, no = np.zeros(0), np.zeros(0, dtype=bool)
        return Intervals(none, none, none, no, no, no, (), sigmas)
    # The rows of the masks have one entry each.
    index = np.argmax(masks, axis=1)
    # Both sides of a parameter are searches of their own.
    sides = np.stack(np.meshgrid(index, [-1.0, 1.0], indexing="ij"), -1).reshape(-1, 2)
    common = best, as_floats(sigmas), as_floats(tolerance)
    members = sides[:, 0].astype(int), sides[:, 1]
    ends, beyond, converged = (
        xp.reshape(x, (-1, 2)) for x in _ends(common, members, movable.size)
    )
    return Intervals(
        best=best.minimum.y[index],
        low=ends[:, 0],
        high=ends[:, 1],
        low_at_bound=beyond[:, 0],
        high_at_bound=beyond[:, 1],
        converged=xp.all(converged, axis=1),
        names=tuple(chosen),
        sigmas=sigmas,
    )


def _end(
    common: tuple[BestFit, Array, Array], member: tuple[Array, Array]
) -> tuple[Array, Array, Array]:
    """One end of one interval, whether it is a bound, and whether it was reached."""
    (best, sigmas, tolerance), (index, side) = common, member
    mask = np.arange(best.movable.shape[0]) == index
    line = line_of(best, mask, side)
    unit, at = line.width, pick(best.minimum.y, mask)
    lower, upper = (
        pick(x, mask) for x in (best.parameters.lower, best.parameters.upper)
    )
    bound = xp.where(side > 0, upper, lower)
    # In standard deviations, where the function is nearly a line.

    def missing(x: Array, nearby: Nearby) -> tuple[Array, Array, Nearby]:
        distance = x * unit
        conditional, nearby = line.fit(distance, at + side * distance, nearby)
        root, good = root_of_excess(conditional, best.minimum)
        return sigmas - root, good, nearby

    roots = falling_roots(
        missing,
        sigmas,
        sigmas,
        largest=side * (bound - at) / unit,
        tolerance=tolerance,
        operands=line,
        memory=line.nothing_nearby(),
    )
    # Rounding must not leave an end beside the bound that it is.
    end = xp.where(roots.beyond, bound, at + side * roots.x * unit)
    return end, roots.beyond, roots.converged


_ends = Batched(_end)
