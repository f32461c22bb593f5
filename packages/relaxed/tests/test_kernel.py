import jax
import jax.numpy as jnp
import numpy as np
import pytest

import relaxed
from relaxed._exponential import exp_of_negative

KERNELS = [
    relaxed.GaussianKernel(),
    relaxed.LogisticKernel(),
    relaxed.EpanechnikovKernel(),
    relaxed.TriweightKernel(),
]
kernels = pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: type(k).__name__)


@kernels
def test_pdf_is_the_derivative_of_cdf(kernel):
    z = jnp.linspace(-9, 9, 181)
    slope = jax.vmap(jax.grad(kernel.cdf))(z)
    np.testing.assert_allclose(slope, kernel.pdf(z), rtol=1e-12)
    step = 1e-5
    central = (kernel.cdf(z + step) - kernel.cdf(z - step)) / (2 * step)
    # Truncation step² = 1e-10; at a kink of the pdf, step.
    np.testing.assert_allclose(central, kernel.pdf(z), atol=2e-5)


@kernels
def test_symmetric_and_of_unit_area(kernel):
    z = jnp.linspace(0, 9, 50)
    np.testing.assert_allclose(kernel.pdf(z), kernel.pdf(-z), rtol=1e-12)
    np.testing.assert_allclose(kernel.cdf(z) + kernel.cdf(-z), 1, rtol=1e-12)
    edge = jnp.asarray(kernel.support)
    assert kernel.tail(edge) <= 1e-16


@kernels
def test_float32_tail_keeps_its_digits(kernel):
    z = np.linspace(0, 12, 500, dtype=np.float32)
    exact = kernel.tail(jnp.asarray(z, float))
    # float32's 6e-8, amplified by the exponent z²/2 = 72.
    np.testing.assert_allclose(kernel.tail(jnp.asarray(z)), exact, rtol=72 * 6e-8)


def test_float32_exponential():
    x = np.concatenate([-np.geomspace(1e-30, 86.9, 100_001), -np.linspace(0, 86.9, 7)])
    x = x.astype(np.float32)
    # NumPy's in float64 is the reference; 1e-7 of the polynomial and the rounding.
    exact = np.exp(x.astype(float))
    np.testing.assert_allclose(jax.jit(exp_of_negative)(x), exact, rtol=2e-7)
    slope = jax.jit(jax.vmap(jax.grad(jax.grad(exp_of_negative))))(x)
    np.testing.assert_allclose(slope, exact, rtol=2e-7)
    far = jnp.array([-87.1, -1e6, -5e11, -jnp.inf], jnp.float32)
    np.testing.assert_array_equal(exp_of_negative(far), 0)
    np.testing.assert_array_equal(jax.vmap(jax.grad(exp_of_negative))(far), 0)
    assert jnp.isnan(exp_of_negative(jnp.array(jnp.nan, jnp.float32)))
