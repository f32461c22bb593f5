"""The likelihood differentiates through the construction of its model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import fitkit
from fitkit import (
    Channel,
    HistoSys,
    Lumi,
    Model,
    NormFactor,
    NormSys,
    ParameterSettings,
    Sample,
    ShapeFactor,
    ShapeSys,
    StatError,
)

TEMPLATES = {
    "signal": np.array([5.0, 9.0]),
    "background": np.array([50.0, 40.0]),
    "control": np.array([100.0]),
    "normsys lo": np.array(0.9),
    "normsys hi": np.array(1.2),
    "histosys lo": np.array([46.0, 41.0]),
    "histosys hi": np.array([57.0, 38.0]),
    "staterror signal": np.array([0.5, 0.7]),
    "staterror background": np.array([3.0, 2.5]),
    "shapesys": np.array([7.0]),
    "lumi sigma": np.array(0.03),
    "lumi aux": np.array(1.01),
    "alpha aux": np.array(0.2),
    "observed": np.array([57.0, 47.0]),
}
CODES = [("4", "4p"), ("1", "0"), ("4", "2")]


def model_and_data(templates, codes=("4", "4p")):
    """One model with all seven modifiers; every number is an argument."""
    t = templates
    signal = Sample(
        "signal",
        t["signal"],
        (
            NormFactor("mu"),
            Lumi("lumi"),
            StatError("stat", t["staterror signal"]),
            NormSys("alpha", t["normsys lo"], t["normsys hi"]),
        ),
    )
    background = Sample(
        "background",
        t["background"],
        (
            HistoSys("alpha", t["histosys lo"], t["histosys hi"]),
            StatError("stat", t["staterror background"]),
            Lumi("lumi"),
        ),
    )
    control = Sample(
        "control", t["control"], (ShapeSys("shape", t["shapesys"]), ShapeFactor("free"))
    )
    model = Model(
        [Channel("SR", [signal, background]), Channel("CR", [control])],
        poi="mu",
        settings={
            "lumi": ParameterSettings(sigma=t["lumi sigma"], aux=t["lumi aux"]),
            "alpha": ParameterSettings(aux=t["alpha aux"]),
        },
        normsys_code=codes[0],
        histosys_code=codes[1],
    )
    return model, model.data({"SR": t["observed"], "CR": np.array([104.0])})


POINT = {
    "mu": np.array(0.7),
    "lumi": np.array(1.02),
    "stat": np.array([1.02, 0.95]),
    "alpha": np.array(0.4),
    "shape": np.array([1.04]),
    "free": np.array([0.97]),
}
FLAT, UNRAVEL = ravel_pytree(TEMPLATES)


def logpdf(flat, codes=("4", "4p")):
    model, data = model_and_data(UNRAVEL(flat), codes)
    return model.logpdf(POINT, data)


def five_point(function, flat, step=1e-3):
    """Central differences of fourth order, relative step, all entries in one call."""
    steps = step * np.maximum(np.abs(flat), 1.0)
    points = np.concatenate([flat + k * np.diag(steps) for k in (-2, -1, 1, 2)])
    low2, low1, high1, high2 = np.split(np.asarray(jax.vmap(function)(points)), 4)
    return (low2 - 8 * low1 + 8 * high1 - high2) / (12 * steps)


@pytest.mark.parametrize("codes", CODES)
def test_every_template_variation_and_uncertainty(codes):
    flat = np.asarray(FLAT)
    value = jax.jit(lambda f: logpdf(f, codes))
    gradient = jax.jit(jax.grad(lambda f: logpdf(f, codes)))(flat)
    assert np.all(np.isfinite(gradient))
    # every number matters at this point, but for the lower variations (alpha is
    # positive) where the codes are piecewise: one of normsys and two of histosys
    silent = 3 if codes == ("1", "0") else 0
    assert np.sum(np.abs(gradient) < 1e-8) == silent
    # steps of 1e-3 leave a fifth-order error of at most 1e-7
    np.testing.assert_allclose(gradient, five_point(value, flat), rtol=1e-6, atol=1e-8)


def test_forward_mode_and_vmap():
    flat = np.asarray(FLAT)
    batch = flat * np.array([[1.0], [1.01], [0.98]])
    gradient = jax.grad(logpdf)
    together = jax.jit(jax.vmap(gradient))(batch)
    forward = jax.jit(jax.vmap(jax.jacfwd(logpdf)))(batch)
    np.testing.assert_allclose(forward, together, rtol=1e-9, atol=1e-10)
    one = jax.jit(gradient)
    for i in range(3):
        np.testing.assert_allclose(one(batch[i]), together[i], rtol=1e-12)


def test_traced_construction_gives_the_concrete_model():
    concrete, data = model_and_data(TEMPLATES)
    expected = concrete.logpdf(POINT, data)
    np.testing.assert_allclose(jax.jit(logpdf)(FLAT), expected, rtol=1e-14)


@pytest.mark.parametrize("where", ["staterror background", "shapesys", "signal"])
def test_a_zero_gives_a_finite_gradient(where):
    """Empty bins come and go while templates are trained: no NaN, ever."""
    zeroed = TEMPLATES | {where: np.zeros_like(TEMPLATES[where])}
    gradient = jax.jit(jax.grad(logpdf))(ravel_pytree(zeroed)[0])
    assert np.all(np.isfinite(gradient))


def test_simple_models_are_differentiable():
    @jax.jit
    @jax.grad
    def gradient(numbers):
        model = fitkit.uncorrelated_background(*numbers[:3])
        other = fitkit.correlated_background(
            numbers[0], numbers[1], up=numbers[3], down=numbers[4]
        )
        total = 0.0
        for each, channel in ((model, "singlechannel"), (other, "single_channel")):
            data = each.data({channel: jnp.array([51.0, 48.0])})
            params = jax.tree.map(lambda value: value + 0.1, each.init)
            total += each.logpdf(params, data)
        return total

    numbers = jnp.array(
        [[12.0, 11.0], [50.0, 52.0], [3.0, 7.0], [55.0, 60.0], [47.0, 44.0]]
    )
    assert np.all(np.abs(gradient(numbers)) > 1e-6)
