import jax
import jax.numpy as jnp
import numpy as np
import pytest

import relaxed

EDGES = np.array([-1.0, 0.0, 0.5, 2.0])


@pytest.mark.parametrize("flow", ["drop", "clip"])
def test_hard_hist_is_numpys(rng, flow):
    data = np.append(rng.normal(0, 2, size=500), EDGES)
    weights = rng.normal(size=data.size)
    ranged = np.clip(data, EDGES[0], EDGES[-1]) if flow == "clip" else data
    expected, _ = np.histogram(ranged, EDGES, weights=weights)
    counts = relaxed.hard_hist(data, EDGES, weights=weights, flow=flow)
    np.testing.assert_allclose(counts, expected, rtol=1e-12, atol=1e-12)


def test_soft_tends_to_hard(rng):
    data = jnp.asarray(rng.normal(size=500))
    hard = relaxed.hard_hist(data, EDGES)
    np.testing.assert_array_equal(relaxed.hist(data, EDGES, bandwidth=1e-9), hard)


@pytest.mark.parametrize("dims", [1, 2])
def test_smoothing_bias(rng, dims):
    data = rng.normal(size=(300, dims))
    weights = rng.normal(1, 0.5, size=300)
    edges = [np.array([-1.0, 0.0, 0.5, 2.0])] * dims
    if dims == 1:
        data, edges = data[:, 0], edges[0]
    bias, error = relaxed.smoothing_bias(data, edges, bandwidth=0.2, weights=weights)
    soft = relaxed.hist(data, edges, bandwidth=0.2, weights=weights)
    hard = relaxed.hard_hist(data, edges, weights=weights)
    np.testing.assert_allclose(bias, soft - hard, rtol=1e-12)

    # One event at a time.
    def difference(x):
        soft = relaxed.hist(x[None], edges, bandwidth=0.2)
        return soft - relaxed.hard_hist(x[None], edges)

    each = jax.jit(jax.vmap(difference))(data)
    expected = np.sqrt(np.einsum("n,n...->...", weights**2, np.square(each)))
    np.testing.assert_allclose(error, expected, rtol=1e-10)


def test_hard_hist_in_two_dimensions(rng):
    data = rng.normal(size=(500, 2))
    edges = [EDGES, np.linspace(-1, 1, 6)]
    weights = rng.normal(size=500)
    expected, _ = np.histogramdd(data, edges, weights=weights)
    np.testing.assert_allclose(
        relaxed.hard_hist(data, edges, weights=weights), expected, atol=1e-12
    )
