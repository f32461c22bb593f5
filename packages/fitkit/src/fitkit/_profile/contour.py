r"""Contours of the profile likelihood of two parameters.

\(2\,[V(\theta)-V(\hat\theta)]\), with \(V\) minus the log-likelihood profiled over all
other parameters, follows a \(\chi^2\) with two degrees of freedom (S. S. Wilks, Ann.
Math. Statist. 9 (1938) 60).
"""

from collections.abc import Sequence
from typing import NamedTuple, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float

from .._custom_types import Vector
from .._model.model import AbstractModel, Data
from .._numerics.batch import Batched
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import as_floats, cholesky, traced, xp
from .._numerics.roots import falling_roots
from .best_fit import BestFit, best_fit, entry, pick
from .profile_fits import Line, Nearby, line_along, root_of_excess


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
        if traced(self.best):
            return f"Contour({self.names}, levels={self.levels})"
        rows = [
            f"  {level:.4g}: {self.names[0]} in [{low[0]:.6g}, {high[0]:.6g}], "
            f"{self.names[1]} in [{low[1]:.6g}, {high[1]:.6g}]"
            for level, low, high in zip(
                self.levels, self.points.min(1), self.points.max(1), strict=True
            )
        ]
        bad = int(np.sum(~self.converged))
        head = f"contours of {self.names[0]} and {self.names[1]}" + (
            f", {bad} points not converged:" if bad else ":"
        )
        return "\n".join([head, *rows])


def contour(
    model: AbstractModel,
    data: Data,
    parameters: tuple[str, str] | None = None,
    *,
    levels: Sequence[float] = (0.6827, 0.9545),
    angles: int = 48,
    tolerance: float = 1e-4,
) -> Contour:
    r"""Contours of the profile likelihood of two parameters.

    In each direction from the best fit the distance is searched at which
    \(-2\ln\lambda = -2\ln(1-\mathrm{level})\), the quantile of a \(\chi^2\) with two
    degrees of freedom. Directions are equally spaced in the coordinates in which the
    covariance is a circle; a contour must be star-shaped around the best fit.

    Args:
        model: any model.
        data: observed or expected data.
        parameters: two names; `gamma[3]` for an entry of a parameter per bin. By
            default the model's two parameters of interest.
        levels: probability contents, each between 0 and 1.
        angles: directions for each level.
        tolerance: relative precision of the distance.

    Returns:
        A `Contour`; bounds are respected, and told.

    Raises:
        ValueError: for an unknown or fixed parameter, the same one twice or a level
            outside (0, 1).
        FitError: where the free fit finds no minimum.
        RuntimeError: traced, where float64 is off.

    Example:
        >>> from fitkit import contour, correlated_background
        >>> model = correlated_background([60.0], [50.0], [55.0], [45.0])
        >>> names = ("mu", "correlated_bkg_uncertainty")
        >>> data = model.expected_data(model.init)
        >>> result = contour(model, data, names, levels=[0.68], angles=9)
        >>> result.points.shape
        (1, 9, 2)
    """
    if parameters is None:
        if len(model.pois) != 2:
            raise ValueError(
                "`contour` needs two parameters, and the model has "
                f"{len(model.pois)} of interest. Name both."
            )
        parameters = model.pois
    first, second = parameters
    if first == second:
        raise ValueError(f"`contour` needs two parameters; got {first!r} twice.")
    outside = [level for level in levels if not 0 < level < 1]
    if outside:
        raise ValueError(
            "`contour(levels=...)` are probabilities between 0 and 1; got "
            f"{outside[0]}."
        )
    masks = np.stack([entry(model, name, "contour") for name in parameters])
    best = best_fit(model, data, "contour")
    fixed = [n for n, m in zip(parameters, masks, strict=True) if not best.movable[m]]
    if fixed:
        raise ValueError(
            f"`contour`: {fixed[0]!r} is fixed. Free it with "
            f"`model.with_free({fixed[0]!r})`."
        )
    plane = _plane(best, masks)
    angle = np.linspace(0, 2 * np.pi, angles)
    towards = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    distances = np.sqrt(-2 * np.log1p(-np.asarray(levels, dtype=float)))
    # All levels of one direction stand beside each other.
    members = np.repeat(towards, len(levels), axis=0), np.tile(distances, angles)
    common = plane, as_floats(tolerance)
    points, at_bound, converged = (
        xp.swapaxes(xp.reshape(x, (angles, len(levels), *x.shape[1:])), 0, 1)
        for x in _points(common, members, best.movable.shape[0])
    )
    return Contour(
        points, at_bound, converged, plane.centre, tuple(levels), (first, second)
    )


@final
class _Plane(NamedTuple):
    """Two parameters around their best fit.

    Attributes:
        best: the best fit.
        masks: both parameters, `[2, params]`.
        slopes: how all entries follow each, `[2, params]`.
        circle: takes the unit circle to the ellipse of one standard deviation.
    """

    best: BestFit
    masks: Bool[Array, "2 params"]
    slopes: Float[Array, "2 params"]
    circle: Float[Array, "2 2"]

    @property
    def centre(self) -> Float[Array, "2"]:
        """The best fit of both."""
        return self.of_both(self.best.minimum.y)

    def of_both(self, vector: Vector) -> Float[Array, "2"]:
        """The entries of both."""
        return xp.stack([pick(vector, self.masks[0]), pick(vector, self.masks[1])])


@numpy_or_compiled
def _plane(best: BestFit, masks: Bool[Array, "2 params"]) -> _Plane:
    both = masks[0] | masks[1]
    # With both fixed along either line: directions between them add up.
    lines = [line_along(best, both, xp.where(mask, 1.0, 0.0)) for mask in masks]
    slopes = xp.stack([line.slope for line in lines])
    pulls = xp.stack([best.minimum.curvature @ slope for slope in slopes])
    # That of the profile: the Schur complement of all others.
    curvature = slopes @ pulls.T
    # Where the profile does not curve upwards every way: what each has for itself.
    lower = cholesky(curvature)
    alone = xp.diag(xp.stack([1 / line.width for line in lines]))
    lower = xp.where(xp.all(xp.isfinite(lower)), lower, alone)
    # The inverse's factor, transposed: its columns are conjugate directions.
    (a, _), (b, c) = lower[0], lower[1]
    inverse = xp.stack([xp.stack([1 / a, -b / (a * c)]), xp.stack([0 * a, 1 / c])])
    return _Plane(best, masks, slopes, inverse)


def _point(
    common: tuple[_Plane, Array], member: tuple[Float[Array, "2"], Array]
) -> tuple[Array, Array, Array]:
    """A point of a contour, whether it is on a bound, and whether it was reached."""
    (plane, tolerance), (towards, wanted) = common, member
    best, centre = plane.best, plane.centre
    direction = plane.circle @ towards
    slope = direction @ plane.slopes
    line = Line(best, plane.masks[0] | plane.masks[1], slope, np.ones(()))
    # How far the box allows the direction.
    lower, upper = map(plane.of_both, (best.parameters.lower, best.parameters.upper))
    reach = xp.where(direction > 0, upper - centre, centre - lower)
    still = direction == 0
    reach = xp.where(still, xp.inf, reach / xp.abs(xp.where(still, 1.0, direction)))

    def missing(radius: Array, nearby: Nearby) -> tuple[Array, Array, Nearby]:
        values = (centre + radius * direction) @ plane.masks
        conditional, nearby = line.fit(radius, values, nearby)
        root, good = root_of_excess(conditional, best.minimum)
        return wanted - root, good, nearby

    # In standard deviations: the first guess is that of a parabola.
    roots = falling_roots(
        missing,
        wanted,
        wanted,
        largest=xp.min(reach),
        tolerance=tolerance,
        operands=plane,
        memory=line.nothing_nearby(),
    )
    return centre + roots.x * direction, roots.beyond, roots.converged


_points = Batched(_point)
