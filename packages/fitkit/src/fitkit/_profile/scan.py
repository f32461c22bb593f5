r"""The profile likelihood along one parameter, and its contours in two.

With \(V\) minus the log-likelihood, profiled over all other parameters, both show
\(2\,[V(\theta)-V(\hat\theta)]\), which follows a \(\chi^2\) with as many degrees of
freedom as there are parameters shown (S. S. Wilks, Ann. Math. Statist. 9 (1938) 60).
"""

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
from .._numerics.batch import in_lanes
from .._model.model import AbstractModel, Data
from .._numerics.roots import falling_roots
from .profile_fits import BestFit, best_fit, entry, pick, root_of_excess

_SPAN = 3.0  # standard deviations to either side, where no values are given


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
        if isinstance(self.best, jax.core.Tracer):
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
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
) -> Scan:
    """The likelihood profiled over all parameters but one.

    Args:
        model: any model.
        data: observed or expected data.
        parameter: its name; `gamma[3]` for an entry of a parameter per bin.
        values: where to evaluate; by default from three standard deviations below the
            best fit to three above, as far as its bounds allow.
        points: how many values, where none are given.
        init, fixed, bounds, solver: of all fits; see `fit`.

    Returns:
        A `Scan`; all conditional fits are made together, from the best fit.

    Raises:
        ValueError: for an unknown parameter.
        FitError: where the free fit finds no minimum.

    Example:
        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
        >>> from fitkit import Channel, Model, NormFactor, Sample, scan
        >>> sample = Sample("signal", [100.0], (NormFactor("mu"),))
        >>> model = Model([Channel("SR", [sample])], poi="mu")
        >>> result = scan(model, model.data({"SR": [100.0]}), "mu", [1.0, 1.1])
        >>> [round(float(x), 6) for x in result.delta]
        [0.0, 0.937964]
    """
    best = best_fit(model, data, init, fixed, bounds, solver, "scan")
    mask = entry(model, parameter, "scan")
    at = pick(best.minimum.y, mask)
    if values is None:
        width = _SPAN * pick(best.sigma, mask)
        if not isinstance(width, jax.core.Tracer) and not width > 0:
            raise ValueError(
                f"`scan`: {parameter!r} has no curvature from which to choose a range "
                "(is it fixed, or not determined?). Give `values=`."
            )
        low = jnp.maximum(at - width, pick(best.lower, mask))
        high = jnp.minimum(at + width, pick(best.upper, mask))
        values = jnp.linspace(low, high, points)
    values = jnp.atleast_1d(jnp.asarray(values, dtype=float))
    delta, y, converged = _along(best, mask, values)
    return Scan(values, delta, y, at, converged, parameter)


@compiled
def _along(best: BestFit, mask: Mask, values: Array) -> tuple[Array, Array, Array]:
    def at(value):
        held = best.held(mask, value)
        return 2 * (held.value - best.minimum.value), held.y, held.converged

    return in_lanes(at, values, mask.shape[0])


@final
class Contour(eqx.Module):
    """Closed lines of equal profile likelihood around the best fit of two parameters.

    Attributes:
        points: `[levels, angles, 2]`; the last point of a line is its first one again.
        at_bound: where a line runs along a bound instead, `[levels, angles]`.
        converged: whether the search ended at each point.
        best: best fit of both parameters.
        levels: probability contents.
        names: of the parameters.
    """

    points: Float[Array, "levels angles 2"]
    at_bound: Bool[Array, "levels angles"]
    converged: Bool[Array, "levels angles"]
    best: Float[Array, "2"]
    levels: tuple[float, ...] = eqx.field(static=True)
    names: tuple[str, str] = eqx.field(static=True)

    def __repr__(self) -> str:
        if isinstance(self.best, jax.core.Tracer):
            return f"Contour({self.names}, levels={self.levels})"
        rows = [
            f"  {level:.4g}: {self.names[0]} in [{low[0]:.6g}, {high[0]:.6g}], "
            f"{self.names[1]} in [{low[1]:.6g}, {high[1]:.6g}]"
            for level, low, high in zip(
                self.levels, self.points.min(1), self.points.max(1), strict=True
            )
        ]
        bad = int(jnp.sum(~self.converged))
        head = f"contours of {self.names[0]} and {self.names[1]}" + (
            f", {bad} points not converged:" if bad else ":"
        )
        return "\n".join([head, *rows])


def contour(
    model: AbstractModel,
    data: Data,
    parameters: tuple[str, str],
    *,
    levels: Sequence[float] = (0.6827, 0.9545),
    angles: int = 48,
    tolerance: float = 1e-4,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
) -> Contour:
    r"""Contours of the profile likelihood of two parameters.

    In each direction from the best fit the distance is searched at which
    \(-2\ln\lambda = -2\ln(1-\mathrm{level})\), the quantile of a \(\chi^2\) with two
    degrees of freedom. Directions are equally spaced in the coordinates in which the
    covariance is a circle; a contour must be star-shaped around the best fit.

    Args:
        model: any model.
        data: observed or expected data.
        parameters: two names; `gamma[3]` for an entry of a parameter per bin.
        levels: probability contents, each between 0 and 1.
        angles: directions for each level.
        tolerance: relative precision of the distance.
        init, fixed, bounds, solver: of all fits; see `fit`.

    Returns:
        A `Contour`; bounds are respected, and said.

    Raises:
        ValueError: for an unknown parameter, the same one twice or a level outside
            (0, 1).
        FitError: where the free fit finds no minimum.
    """
    first, second = parameters
    if first == second:
        raise ValueError(f"`contour` needs two parameters; got {first!r} twice.")
    outside = [level for level in levels if not 0 < level < 1]
    if outside:
        raise ValueError(
            "`contour(levels=...)` are probabilities between 0 and 1; got "
            f"{outside[0]}."
        )
    best = best_fit(model, data, init, fixed, bounds, solver, "contour")
    masks = np.stack([entry(model, name, "contour") for name in parameters])
    content = np.asarray(levels, dtype=float)
    points, at_bound, converged, at = _around(
        best, masks, np.sqrt(-2 * np.log1p(-content)), angles, tolerance
    )
    return Contour(points, at_bound, converged, at, tuple(levels), (first, second))


@compiled
def _around(
    best: BestFit, masks: Mask, distances: Array, angles: int, tolerance: float
) -> tuple[Array, Array, Array, Array]:
    both = jax.vmap(pick, in_axes=(None, 0))
    centre, lower, upper = (
        both(v, masks) for v in (best.minimum.y, best.lower, best.upper)
    )
    weights = masks.astype(float)
    circle = jnp.linalg.cholesky(weights @ best.covariance @ weights.T)
    angle = jnp.linspace(0, 2 * jnp.pi, angles)
    direction = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1) @ circle.T
    # How far the box allows each direction.
    room = jnp.where(direction > 0, upper - centre, centre - lower)
    reach = jnp.min(
        jnp.where(direction == 0, jnp.inf, room / jnp.abs(direction)), axis=1
    )
    count = distances.shape[0]
    directions = jnp.tile(direction, (count, 1))
    wanted = jnp.repeat(distances, angles)

    def excess(radius):
        def at(lane):
            r, towards = lane
            values = jnp.sum((centre + r * towards)[:, None] * masks, axis=0)
            root, good = root_of_excess(
                best.held(masks[0] | masks[1], values), best.minimum
            )
            return root, good

        root, good = in_lanes(at, (radius, directions), masks.shape[1])
        return wanted - root, good

    roots = falling_roots(
        excess, wanted, wanted, largest=jnp.tile(reach, count), tolerance=tolerance
    )
    points = centre + roots.x[:, None] * directions
    shape = (count, angles)
    return (
        points.reshape(*shape, 2),
        roots.beyond.reshape(shape),
        roots.converged.reshape(shape),
        centre,
    )
