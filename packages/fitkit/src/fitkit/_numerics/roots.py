"""Roots of many falling functions at once, each step one batch of evaluations."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from .namespace import while_loop, xp

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

    x: Float[Array, "*batch"]
    converged: Bool[Array, "*batch"]
    beyond: Bool[Array, "*batch"]


@np.errstate(all="ignore")
def falling_roots(
    function: Callable[..., tuple[Any, ...]],
    first: Float[Array, "*batch"],
    at_zero: Float[Array, "*batch"],
    *,
    largest: ArrayLike = xp.inf,
    tolerance: ArrayLike,
    operands: Any = (),
    memory: Any = None,
) -> Roots:
    """Find where functions that fall from above 0 at 0 cross it.

    Through the last three points goes an inverse parabola, which says where to evaluate
    next, inside the bracket once there is one (as R. P. Brent, Comput. J. 14 (1971)
    422, but for the order in which points are given up). The search for a root ends
    where that would not move it any more. Of a function that is nearly linear a good
    first guess needs three or four evaluations.

    Args:
        function: of all points of the batch at once; also says where it could be
            evaluated. It may fall to minus infinity, as where the likelihood vanishes.
        first: first guesses, above 0, of any shape: one for each root.
        at_zero: the functions at 0.
        largest: nothing is evaluated above this.
        tolerance: relative precision of the roots.
        operands: what the function uses beside its argument, see `while_loop`.
        memory: what the function takes as a second argument, and returns as a third
            result for its next call, such as where the last fits ended. By default it
            takes one argument.
    """
    first, at_zero = xp.asarray(first), xp.asarray(at_zero)
    largest = xp.broadcast_to(largest, first.shape)
    zero, no = xp.zeros_like(first), xp.zeros(first.shape, dtype=bool)

    def evaluate(x: Array, memory: Any) -> tuple[Any, ...]:
        return (*function(x), None) if memory is None else function(x, memory)

    def unfinished(search: _Search) -> Array:
        return ~xp.all(search.done) & (search.steps < _MOST_STEPS)

    def advance(search: _Search) -> _Search:
        x = search.root
        f, ok, memory = evaluate(x, search.memory)
        growing, falls = search.high.f > 0, f <= 0
        here, low, high = _Point(x, f), search.low, search.high
        moves_high = growing | falls
        new_low = _where(growing, high, _where(falls, low, here))
        new_high = _where(moves_high, here, high)
        # How often in a row the same end has stayed.
        stays = xp.where(moves_high, search.stays - 1, search.stays + 1)
        same = xp.where(moves_high, search.stays <= 0, search.stays >= 0)
        stays = xp.where(growing, 0, xp.where(same, stays, xp.where(falls, -1, 1)))
        third = _where(growing | ~falls, low, high)
        root, secant = _next(new_low, new_high, third, stays, largest)
        width = new_high.x - new_low.x
        enclosed = new_high.f <= 0
        precise = tolerance * xp.abs(x)
        settled = (
            (f == 0)
            | (enclosed & (width <= precise))
            # Both, as a parabola may pass through x by chance.
            | (xp.maximum(xp.abs(root - x), xp.abs(secant - x)) <= precise)
        )
        outside = (x >= largest) & (f > 0)
        new = _Search(
            new_low,
            new_high,
            stays,
            xp.where(outside | (f == 0), x, root),
            settled | outside | xp.isnan(f),
            outside,
            search.steps,
            ok & (xp.isfinite(f) | (f == -xp.inf)),
            None,
        )
        search = search._replace(memory=None)
        merged = jax.tree.map(lambda a, b: xp.where(search.done, a, b), search, new)
        return merged._replace(steps=search.steps + 1, memory=memory)

    guess = xp.minimum(first, largest)
    f_guess, ok, memory = evaluate(guess, memory)
    low, high = _Point(zero, at_zero), _Point(guess, f_guess)
    outside = (guess >= largest) & (f_guess > 0)
    root, _ = _next(low, high, low, zero.astype(int), largest)
    start = _Search(
        low,
        high,
        zero.astype(int),
        xp.where(outside | (f_guess == 0), guess, root),
        outside | (f_guess == 0) | xp.isnan(f_guess),
        outside | no,
        xp.array(0),
        ok,
        memory,
    )
    end = while_loop(unfinished, advance, start, operands)
    # Beside a fall to minus infinity there need not be a root.
    converged = end.done & end.good & xp.isfinite(end.high.f)
    return Roots(end.root, converged, end.beyond)


class _Point(NamedTuple):
    """Where the functions have been evaluated, and their values."""

    x: Float[Array, "*batch"]
    f: Float[Array, "*batch"]


class _Search(NamedTuple):
    """The search so far.

    Attributes:
        low, high: the bracket; where nothing was found to be below 0 yet, the last two
            points, both above.
        stays: how often in a row `low` (negative) or `high` (positive) has stayed.
        root: where to evaluate next; the root of a search that is done.
        done, beyond: searches that have ended, and those that are above 0 at the
            largest value.
        steps: how many there were.
        good: whether the last one could be made.
        memory: what the function remembers.
    """

    low: _Point
    high: _Point
    stays: Int[Array, "*batch"]
    root: Float[Array, "*batch"]
    done: Bool[Array, "*batch"]
    beyond: Bool[Array, "*batch"]
    steps: Int[Array, ""]
    good: Bool[Array, "*batch"]
    memory: Any


def _where(condition: Bool[Array, "*batch"], a: _Point, b: _Point) -> _Point:
    return _Point(xp.where(condition, a.x, b.x), xp.where(condition, a.f, b.f))


def _next(
    low: _Point, high: _Point, third: _Point, stays: Array, largest: Array
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Where to evaluate next, and where the line through the bracket says the root is.

    Infinity for the latter if it is not what the former was chosen by.
    """
    enclosed = high.f <= 0
    most = xp.where(enclosed, high.x, xp.minimum(2 * high.x, largest))
    least = xp.where(enclosed, low.x, high.x)
    slope = (high.f - low.f) / (high.x - low.x)
    secant = high.x - high.f / slope
    # Lagrange's inverse parabola; NaN where two values are the same.
    parabola = sum(
        a.x * (b.f / (a.f - b.f)) * (c.f / (a.f - c.f))
        for a, b, c in ((low, high, third), (high, third, low), (third, low, high))
    )

    def inside(x: Array) -> Array:
        return (x > least) & (x < most)

    x = xp.where(inside(parabola), parabola, secant)
    sure = inside(x) & (slope < 0)
    fallback = xp.where(enclosed, (low.x + high.x) / 2, most)
    sure &= ~enclosed | (xp.abs(stays) < _MOST_STAYS)
    return xp.where(sure, x, fallback), xp.where(sure, secant, xp.inf)
