"""Soft logic, and hard values with soft slopes."""

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


# --- straight through ----------------------------------------------------------------
DATA = jnp.array([-1.5, -0.2, 0.1, 0.4, 1.1])  # two at the ends of windows
EDGES = jnp.array([-1.0, 0.1, 0.6, 1.1])
WEIGHTS = jnp.array([1.0, 2.0, 0.5, -1.0, 3.0])


def decisions(shift, data=DATA):
    """What passes at 0.1 + shift, between there and 1.1 + shift, and what does not."""
    low, high = 0.1 + shift, 1.1 + shift
    inside, over = (low <= data) & (data < high), (high <= data) & (data < jnp.inf)
    hard = [data >= low, data < low, inside, over]
    soft = [
        relaxed.cut(data, low, width=0.3),
        relaxed.cut(data, low, width=0.3, keep="below"),
        relaxed.window(data, low, high, width=0.3),
        relaxed.window(data, high, jnp.inf, width=0.3),
    ]
    return jnp.stack(hard), jnp.stack(soft)


def histogram(shift):
    options = {"weights": WEIGHTS, "flow": "clip"}
    hard = relaxed.hard_hist(DATA, EDGES + shift, **options)
    return hard, relaxed.hist(DATA, EDGES + shift, bandwidth=0.3, **options)


def categories(shift):
    scores = jnp.stack([DATA, jnp.full(5, 0.2) + shift], axis=1)
    hard = jax.nn.one_hot(jnp.argmax(scores, axis=-1), 2)
    return hard, relaxed.soft_assign(scores, temperature=0.5)


@pytest.mark.parametrize("of", [decisions, histogram, categories])
def test_hard_forward_and_soft_backward(of):
    """Of decisions, numbers and a whole histogram, whose loss sees the hard ones."""

    @jax.jit
    def value_slope_and_loss(shift):
        def counts(shift):
            return relaxed.straight_through(*of(shift))

        def loss(shift):
            return jnp.sum(jnp.exp(counts(shift) / 5))

        return counts(shift), jax.jacobian(counts)(shift), jax.grad(loss)(shift)

    hard, soft = of(0.0)
    slope = jax.jit(jax.jacfwd(lambda shift: of(shift)[1]))(0.0)
    value, jacobian, gradient = value_slope_and_loss(0.0)
    np.testing.assert_array_equal(value, hard)
    assert value.dtype == soft.dtype
    assert jnp.max(jnp.abs(value - soft)) > 0.1
    np.testing.assert_allclose(jacobian, slope, rtol=1e-12, atol=1e-14)
    # The outer derivative is taken at the hard value.
    expected = jnp.sum(jnp.exp(hard / 5) / 5 * slope)
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)


def test_an_event_on_a_common_end_is_counted_once():
    hard, soft = decisions(0.0)
    np.testing.assert_array_equal(hard[0] + hard[1].astype(int), 1)
    np.testing.assert_array_equal(hard[2] | hard[3], hard[0])
    assert not jnp.any(hard[2] & hard[3])
    np.testing.assert_allclose(soft[2] + soft[3], soft[0], rtol=1e-12)


def test_the_slope_is_of_the_smeared_density(rng):
    """Its bias, h²/2 f'' of the density f, is what a whole bin's gradient has of it."""
    data = jnp.asarray(rng.normal(size=200_000))
    h, edge = 0.4, 1.0

    def below(edge):
        ends = jnp.stack([jnp.array(-jnp.inf), edge])
        hard = relaxed.hard_hist(data, ends) / data.size
        return relaxed.straight_through(
            hard, relaxed.hist(data, ends, bandwidth=h) / data.size
        )[0]

    value, slope = jax.jit(jax.value_and_grad(below))(edge)
    np.testing.assert_allclose(value, np.mean(data < edge))
    wide = np.hypot(1, h)
    smeared = np.exp(-0.5 * (edge / wide) ** 2) / (wide * np.sqrt(2 * np.pi))
    # The noise of 200 000 events: sqrt(f / (2 sqrt(pi) h N)) is 0.5 %.
    np.testing.assert_allclose(slope, smeared, rtol=0.02)


def test_straight_through_wants_one_shape():
    with pytest.raises(ValueError, match=r"one shape.*\(2,\).*\(3,\)"):
        relaxed.straight_through(jnp.zeros(2), jnp.zeros(3))
