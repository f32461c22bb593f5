"""Soft logic and straight-through estimates."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import relaxed


def test_logic_of_certain_weights_is_logic():
    for a, b in itertools.product([0.0, 1.0], repeat=2):
        weights = jnp.array(a), jnp.array(b)
        assert relaxed.all_of(*weights) == float(a and b)
        assert relaxed.any_of(*weights) == float(a or b)
        assert relaxed.none_of(*weights) == float(not (a or b))


def test_any_of_keeps_small_weights():
    small = jnp.array(1e-30)
    np.testing.assert_allclose(relaxed.any_of(small, small), 2e-30, rtol=1e-12)


@pytest.mark.parametrize("logic", ["all_of", "any_of", "none_of"])
def test_logic_has_finite_gradients_for_far_events(logic):
    data = jnp.array([-1e9, -1.0, 0.0, 1.0, 1e9])

    def passed(thresholds):
        cuts = [relaxed.cut(data, t, width=0.1) for t in thresholds]
        return jnp.sum(getattr(relaxed, logic)(*cuts))

    at = jnp.array([-0.05, 0.02, 0.1])
    gradient = jax.grad(passed)(at)
    step = 1e-6 * jnp.eye(3)
    central = [(passed(at + s) - passed(at - s)) / 2e-6 for s in step]
    np.testing.assert_allclose(gradient, jnp.stack(central), rtol=1e-6, atol=1e-8)


def test_straight_through_is_hard_forward_and_soft_backward(rng):
    data = jnp.asarray(rng.normal(size=50))

    def passed(threshold, straight_through):
        options = {"width": 0.3, "straight_through": straight_through}
        above = relaxed.cut(data, threshold, **options)
        inside = relaxed.window(data, threshold, threshold + 1, **options)
        return jnp.sum(above) + 2 * jnp.sum(inside)

    hard = np.sum(data > 0.1) + 2 * np.sum((data > 0.1) & (data < 1.1))
    value, gradient = jax.value_and_grad(passed)(0.1, True)
    assert value == hard
    np.testing.assert_allclose(gradient, jax.grad(passed)(0.1, False), rtol=1e-12)


def test_straight_through_wants_one_shape():
    with pytest.raises(ValueError, match=r"one shape.*\(2,\).*\(3,\)"):
        relaxed.straight_through(jnp.zeros(2), jnp.zeros(3))
