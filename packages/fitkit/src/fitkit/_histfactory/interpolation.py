r"""HistFactory interpolation codes as pure functions of the nuisance parameter.

Every additive code (0, 2, 4p) is linear in two numbers that the templates give,
\(\delta(\alpha) = S\,\alpha + D\,h(\alpha)\), with the symmetric part
\(S = (hi - lo)/2\) and the bend \(D = (hi + lo)/2 - nominal\). Only \(h\) depends on
the code, so a sum over hundreds of systematics is two matrix products.

The exponential code 1 has the same form for \(\log f\); code 4 replaces it inside
\(|\alpha| < 1\) by the polynomial of degree six with the same value and first two
derivatives at \(\pm 1\). Code "lnN" is Combine's for an asymmetric log-normal: code 1
with \(|\alpha|\) made smooth inside \(|\alpha| < 1/2\). "4p@r" is 4p with its
polynomial inside \(|\alpha| < r\), which is Combine's for templates of a sample that
are of different numbers of standard deviations.

Codes 0 and 1 have a kink at \(\alpha = 0\). There the derivative that is returned is
chosen by `side`: +1 from the right, -1 from the left, 0 (default) their mean.

References:
    CERN-OPEN-2012-016, section 4.1 (codes 0, 1, 2, 4); ROOT `MathFuncs.h` (code 4p).
    pyhf's `code4` is ROOT's code 5, pyhf's `code4p` ROOT's code 4.
    Combine's: its documentation, "Likelihood based statistical models", the functions
    kappa^A and F.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Array, Float

from .._numerics.namespace import xp

ADDITIVE_CODES = ("0", "2", "4p")
MULTIPLICATIVE_CODES = ("1", "4", "lnN")
_REACH = "4p@"
KINKED_CODES = ("0", "1")

Runs: TypeAlias = tuple[tuple[str, int], ...]
"""The codes of many parameters: how many have the first code, then the next, …"""


def has_kink(runs: Runs) -> np.ndarray:
    """Whether each parameter's code has a kink at 0, `[parameters]`."""
    kinked = [np.full(count, code in KINKED_CODES) for code, count in runs]
    return np.concatenate([np.zeros(0, dtype=bool), *kinked])


Derivatives = tuple[Array, Array, Array]
"""Value, first and second derivative with respect to the nuisance parameter."""


def _modulus(alpha: Array, side: Array | float) -> tuple[Array, Array]:
    """|alpha| and its derivative, which at 0 is `side`."""
    at_kink = alpha == 0
    return xp.abs(alpha), xp.where(at_kink, side, xp.sign(alpha))


def additive_bend(
    code: str, alpha: Float[Array, "..."], side: Array | float = 0.0
) -> Derivatives:
    r"""The function \(h(\alpha)\) of an additive code, with two derivatives.

    The interpolated yield is
    \(nominal + \alpha\,(hi - lo)/2 + h(\alpha)\,((hi + lo)/2 - nominal)\).

    Args:
        code: "0" (piecewise linear), "2" (quadratic inside, linear outside) or "4p"
            (polynomial of degree six inside, linear outside).
        alpha: nuisance parameter in units of its standard deviation, any shape.
        side: the derivative of |alpha| at a kink (see the module's text).

    Returns:
        \(h, h', h''\), each of the shape of `alpha`.

    Raises:
        ValueError: for a code that is not additive.

    Example:
        >>> import jax.numpy as jnp
        >>> lo, nominal, hi = 9.0, 10.0, 13.0
        >>> h, _, _ = additive_bend("2", xp.array(1.5))
        >>> float(nominal + 1.5 * (hi - lo) / 2 + h * ((hi + lo) / 2 - nominal))
        15.0
    """
    modulus, sign = _modulus(alpha, side)
    inside = modulus <= 1
    zero = xp.zeros_like(alpha)
    if code == "0":
        return modulus, sign, zero
    if code == "2":
        # ROOT's definition: pyhf 0.7.6 is wrong outside (its issue 2729).
        return (
            xp.where(inside, alpha**2, 2 * modulus - 1),
            xp.where(inside, 2 * alpha, 2 * sign),
            xp.where(inside, 2.0, zero),
        )
    if code.startswith(_REACH):
        reach = reach_of(code)
        value, first, second = additive_bend("4p", alpha / reach, side)
        return reach * value, first, second / reach
    if code == "4p":
        square = alpha**2
        return (
            xp.where(inside, square * (15 + square * (3 * square - 10)) / 8, modulus),
            xp.where(inside, alpha * (30 + square * (18 * square - 40)) / 8, sign),
            xp.where(inside, (30 + square * (90 * square - 120)) / 8, zero),
        )
    raise ValueError(
        f"histosys interpolation code {code!r} is not one of {ADDITIVE_CODES}."
    )


def is_additive(code: str) -> bool:
    """Whether there is an additive code of this name, "4p@0.5" included."""
    return code in ADDITIVE_CODES or (
        code.startswith(_REACH) and 0 < reach_of(code) <= 1
    )


def reach_of(code: str) -> float:
    """How far the polynomial of an additive code reaches, NaN for a misprint."""
    try:
        return float(code.removeprefix(_REACH))
    except ValueError:
        return float("nan")


def additive_bends(
    runs: Runs, alpha: Float[Array, " histosys"], side: Array | float = 0.0
) -> Derivatives:
    """`additive_bend` of many parameters, each with its code."""
    sides, parts, start = xp.broadcast_to(side, alpha.shape), [], 0
    for code, count in runs:
        here = slice(start, start + count)
        parts.append(additive_bend(code, alpha[here], sides[here]))
        start += count
    if not parts:
        return alpha, alpha, alpha
    value, first, second = (xp.concatenate(each) for each in zip(*parts, strict=True))
    return value, first, second


class Exponential(NamedTuple):
    """What a multiplicative code needs of its two factors, worked out once.

    Attributes:
        slope: half the difference of the logarithms of hi and lo.
        bend: half their sum.
        polynomial: coefficients of the first to sixth power inside |alpha| < reach, or
            None where the code is exponential there as well. Apart, not in one table:
            the derivative of taking one out would fill a table of zeros, six times.
        reach: how far the polynomial holds, 1, or 0 for a code without.
        smooth: where |alpha| is smooth near 0 (code "lnN"); None where nowhere.
    """

    slope: Array
    bend: Array
    polynomial: tuple[Array, ...] | None
    reach: Array | None
    smooth: Array | None = None


def exponential(
    runs: Runs, lo: Float[Array, "..."], hi: Float[Array, "..."]
) -> Exponential:
    """Prepare the multiplicative codes for the factors `lo` and `hi` at -1 and +1.

    Args:
        runs: the codes along the first axis; of all, where there is one only.
        lo, hi: the factors.

    Raises:
        ValueError: for a code that is not multiplicative.
    """
    codes = {code for code, _ in runs}
    if unknown := codes.difference(MULTIPLICATIVE_CODES):
        raise ValueError(
            f"normsys interpolation code {unknown.pop()!r} is not one of "
            f"{MULTIPLICATIVE_CODES}."
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        log_lo, log_hi = xp.log(lo), xp.log(hi)
        slope, bend = (log_hi - log_lo) / 2, (log_hi + log_lo) / 2

        def having(wanted: str) -> np.ndarray | None:
            if wanted not in codes:
                return None
            if len(codes) == 1:
                return np.ones(())
            of_each = [np.full(n, float(code == wanted)) for code, n in runs]
            return np.concatenate(of_each).reshape(-1, *(1,) * (np.ndim(lo) - 1))

        reach, smooth = having("4"), having("lnN")
        polynomial = None if reach is None else _matching(lo, hi, log_lo, log_hi)
    return Exponential(slope, bend, polynomial, reach, smooth)


def _matching(lo: Array, hi: Array, log_lo: Array, log_hi: Array) -> tuple[Array, ...]:
    """The coefficients of x to x^6 that match value and two derivatives at -1 and 1.

    The odd powers follow from half the difference of what both sides ask for, the even
    ones from half the sum; with the first derivative it is the other way round.
    """
    first_hi, first_lo = log_hi * hi, -log_lo * lo
    second_hi, second_lo = log_hi * first_hi, -log_lo * first_lo
    even, odd = (hi + lo) / 2 - 1, (hi - lo) / 2
    even_1, odd_1 = (first_hi - first_lo) / 2, (first_hi + first_lo) / 2
    even_2, odd_2 = (second_hi + second_lo) / 2, (second_hi - second_lo) / 2
    return (
        (15 * odd - 7 * odd_1 + odd_2) / 8,
        (24 * even - 9 * even_1 + even_2) / 8,
        (5 * (odd_1 - odd) - odd_2) / 4,
        (7 * even_1 - 12 * even - even_2) / 4,
        (odd_2 - 3 * (odd_1 - odd)) / 8,
        (even_2 - 5 * even_1 + 8 * even) / 8,
    )


def exponential_factor(
    shape: Exponential, alpha: Float[Array, "..."], side: Array | float = 0.0
) -> Derivatives:
    """The factor and its derivatives at `alpha`, from what `exponential` prepared."""
    modulus, sign = _modulus(alpha, side)
    absolute, curve = modulus, None
    if shape.smooth is not None:
        # Half the bend of code 4p, at twice the parameter.
        value, first, second = additive_bend("4p@0.5", alpha)
        absolute = xp.where(shape.smooth, value, modulus)
        sign = xp.where(shape.smooth, first, sign)
        curve = xp.where(shape.smooth, second, 0.0) * shape.bend
    slope = shape.slope + sign * shape.bend
    factor = xp.exp(alpha * shape.slope + absolute * shape.bend)
    second = slope**2 if curve is None else slope**2 + curve
    outside = (factor, slope * factor, second * factor)
    if shape.polynomial is None or shape.reach is None:
        return outside
    a = shape.polynomial
    # Inside only: a clipped argument keeps the unused branch finite in derivatives.
    x = xp.clip(alpha, -1.0, 1.0)
    value, first, second = a[5], 6 * a[5], 30 * a[5]
    for i in range(4, -1, -1):
        value = value * x + a[i]
        first = first * x + (i + 1) * a[i]
        if i >= 1:
            second = second * x + (i + 1) * i * a[i]
    inside = modulus < shape.reach
    return (
        xp.where(inside, 1 + x * value, outside[0]),
        xp.where(inside, first, outside[1]),
        xp.where(inside, second, outside[2]),
    )


def multiplicative_factor(
    code: str,
    alpha: Float[Array, "..."],
    lo: Float[Array, "..."],
    hi: Float[Array, "..."],
    side: Array | float = 0.0,
) -> Derivatives:
    r"""The factor \(f(\alpha)\) of a multiplicative code, with two derivatives.

    Args:
        code: "1" (exponential) or "4" (polynomial of degree six inside |alpha| < 1,
            exponential outside).
        alpha: nuisance parameter, broadcast against `lo` and `hi`.
        lo: the factor at alpha = -1, positive.
        hi: the factor at alpha = +1, positive.
        side: the derivative of |alpha| at a kink (see the module's text).

    Returns:
        \(f, f', f''\).

    Raises:
        ValueError: for a code that is not multiplicative.

    Example:
        >>> import jax.numpy as jnp
        >>> f, _, _ = multiplicative_factor(
        ...     "4", xp.array(1.0), xp.array(0.9), xp.array(1.3)
        ... )
        >>> round(float(f), 6)
        1.3
    """
    return exponential_factor(exponential(((code, 1),), lo, hi), alpha, side)
