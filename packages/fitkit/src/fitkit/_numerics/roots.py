"""Roots of many falling functions at once, each step one batch of evaluations."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int

# Evaluations before a search is given up: more than enough even if each only doubled
# the first guess, or halved the bracket.
_MOST_STEPS = 160
# One end of the bracket may stay so often before the bracket is halved.
_MOST_STAYS = 4


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
    tolerance: ArrayLike,
) -> Roots:
    """Find where functions that fall from above 0 at 0 cross it.

    Through the last three points goes an inverse parabola, which says where to evaluate
    next, inside the bracket once there is one (as R. P. Brent, Comput. J. 14 (1971)
    422, but for the order in which points are given up). Lanes end where that would
    not move them any more. Of a function that is nearly linear a good first guess
    needs three or four evaluations.

    Args:
        function: all lanes at once; also says where it could be evaluated. It may fall
            to minus infinity, as where the likelihood vanishes.
        first: first guesses, above 0.
        at_zero: the functions at 0.
        largest: no lane is evaluated above this.
        tolerance: relative precision of the roots.
    """
    largest = jnp.broadcast_to(largest, first.shape)
    zero, no = jnp.zeros_like(first), jnp.zeros(first.shape, dtype=bool)

    def unfinished(search: _Search) -> Array:
        return ~jnp.all(search.done) & (search.steps < _MOST_STEPS)

    def advance(search: _Search) -> _Search:
        x = search.root
        f, ok = function(x)
        growing, falls = search.high.f > 0, f <= 0
        here, low, high = _Point(x, f), search.low, search.high
        moves_high = growing | falls
        new_low = _where(growing, high, _where(falls, low, here))
        new_high = _where(moves_high, here, high)
        # How often in a row the same end has stayed.
        stays = jnp.where(moves_high, search.stays - 1, search.stays + 1)
        same = jnp.where(moves_high, search.stays <= 0, search.stays >= 0)
        stays = jnp.where(growing, 0, jnp.where(same, stays, jnp.where(falls, -1, 1)))
        third = _where(growing | ~falls, low, high)
        root, secant = _next(new_low, new_high, third, stays, largest)
        width = new_high.x - new_low.x
        enclosed = new_high.f <= 0
        precise = tolerance * jnp.abs(x)
        settled = (
            (f == 0)
            | (enclosed & (width <= precise))
            # Both, as a parabola may pass through x by chance.
            | (jnp.maximum(jnp.abs(root - x), jnp.abs(secant - x)) <= precise)
        )
        outside = (x >= largest) & (f > 0)
        new = _Search(
            new_low,
            new_high,
            stays,
            jnp.where(outside | (f == 0), x, root),
            settled | outside | jnp.isnan(f),
            outside,
            search.steps,
            ok & (jnp.isfinite(f) | (f == -jnp.inf)),
        )
        kept = jax.tree.map(lambda a, b: jnp.where(search.done, a, b), search, new)
        return kept._replace(steps=search.steps + 1)

    guess = jnp.minimum(first, largest)
    f_guess, ok = function(guess)
    low, high = _Point(zero, at_zero), _Point(guess, f_guess)
    outside = (guess >= largest) & (f_guess > 0)
    root, _ = _next(low, high, low, zero.astype(int), largest)
    start = _Search(
        low,
        high,
        zero.astype(int),
        jnp.where(outside | (f_guess == 0), guess, root),
        outside | (f_guess == 0) | jnp.isnan(f_guess),
        outside | no,
        jnp.array(0),
        ok,
    )
    found = jax.lax.while_loop(unfinished, advance, start)
    # Beside a fall to minus infinity there need not be a root.
    converged = found.done & found.good & jnp.isfinite(found.high.f)
    return Roots(found.root, converged, found.beyond)


class _Point(NamedTuple):
    """Where the functions have been evaluated, and their values."""

    x: Float[Array, " lanes"]
    f: Float[Array, " lanes"]


class _Search(NamedTuple):
    """The search so far.

    Attributes:
        low, high: the bracket; where nothing was found to be below 0 yet, the last two
            points, both above.
        stays: how often in a row `low` (negative) or `high` (positive) has stayed.
        root: where to evaluate next; the root of a lane that is done.
        done, beyond: lanes that have ended, and those that are above 0 at the largest.
        steps: how many there were.
        good: whether the last one could be made.
    """

    low: _Point
    high: _Point
    stays: Int[Array, " lanes"]
    root: Float[Array, " lanes"]
    done: Bool[Array, " lanes"]
    beyond: Bool[Array, " lanes"]
    steps: Int[Array, ""]
    good: Bool[Array, " lanes"]


def _where(condition: Bool[Array, " lanes"], a: _Point, b: _Point) -> _Point:
    return _Point(jnp.where(condition, a.x, b.x), jnp.where(condition, a.f, b.f))


def _next(
    low: _Point, high: _Point, third: _Point, stays: Array, largest: Array
) -> tuple[Float[Array, " lanes"], Float[Array, " lanes"]]:
    """Where to evaluate next, and where the line through the bracket says the root is.

    Infinity for the latter if it is not what the former was chosen by.
    """
    enclosed = high.f <= 0
    most = jnp.where(enclosed, high.x, jnp.minimum(2 * high.x, largest))
    least = jnp.where(enclosed, low.x, high.x)
    slope = (high.f - low.f) / (high.x - low.x)
    secant = high.x - high.f / slope
    # Lagrange's inverse parabola; NaN where two values are the same.
    parabola = sum(
        a.x * (b.f / (a.f - b.f)) * (c.f / (a.f - c.f))
        for a, b, c in ((low, high, third), (high, third, low), (third, low, high))
    )
    inside = lambda x: (x > least) & (x < most)  # noqa: E731
    x = jnp.where(inside(parabola), parabola, secant)
    sure = inside(x) & (slope < 0)
    fallback = jnp.where(enclosed, (low.x + high.x) / 2, most)
    sure &= ~enclosed | (jnp.abs(stays) < _MOST_STAYS)
    return jnp.where(sure, x, fallback), jnp.where(sure, secant, jnp.inf)
