"""The interpolation codes against the table computed from their definitions."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit
from fitkit import Channel, HistoSys, Model, NormSys, Sample

LO, NOMINAL, HI = 9.0, 10.0, 13.0
ALPHAS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
# Eight decimals; code 2 is ROOT's definition (pyhf 0.7.6 is wrong outside [-1, 1]).
TABLE = {
    "0": (8.5, 9, 9.5, 10, 11.5, 13, 14.5),
    "1": (8.53814968, 9, 9.48683298, 10, 11.40175425, 13, 14.82228053),
    "4": (8.53814968, 9, 9.40183513, 10, 11.32461256, 13, 14.82228053),
    "4p": (8.5, 9, 9.39648438, 10, 11.39648438, 13, 14.5),
    "2": (9, 9, 9.25, 10, 11.25, 13, 15),
}
MULTIPLICATIVE = ("1", "4")


def yield_of(code, lo=LO, nominal=NOMINAL, hi=HI):
    """The yield of one bin as a function of alpha, through a model."""
    if code in MULTIPLICATIVE:
        modifier = NormSys("alpha", lo / nominal, hi / nominal)
        codes = {"normsys_code": code}
    else:
        modifier = HistoSys("alpha", jnp.array([lo]), jnp.array([hi]))
        codes = {"histosys_code": code}
    sample = Sample("b", jnp.array([nominal]), (modifier,))
    model = Model([Channel("SR", [sample])], poi=None, **codes)
    return jax.jit(lambda a: model.expected_data({"alpha": a}).main["SR"][0])


@pytest.mark.parametrize("code", TABLE)
def test_table(code):
    rate = yield_of(code)
    values = [float(rate(alpha)) for alpha in ALPHAS]
    np.testing.assert_allclose(values, TABLE[code], atol=5.1e-9, rtol=0)


@pytest.mark.parametrize("code", ["4", "4p"])
@pytest.mark.parametrize("edge", [-1.0, 1.0])
def test_the_polynomial_joins_with_two_derivatives(code, edge):
    rate = yield_of(code)
    step = 1e-9  # the third derivative, of order 10, times the step
    for derivative in (rate, jax.grad(rate), jax.grad(jax.grad(rate))):
        inside, outside = derivative(edge * (1 - step)), derivative(edge * (1 + step))
        np.testing.assert_allclose(inside, outside, rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize("code", TABLE)
@pytest.mark.parametrize("alpha", [-2.3, -0.7, 0.4, 1.8])
def test_derivatives(code, alpha):
    rate, step = yield_of(code), 1e-5
    for function in (rate, jax.grad(rate)):
        difference = (function(alpha + step) - function(alpha - step)) / (2 * step)
        np.testing.assert_allclose(jax.grad(function)(alpha), difference, rtol=1e-6)
        np.testing.assert_allclose(jax.jacfwd(function)(alpha), difference, rtol=1e-6)


@pytest.mark.parametrize(
    ("code", "pyhf_code"),
    [("0", "code0"), ("1", "code1"), ("4", "code4"), ("4p", "code4p")],
)
def test_as_pyhf(code, pyhf_code):
    pyhf = pytest.importorskip("pyhf")
    interpolate = getattr(pyhf.interpolators, pyhf_code)
    rng = np.random.default_rng(3)
    for lo, hi in itertools.product((7.0, 10.0, 12.0), (8.0, 10.0, 11.0)):
        alphas = rng.normal(0, 1.5, 5)
        if code in MULTIPLICATIVE:  # pyhf takes factors and returns factors
            histograms = [[[[lo / 10], [1.0], [hi / 10]]]]
            theirs = 10.0 * interpolate(histograms)(np.array([alphas]))
        else:
            histograms = [[[[lo], [10.0], [hi]]]]
            theirs = 10.0 + interpolate(histograms)(np.array([alphas]))
        ours = jax.vmap(yield_of(code, lo, 10.0, hi))(alphas)
        np.testing.assert_allclose(ours, np.ravel(theirs), rtol=1e-12)


@pytest.mark.parametrize(
    "codes", [{"normsys_code": "0"}, {"histosys_code": "1"}, {"histosys_code": "4"}]
)
def test_a_code_of_the_other_family(codes):
    sample = Sample("b", jnp.array([1.0]), (NormSys("a", 0.9, 1.1),))
    with pytest.raises(ValueError, match="code"):
        fitkit.Model([Channel("SR", [sample])], poi=None, **codes)
