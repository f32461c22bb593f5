"""Closed forms of counting experiments."""

import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._numerics.namespace import as_floats, xp

# Below this many standard deviations s/width differs from Z by less than 1e-6 of it,
# which is less than what the cancellation in the exact form costs.
_SMALL_SIGNAL = 1e-6


@np.errstate(all="ignore")
def asimov_significance(
    signal: ArrayLike, background: ArrayLike, sigma_background: ArrayLike = 0.0
) -> Float[Array, "..."]:
    r"""The median discovery significance of a counting experiment.

    \[ Z = \sqrt{2\left[(s+b)\ln\frac{(s+b)(b+\sigma^2)}{b^2+(s+b)\sigma^2}
       - \frac{b^2}{\sigma^2}\ln\left(1+\frac{\sigma^2 s}{b(b+\sigma^2)}\right)\right]}
       \]

    and \(\sqrt{2[(s+b)\ln(1+s/b)-s]}\) without a background uncertainty.

    Args:
        signal: expected signal counts, not negative; any shape.
        background: expected background counts, positive.
        sigma_background: absolute uncertainty of the background.

    Returns:
        The significance in standard deviations, of the broadcast shape. It is 0, with
        derivative \(1/\sqrt{b+\sigma^2}\), where there is no signal; infinite where
        there is signal without any background.

    Example:
        >>> round(float(asimov_significance(25.0, 50.0, 7.0)), 4)
        2.2557

    References:
        G. Cowan et al., arXiv:1007.1727, eq. 97; with uncertainty G. Cowan, "Discovery
        sensitivity for a counting experiment with background uncertainty" (2012), eq.
        20.
    """
    s, b, sigma = xp.broadcast_arrays(
        as_floats(signal), as_floats(background), as_floats(sigma_background)
    )
    empty = (b <= 0) & (sigma <= 0)
    b = xp.where(empty, 1.0, b)
    known = sigma <= 0
    variance = xp.where(known, b, sigma**2)
    exact = (s + b) * xp.log1p(s / b) - s
    ratio = xp.log1p(s * b / (b**2 + (s + b) * variance))
    spread = (s + b) * ratio - b**2 / variance * xp.log1p(
        variance * s / (b * (b + variance))
    )
    half_q = xp.where(known, exact, spread)
    # For a small signal both brackets cancel; Z is then s over the total width.
    width = xp.sqrt(b + xp.where(known, 0.0, variance))
    small = s <= _SMALL_SIGNAL * width
    significance = xp.sqrt(2 * xp.where(small, 1.0, half_q))
    value = xp.where(small, s / width, significance)
    return xp.where(empty, xp.where(s > 0, xp.inf, 0.0), value)
