import jax.numpy as jnp
import numpy as np

import relaxed


def test_rules_of_a_normal_sample(rng):
    data = rng.normal(3, 2, size=20_000)
    # The closed form for σ = 2; the sample's σ is known to 0.5 %, its IQR to 1 %.
    scott = 2 * (4 / (3 * data.size)) ** 0.2
    np.testing.assert_allclose(relaxed.scott_bandwidth(data), scott, rtol=0.02)
    expected = 0.9 * 2 * data.size**-0.2
    np.testing.assert_allclose(relaxed.silverman_bandwidth(data), expected, rtol=0.03)


def test_a_weight_of_two_is_two_events(rng):
    data = rng.normal(size=300)
    once = relaxed.scott_bandwidth(data, weights=np.full(300, 7.0))
    np.testing.assert_allclose(once, relaxed.scott_bandwidth(data), rtol=1e-12)


def test_bin_bandwidth_is_of_the_narrowest_bin():
    edges = jnp.array([-jnp.inf, 0.0, 1.0, 3.0, jnp.inf])
    assert relaxed.bin_bandwidth(edges, 0.2) == 0.2
