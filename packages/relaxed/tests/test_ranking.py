import jax
import jax.numpy as jnp
import numpy as np

import relaxed


def samples(rng):
    return rng.normal(1, 1, 400), rng.normal(0, 1, 600)


def test_auc_tends_to_the_mann_whitney_statistic(rng):
    signal, background = samples(rng)
    w, v = rng.uniform(size=400), rng.uniform(size=600)
    above = signal[:, None] > background
    expected = w @ above @ v / (w.sum() * v.sum())
    auc = relaxed.soft_roc_auc(
        signal, background, bandwidth=1e-9, signal_weights=w, background_weights=v
    )
    np.testing.assert_allclose(auc, expected, rtol=1e-12)
    np.testing.assert_allclose(relaxed.soft_roc_auc(signal, signal, bandwidth=0.3), 0.5)


def test_efficiency_tends_to_the_one_at_the_quantile(rng):
    signal, background = samples(rng)
    threshold = np.quantile(background, 0.9)
    efficiency = relaxed.soft_efficiency(
        signal, background, background_efficiency=0.1, bandwidth=1e-6, width=1e-4
    )
    # The quantile lies between two background events; one signal event is 1/400.
    np.testing.assert_allclose(efficiency, np.mean(signal > threshold), atol=0.006)


def test_gradients(rng):
    signal, background = map(jnp.asarray, samples(rng))

    def of(shift, bandwidth):
        auc = relaxed.soft_roc_auc(signal + shift, background, bandwidth=bandwidth)
        return auc + relaxed.soft_efficiency(
            signal + shift, background, background_efficiency=0.2, bandwidth=bandwidth
        )

    at = jnp.array(0.1), jnp.array(0.3)
    gradient = jax.jit(jax.grad(of, argnums=(0, 1)))(*at)
    value, step = jax.jit(of), 1e-5
    shift = (value(at[0] + step, at[1]) - value(at[0] - step, at[1])) / (2 * step)
    width = (value(at[0], at[1] + step) - value(at[0], at[1] - step)) / (2 * step)
    np.testing.assert_allclose(gradient, (shift, width), rtol=1e-7)
