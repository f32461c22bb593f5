"""The statistical noise of a variation's template, smoothed away."""

import jax.numpy as jnp
from jaxtyping import Array

from .._custom_types import Yields


def smooth_353qh_twice(values: Yields) -> Yields:
    """Numbers per bin, smoothed by running medians and means: 353QH, run twice.

    Medians of 3, of 5 and of 3 neighbours; a parabola over flat stretches (Q); means
    with weights ¼, ½, ¼ (H); the same for what is left, added. Differentiable almost
    everywhere: a median passes on one of its values.

    Args:
        values: one per bin; fewer than three stay as they are.

    Returns:
        As many; not negative where none was.

    Example:
        >>> smooth_353qh_twice(jnp.array([1.0, 1.1, 3.0, 1.3, 1.4])).round(3).tolist()
        [1.0, 1.1, 1.2, 1.3, 1.4]

    References:
        J. Friedman, Data analysis techniques for high energy particle physics,
        https://cds.cern.ch/record/186223, p. 292; ROOT's `TH1::SmoothArray`, and
        cabinetry's `353QH, twice`.
    """
    if len(values) < 3:
        return values
    smooth = _353qh(list(values))
    rough = [value - s for value, s in zip(values, smooth, strict=True)]
    both = jnp.stack(smooth) + jnp.stack(_353qh(rough))
    return jnp.where(jnp.min(values) < 0, both, jnp.maximum(both, 0.0))


# A list of scalars and not one array: bins are few, and each is treated by its place.
def _353qh(values: list[Array]) -> list[Array]:
    return _means(_parabolas(_median_3(_median_5(_ends(_median_3(values), values)))))


def _median(*values: Array) -> Array:
    return jnp.median(jnp.stack(values))


def _median_3(z: list[Array]) -> list[Array]:
    inner = [_median(*z[i - 1 : i + 2]) for i in range(1, len(z) - 1)]
    return [z[0], *inner, z[-1]]


def _ends(z: list[Array], before: list[Array]) -> list[Array]:
    """Of both ends, the median of the value, its neighbour and their extrapolation."""
    low = _median(3 * z[1] - 2 * z[2], before[0], z[1])
    # The upper end looks at bins that the lower one has changed only for three bins.
    z = [low, *z[1:]]
    high = _median(z[-2], before[-1], 3 * z[-2] - 2 * z[-3])
    return [*z[:-1], high]


def _median_5(z: list[Array]) -> list[Array]:
    n = len(z)
    inner = [_median(*z[i - 2 : i + 3]) for i in range(2, n - 2)]
    done = [*z[:2], *inner, *z[n - 2 :]] if n > 4 else list(z)
    done[1] = _median(*z[:3])
    done[-2] = _median(*z[-3:])
    return done


def _parabolas(z: list[Array]) -> list[Array]:
    y = list(z)
    for i in range(2, len(z) - 2):
        left, right = z[i - 2] - z[i], z[i + 2] - z[i]
        flat = (z[i - 1] == z[i]) & (z[i] == z[i + 1])
        peak = flat & (left * right > 0)
        steeper_right = jnp.abs(right) > jnp.abs(left)
        for side, chosen in ((1, peak & ~steeper_right), (-1, peak & steeper_right)):
            near, far = z[i - 2 * side], z[i + 2 * side]
            y[i] = jnp.where(chosen, -0.5 * near + z[i] / 0.75 + far / 6, y[i])
            beside = 0.5 * (far - near) + z[i]
            y[i + side] = jnp.where(chosen, beside, y[i + side])
    return y


def _means(y: list[Array]) -> list[Array]:
    inner = [
        0.25 * y[i - 1] + 0.5 * y[i] + 0.25 * y[i + 1] for i in range(1, len(y) - 1)
    ]
    return [y[0], *inner, y[-1]]
