"""Roots of many falling functions at once, each step one batch of evaluations."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float

# Doublings of the first guess before the search for a bracket is given up.
_DOUBLINGS = 60
# Halvings of a bracket: more than enough even if each step only halved it.
_MOST_STEPS = 100


class Roots(NamedTuple):
    """Where each function falls through 0.

    Attributes:
        x: the roots; the largest value allowed where there is none below it.
        converged: whether the search ended and the function could be evaluated there.
        beyond: whether the function is still positive at the largest value.
    """

    x: Float[Array, " lanes"]
    converged: Bool[Array, " lanes"]
    beyond: Bool[Array, " lanes"]


def falling_roots(
    function: Callable[
        [Float[Array, " lanes"]], tuple[Float[Array, " lanes"], Bool[Array, " lanes"]]
    ],
    first: Float[Array, " lanes"],
    at_zero: Float[Array, " lanes"],
    *,
    largest: ArrayLike = jnp.inf,
    tolerance: float,
) -> Roots:
    """Find where functions that fall from above 0 at 0 cross it.

    The first guess is doubled until the root is enclosed; then follows the Illinois
    method, a secant that keeps the bracket.

    Args:
        function: all lanes at once; also says where it could be evaluated. It may fall
            to minus infinity, as where the likelihood vanishes.
        first: first guesses, above 0.
        at_zero: the functions at 0.
        largest: no lane is evaluated above this.
        tolerance: relative precision of the roots.
    """
    largest = jnp.broadcast_to(largest, first.shape)

    def unfinished(carry):
        *_, done, _, count, _ = carry
        return ~jnp.all(done) & (count < _DOUBLINGS + _MOST_STEPS)

    def advance(carry):
        low, f_low, high, f_high, root, done, beyond, count, good = carry
        enclosed = f_high <= 0
        secant = high - f_high * (high - low) / (f_high - f_low)
        inside = (secant > low) & (secant < high)
        x = jnp.where(inside, secant, (low + high) / 2)
        x = jnp.where(enclosed, x, jnp.minimum(2 * high, largest))
        x = jnp.where(done, root, x)
        f, ok = function(x)
        falls = f <= 0
        # Illinois: the end that stays for a second time counts half.
        growing = ~enclosed
        new_low = jnp.where(growing, high, jnp.where(falls, low, x))
        new_f_low = jnp.where(
            growing,
            f_high,
            jnp.where(falls, jnp.where(f_high <= 0, f_low / 2, f_low), f),
        )
        new_high = jnp.where(growing | falls, x, high)
        new_f_high = jnp.where(growing | falls, f, f_high / 2)
        width = jnp.abs(new_high - new_low)
        moved = jnp.abs(x - jnp.where(growing, jnp.inf, jnp.where(falls, high, low)))
        settled = enclosed & (
            (f == 0)
            | (width <= tolerance * jnp.abs(x))
            | (moved <= tolerance * jnp.abs(x))
        )
        outside = (x >= largest) & (f > 0)
        keep = lambda new, old: jnp.where(done, old, new)  # noqa: E731
        return (
            keep(new_low, low),
            keep(new_f_low, f_low),
            keep(new_high, high),
            keep(new_f_high, f_high),
            keep(x, root),
            done | settled | outside | jnp.isnan(f),
            keep(outside, beyond),
            count + 1,
            keep(ok & jnp.isfinite(f), good),
        )

    zero, no = jnp.zeros_like(first), jnp.zeros(first.shape, dtype=bool)
    guess = jnp.minimum(first, largest)
    f_first, ok = function(guess)
    outside = (guess >= largest) & (f_first > 0)
    start = (zero, at_zero, guess, f_first, guess, outside, outside | no, 0, ok)
    *_, f_high, root, done, beyond, _, good = jax.lax.while_loop(
        unfinished, advance, start
    )
    # Beside a fall to minus infinity there need not be a root.
    return Roots(root, done & good & jnp.isfinite(f_high), beyond)
