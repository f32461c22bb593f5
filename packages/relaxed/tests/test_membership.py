import jax
import jax.numpy as jnp
import numpy as np
import pytest

import relaxed


def test_memberships_conserve_the_weight(rng):
    scores = jnp.asarray(rng.normal(size=(100, 4)))
    weights = jnp.asarray(rng.normal(1, 1, size=100))
    membership = relaxed.soft_assign(scores, temperature=0.5)
    counts = relaxed.hist_from_membership(membership, weights=weights)
    np.testing.assert_allclose(counts.sum(), weights.sum(), rtol=1e-12)


def test_zero_temperature_is_the_largest_score(rng):
    scores = jnp.asarray(rng.normal(size=(100, 4)))
    expected = np.bincount(np.argmax(scores, axis=1), minlength=4)
    cold = relaxed.soft_assign(scores, temperature=1e-6)
    np.testing.assert_allclose(relaxed.hist_from_membership(cold), expected)


def test_mixture_is_the_normal_density(rng):
    """Scores differ from the log density of each component by one constant."""
    means = jnp.asarray(rng.normal(size=(3, 2)))
    roots = jnp.asarray(rng.normal(size=(3, 2, 2)))
    mixture = relaxed.GaussianMixture(jnp.array([0.1, -0.3, 0.0]), means, roots)
    data = jnp.asarray(rng.normal(size=(5, 2)))
    diagonal = jnp.exp(jnp.diagonal(roots, axis1=1, axis2=2))
    lower = jnp.tril(roots, -1) + diagonal[:, :, None] * jnp.eye(2)
    covariances = jnp.linalg.inv(lower @ lower.transpose(0, 2, 1))
    log_density = jax.vmap(
        jax.scipy.stats.multivariate_normal.logpdf, in_axes=(None, 0, 0), out_axes=1
    )(data, means, covariances)
    fractions = jax.nn.log_softmax(mixture.log_fractions)
    difference = mixture.scores(data) - log_density - fractions
    np.testing.assert_allclose(difference, difference[0, 0], rtol=1e-10)


def test_categories_are_learned(rng):
    """Two clusters on two axes: the signal's bin moves to the signal."""
    signal = jnp.asarray(rng.normal((2, 0), 0.5, size=(500, 2)))
    background = jnp.asarray(rng.normal((0, 2), 0.5, size=(500, 2)))
    start = relaxed.GaussianMixture.around(jnp.array([[1.0, 0.8], [0.9, 1.1]]))

    def counts(mixture, data):
        return relaxed.hist_from_membership(relaxed.soft_assign(mixture.scores(data)))

    def overlap(mixture):
        return jnp.sum(counts(mixture, signal) * counts(mixture, background)) / 500**2

    @jax.jit
    def step(mixture):
        gradient = jax.grad(overlap)(mixture)
        return jax.tree.map(lambda x, g: x - 0.3 * g, mixture, gradient)

    mixture = start
    for _ in range(200):
        mixture = step(mixture)
    assert overlap(mixture) < 0.05 < overlap(start)


def test_errors():
    with pytest.raises(ValueError, match=r"membership=.*soft_assign"):
        relaxed.hist_from_membership(jnp.zeros(3))


def test_mixture_starts_in_the_sample(rng):
    data = jnp.asarray(rng.normal(size=(200, 2)))
    mixture = relaxed.GaussianMixture.from_sample(data, 4, jax.random.key(1))
    counts = relaxed.hist_from_membership(relaxed.soft_assign(mixture.scores(data)))
    assert jnp.min(counts) > 5
