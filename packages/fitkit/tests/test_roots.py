"""Roots of falling functions, against their closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fitkit._numerics.roots import falling_roots

TOLERANCE = 1e-10


def solve(function, first, at_zero, **options):
    """The roots, and how often the function was evaluated."""
    count = []

    def counted(x):
        jax.debug.callback(lambda: count.append(1))
        return function(x)

    first, at_zero = (jnp.atleast_1d(jnp.asarray(x, float)) for x in (first, at_zero))
    at_zero = jnp.broadcast_to(at_zero, first.shape)
    found = falling_roots(counted, first, at_zero, tolerance=TOLERANCE, **options)
    jax.effects_barrier()
    return found, len(count)


def good(f):
    return f, jnp.isfinite(f)


# Falling functions of x >= 0, where they are 0, and their values at 0.
CLOSED_FORMS = {
    "a line": (lambda x: 1.5 - x, 1.5, 1.5),
    "a root": (lambda x: 2.0 - jnp.sqrt(x), 4.0, 2.0),
    "a square": (lambda x: 9.0 - x**2, 3.0, 9.0),
    "an exponential": (lambda x: jnp.exp(-x) - 0.05, np.log(20.0), 0.95),
    "a kink": (
        lambda x: jnp.where(x < 2, 2.2 - x, 2.2 - 2 - 9 * (x - 2)),
        2 + 0.2 / 9,
        2.2,
    ),
    "a step": (lambda x: jnp.where(x < 0.7, 1.0, -3.0), 0.7, 1.0),
    "a high power": (lambda x: 1.0 - x**15, 1.0, 1.0),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
@pytest.mark.parametrize("first", [1e-3, 0.9, 50.0])
def test_closed_forms(name, first):
    function, root, at_zero = CLOSED_FORMS[name]
    found, evaluations = solve(lambda x: good(function(x)), first, at_zero)
    assert found.converged.all()
    assert not found.beyond.any()
    # A step of the last evaluation's size is what is left.
    np.testing.assert_allclose(found.x, root, rtol=10 * TOLERANCE)
    # Bisection alone needs up to ten doublings of the first guess and then 33 halvings;
    # a function that is not smooth may spoil every other step.
    assert evaluations < 80


def test_nearly_linear_functions_take_few_evaluations():
    """As those of limits and intervals are, from a guess that is 20 % off."""
    found, evaluations = solve(
        lambda x: good(3.0 - x - 0.02 * x**2), [2.4, 3.5], [3.0, 3.0]
    )
    root = (np.sqrt(1 + 4 * 0.02 * 3.0) - 1) / (2 * 0.02)
    np.testing.assert_allclose(found.x, root, rtol=10 * TOLERANCE)
    assert evaluations <= 6


def test_lanes_do_not_disturb_each_other():
    def function(x):
        f = jnp.stack(
            [1.5 - x[0], jnp.nan * x[1], 2.0 - jnp.sqrt(x[2]), 1 / (1 + x[3])]
        )
        return good(f)

    found, _ = solve(function, [1.0] * 4, [1.5, 1.0, 2.0, 1.0], largest=100.0)
    np.testing.assert_array_equal(found.converged, [True, False, True, True])
    np.testing.assert_array_equal(found.beyond, [False, False, False, True])
    np.testing.assert_allclose(
        found.x[np.array([0, 2, 3])], [1.5, 4.0, 100.0], rtol=1e-9
    )


def test_a_fall_to_minus_infinity_is_no_root():
    """Below it there is none: the likelihood vanishes before CLs has fallen so far."""
    found, _ = solve(lambda x: (jnp.where(x < 2, 1.0, -jnp.inf), x > 0), 1.0, 1.0)
    assert not found.converged.any()


def test_nothing_is_evaluated_above_the_largest():
    seen = []

    def function(x):
        jax.debug.callback(lambda x: seen.append(np.max(x)), x)
        return good(5.0 - x)

    found, _ = solve(function, [1.0, 2.9], 5.0, largest=3.0)
    assert found.beyond.all()
    assert max(seen) <= 3.0
    np.testing.assert_array_equal(found.x, 3.0)
