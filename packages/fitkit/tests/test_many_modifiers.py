"""Hundreds of modifiers on few bins take another way to the same derivatives."""

import jax
import jax.numpy as jnp
import numpy as np

import fitkit
from fitkit import Channel, HistoSys, Model, NormFactor, NormSys, Sample, StatError


def crowded(count):
    """`count` normsys and as many histosys, every third parameter having both."""
    rng = np.random.default_rng(3)
    signal, nominal = np.array([3.0, 6.0, 2.0]), np.array([300.0, 250.0, 400.0])

    def shifted():
        return nominal * (1 + rng.normal(0, 0.01, 3))

    norms = [
        NormSys(f"p{i}" if i % 3 == 0 else f"n{i}", *(1 + rng.normal(0, 0.02, 2)))
        for i in range(count)
    ]
    shapes = [
        HistoSys(f"p{i}" if i % 3 == 0 else f"h{i}", shifted(), shifted())
        for i in range(count)
    ]
    stat = StatError("stat", [5.0, 6.0, 7.0])
    samples = [
        Sample("s", signal, (NormFactor("mu"), *norms[::2])),
        Sample("b", nominal, (stat, *norms, *shapes)),
    ]
    return Model([Channel("SR", samples)])


def test_derivatives_are_those_of_autodiff():
    model = crowded(160)
    size = model.ravel(model.init).size
    assert model.arrays.normsys_index.size + model.arrays.histosys_index.size > 300
    rng = np.random.default_rng(4)
    y = model.ravel(model.init) + 0.1 * jnp.asarray(rng.normal(0, 1, size))
    data = model.data({"SR": [310.0, 248.0, 391.0]})
    likelihood = model.negative_log_likelihood(data)

    @jax.jit
    def both(y):
        ours = likelihood.derivatives(y)
        return ours, jax.grad(likelihood.value)(y), jax.hessian(likelihood.value)(y)

    ours, gradient, hessian = both(y)
    np.testing.assert_allclose(ours.gradient, gradient, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(ours.hessian.dense(), hessian, rtol=1e-10, atol=1e-10)
    found = fitkit.fit(model, data)
    assert bool(found.converged)
    assert int(found.steps) <= 10
