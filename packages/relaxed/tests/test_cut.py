import jax
import jax.numpy as jnp
import numpy as np
import pytest

import relaxed


def test_sides():
    data = jnp.linspace(-1, 1, 9)
    above = relaxed.cut(data, 0.1, width=0.05)
    below = relaxed.cut(data, 0.1, width=0.05, keep="below")
    np.testing.assert_allclose(above + below, 1, rtol=1e-12)
    np.testing.assert_allclose(above, 1 / (1 + np.exp(-(data - 0.1) / 0.05)), 1e-12)
    np.testing.assert_allclose(relaxed.cut(data, 0.1, width=1e-4), data > 0.1)


def test_far_events_have_finite_gradients():
    data = jnp.array([-1e30, -1e4, 1e4, 1e30, jnp.inf, -jnp.inf])

    def passed(threshold, width):
        return jnp.sum(relaxed.cut(data, threshold, width=width))

    value, gradient = jax.value_and_grad(passed, argnums=(0, 1))(0.0, 0.1)
    assert value == 3
    assert gradient == (0.0, 0.0)


@pytest.mark.parametrize("kernel", [relaxed.GaussianKernel(), relaxed.LogisticKernel()])
def test_window_is_a_bin(rng, kernel):
    data = jnp.asarray(rng.normal(size=200))
    inside = relaxed.window(data, -0.3, 0.8, width=0.2, kernel=kernel)
    edges = jnp.array([-0.3, 0.8])
    counts = relaxed.hist(data, edges, bandwidth=0.2, kernel=kernel)
    np.testing.assert_allclose(jnp.sum(inside), counts[0], rtol=1e-12)


@pytest.mark.parametrize("function", [relaxed.cut, relaxed.window])
def test_gradients(rng, function):
    data = jnp.asarray(rng.normal(size=20))
    ends = (0.1,) if function is relaxed.cut else (-0.3, 0.8)

    def passed(data, width, *ends):
        return jnp.sum(jnp.sin(function(data, *ends, width=width)))

    at = (data, jnp.asarray(0.2), *map(jnp.asarray, ends))
    gradient = jax.grad(passed, argnums=range(len(at)))(*at)
    step = 1e-6
    for i, value in enumerate(at):
        shift = step * jnp.ones_like(value)
        up = passed(*at[:i], value + shift, *at[i + 1 :])
        down = passed(*at[:i], value - shift, *at[i + 1 :])
        central = (up - down) / (2 * step)
        np.testing.assert_allclose(jnp.sum(gradient[i]), central, rtol=1e-7)
