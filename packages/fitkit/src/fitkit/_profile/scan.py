r"""The profile likelihood along one parameter.

\(2\,[V(\theta)-V(\hat\theta)]\), with \(V\) minus the log-likelihood profiled over all
other parameters, follows a \(\chi^2\) with one degree of freedom (S. S. Wilks, Ann.
Math. Statist. 9 (1938) 60).
"""

from typing import final

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from .._custom_types import Mask
from .._model.model import AbstractModel, Data
from .._numerics.batch import Batched
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import as_floats, traced, xp
from .._numerics.namespace import scan as one_by_one
from .best_fit import BestFit, best_fit, entry, pick
from .profile_fits import Nearby, line_of

_SPAN = 3.0  # standard deviations to either side, where no values are given
# So many neighbouring points are fitted in turn; such runs may go side by side.
_RUN = 8


@final
class Scan(eqx.Module):
    """The profile likelihood along one parameter.

    Attributes:
        values: of the parameter.
        delta: twice the negative log-likelihood above its minimum.
        y: the other parameters' best fit, flat, in the model's order.
        best: best fit of the parameter.
        converged: whether each conditional fit found its minimum.
        name: of the parameter.
    """

    values: Float[Array, " points"]
    delta: Float[Array, " points"]
    y: Float[Array, "points params"]
    best: Float[Array, ""]
    converged: Bool[Array, " points"]
    name: str = eqx.field(static=True)

    def __repr__(self) -> str:
        if traced(self.best):
            return f"Scan({self.name}, {self.values.shape[0]} points)"
        rows = [
            f"  {value: .6g}  {delta:.6g}" + ("" if good else "  (not converged)")
            for value, delta, good in zip(
                self.values, self.delta, self.converged, strict=True
            )
        ]
        head = f"{self.name} = {float(self.best):.6g}; value and -2 ln of the ratio:"
        return "\n".join([head, *rows])


def scan(
    model: AbstractModel,
    data: Data,
    parameter: str,
    values: Float[ArrayLike, " points"] | None = None,
    *,
    points: int = 31,
) -> Scan:
    """The likelihood profiled over all parameters but one.

    Args:
        model: any model.
        data: observed or expected data.
        parameter: its name; `gamma[3]` for an entry of a parameter per bin.
        values: where to evaluate, `[points]`, in the parameter's own units; by default
            from three standard deviations below the best fit to three above, as far as
            its bounds allow.
        points: how many values, where none are given.

    Returns:
        A `Scan`. Its `delta` is infinite where the likelihood is zero whatever the
        other parameters are.

    Raises:
        ValueError: for an unknown parameter, or one that is fixed or of which nothing
            depends, where no values are given.
        FitError: where the free fit finds no minimum.
        RuntimeError: traced, where float64 is off.

    Example:
        >>> from fitkit import Channel, Model, NormFactor, Sample, scan
        >>> sample = Sample("signal", [100.0], (NormFactor("mu"),))
        >>> model = Model([Channel("SR", [sample])], poi="mu")
        >>> result = scan(model, model.data({"SR": [100.0]}), "mu", [1.0, 1.1])
        >>> [round(float(x), 6) for x in result.delta]
        [0.0, 0.937964]
    """
    # A wrong name is told before any fit.
    mask = entry(model, parameter, "scan")
    best = best_fit(model, data, "scan")
    at = pick(best.minimum.y, mask)
    if values is None:
        width = _SPAN * _width(best, mask)
        if not traced(width) and not (best.movable[mask].all() and width > 0):
            raise ValueError(
                f"`scan`: {parameter!r} is fixed, or has no curvature from which to "
                "choose a range. Give `values=`."
            )
        low = xp.maximum(at - width, pick(best.parameters.lower, mask))
        high = xp.minimum(at + width, pick(best.parameters.upper, mask))
        values = xp.linspace(low, high, points)
    where: Array = xp.atleast_1d(as_floats(values))
    (count,) = where.shape
    if not count:
        raise ValueError("`scan(values=...)` is empty.")
    # Neighbours follow each other, so that one tells where the next will end.
    order = xp.argsort(where)
    runs = -(-count // _RUN)
    length = -(-count // runs)
    padded = order[np.minimum(np.arange(runs * length), count - 1)]
    results = _along((best, mask), where[padded].reshape(runs, length), mask.shape[0])
    back = xp.argsort(order)
    delta, y, converged = (x.reshape(-1, *x.shape[2:])[back] for x in results)
    return Scan(where, delta, y, at, converged, parameter)


def _run(
    common: tuple[BestFit, Mask], values: Float[Array, " run"]
) -> tuple[Array, Array, Array]:
    """Conditional fits at neighbouring values, one after the other."""
    best, mask = common
    line, at = line_of(best, mask), pick(best.minimum.y, mask)

    def fit(nearby: Nearby, value: Array) -> tuple[Nearby, tuple[Array, Array, Array]]:
        conditional, nearby = line.fit(value - at, value, nearby)
        delta = 2 * (conditional.value - best.minimum.value)
        return nearby, (delta, conditional.y, conditional.succeeded)

    return one_by_one(fit, line.nothing_nearby(), values, line)[1]


_along = Batched(_run)


@numpy_or_compiled
def _width(best: BestFit, mask: Mask) -> Float[Array, ""]:
    """The standard deviation, 0 without any curvature."""
    line = line_of(best, mask)
    # Of a parameter that nothing depends on `Line.width` is some length or other.
    curved = pick(best.minimum.curvature.diagonal(), mask) > 0
    return xp.where(curved, line.width, 0.0)
