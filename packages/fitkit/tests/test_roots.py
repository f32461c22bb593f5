"""Roots of falling functions, against their closed forms; on NumPy and traced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fitkit import xp
from fitkit._numerics.roots import falling_roots

TOLERANCE = 1e-10


def solve(function, first, at_zero, tolerance=TOLERANCE, **options):
    """The roots, and how often the function was evaluated."""
    count = []

    def counted(x):
        count.append(1)
        f = function(x)
        return f, np.isfinite(f)

    first = np.atleast_1d(np.asarray(first, float))
    at_zero = np.broadcast_to(np.asarray(at_zero, float), first.shape)
    return falling_roots(counted, first, at_zero, tolerance=tolerance, **options), len(
        count
    )


# Falling functions of x >= 0, where they are 0, and their values at 0.
CLOSED_FORMS = {
    "a line": (lambda x: 1.5 - x, 1.5, 1.5),
    "a root": (lambda x: 2.0 - xp.sqrt(x), 4.0, 2.0),
    "a square": (lambda x: 9.0 - x**2, 3.0, 9.0),
    "an exponential": (lambda x: xp.exp(-x) - 0.05, np.log(20.0), 0.95),
    "a kink": (
        lambda x: xp.where(x < 2, 2.2 - x, 2.2 - 2 - 9 * (x - 2)),
        2 + 0.2 / 9,
        2.2,
    ),
    "a step": (lambda x: xp.where(x < 0.7, 1.0, -3.0), 0.7, 1.0),
    "a high power": (lambda x: 1.0 - x**15, 1.0, 1.0),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
@pytest.mark.parametrize("first", [1e-3, 0.9, 50.0])
def test_closed_forms(name, first):
    function, root, at_zero = CLOSED_FORMS[name]
    roots, evaluations = solve(function, first, at_zero)
    assert roots.converged.all()
    assert not roots.beyond.any()
    # A step of the last evaluation's size is what is left.
    np.testing.assert_allclose(roots.x, root, rtol=10 * TOLERANCE)
    # Bisection alone needs up to ten doublings of the first guess and then 33 halvings;
    # a function that is not smooth may spoil every other step.
    assert evaluations < 80


def test_traced_it_is_the_same():
    """All functions at once, in one program."""
    functions = list(CLOSED_FORMS.values())

    def together(x):
        f = xp.stack([function(x[i]) for i, (function, *_) in enumerate(functions)])
        return f, xp.isfinite(f)

    _, roots, at_zero = zip(*functions, strict=True)
    solved = jax.jit(
        lambda first: falling_roots(
            together, first, jnp.array(at_zero), tolerance=TOLERANCE
        )
    )(jnp.full(len(functions), 0.9))
    assert solved.converged.all()
    np.testing.assert_allclose(solved.x, roots, rtol=10 * TOLERANCE)


def test_nearly_linear_functions_take_few_evaluations():
    """As those of limits and intervals are, from a guess that is 20 % off."""
    roots, evaluations = solve(
        lambda x: 3.0 - x - 0.02 * x**2, [2.4, 3.5], [3.0, 3.0], tolerance=1e-8
    )
    root = (np.sqrt(1 + 4 * 0.02 * 3.0) - 1) / (2 * 0.02)
    np.testing.assert_allclose(roots.x, root, rtol=1e-8)
    assert evaluations <= 5


def test_one_root_of_no_shape_and_what_the_function_remembers():
    """Its second argument is the third result of the call before."""

    def function(x, calls):
        return 9.0 - x**2, np.isfinite(x), calls + 1

    seen = []

    def watched(x, calls):
        seen.append(int(calls))
        return function(x, calls)

    nine = np.float64(9.0)
    roots = falling_roots(
        watched, np.float64(1.0), nine, tolerance=TOLERANCE, memory=np.int64(0)
    )
    assert roots.x.shape == ()
    np.testing.assert_allclose(roots.x, 3.0, rtol=10 * TOLERANCE)
    assert seen == list(range(len(seen)))
    assert len(seen) > 2


def test_roots_do_not_disturb_each_other():
    def function(x):
        return np.stack(
            [1.5 - x[0], np.nan * x[1], 2.0 - np.sqrt(x[2]), 1 / (1 + x[3])]
        )

    roots, _ = solve(function, [1.0] * 4, [1.5, 1.0, 2.0, 1.0], largest=100.0)
    np.testing.assert_array_equal(roots.converged, [True, False, True, True])
    np.testing.assert_array_equal(roots.beyond, [False, False, False, True])
    np.testing.assert_allclose(roots.x[[0, 2, 3]], [1.5, 4.0, 100.0], rtol=1e-9)


def test_a_fall_to_minus_infinity_is_no_root():
    """Below it there is none: the likelihood vanishes before CLs has fallen so far."""

    def function(x):
        return np.where(x < 2, 1.0, -np.inf), x > 0

    roots = falling_roots(function, np.ones(1), np.ones(1), tolerance=TOLERANCE)
    assert not roots.converged.any()


def test_nothing_is_evaluated_above_the_largest():
    seen = []

    def function(x):
        seen.append(np.max(x))
        return 5.0 - x

    roots, _ = solve(function, [1.0, 2.9], 5.0, largest=3.0)
    assert roots.beyond.all()
    assert max(seen) <= 3.0
    np.testing.assert_array_equal(roots.x, 3.0)
