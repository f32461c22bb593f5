"""Each mistake gets one message that names the argument, what came, and the way out."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import relaxed

DATA = jnp.linspace(-1, 1, 11)
EDGES = jnp.array([-1.0, 0.0, 1.0])
FALLING = jnp.array([-1.0, 0.5, 0.2])


@pytest.mark.parametrize("call", [relaxed.hist, relaxed.hist_variance])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": FALLING}, r"edges=.*must increase.*edges\[2\]=0.2.*monotone_edges"),
        ({"edges": EDGES[:1]}, r"edges=.*at least two.*\(1,\).*regular_edges"),
        ({"bandwidth": 0.0}, r"bandwidth=.*positive; got 0.*hard_hist"),
        ({"bandwidth": -1.0}, r"bandwidth=.*positive; got -1"),
        ({"weights": jnp.ones(3)}, r"weights=.*one weight per event.*\(11,\).*\(3,\)"),
        ({"data": DATA.at[4:6].set(jnp.nan)}, r"data=.*2 NaN.*first at index 4"),
        ({"data": DATA.reshape(11, 1, 1)}, r"data=.*vmap"),
        ({"flow": "keep"}, r"flow=.*one of drop, clip, reflect.*'keep'"),
        (
            {"flow": "reflect", "edges": EDGES.at[0].set(-jnp.inf)},
            r'flow="reflect"\).*got edges\[0\] infinite.*flow="clip"',
        ),
    ],
)
def test_hist(call, changes, message):
    arguments = {"data": DATA, "edges": EDGES, "bandwidth": 0.1} | changes
    with pytest.raises(ValueError, match=message):
        call(**arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": FALLING}, r"must increase; got edges\[2\] <= edges\[1\]"),
        ({"bandwidth": 0.0}, "bandwidth=.*must be positive"),
        ({"data": DATA.at[4:6].set(jnp.nan)}, "data=.*2 NaN, the first at index 4"),
        (
            {"flow": "reflect", "edges": EDGES.at[-1].set(jnp.inf)},
            r'flow="reflect"\).*got edges\[-1\] infinite.*flow="clip"',
        ),
    ],
)
def test_hist_under_jit(changes, message):
    arguments = {"data": DATA, "edges": EDGES, "bandwidth": 0.1} | changes
    with pytest.raises(Exception, match=message):
        jax.block_until_ready(eqx.filter_jit(relaxed.hist)(**arguments))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": FALLING}, r"must increase; got edges\[2\] <= edges\[1\]"),
        ({"data": DATA.at[4:6].set(jnp.nan)}, "data=.*2 NaN, the first at index 4"),
    ],
)
@pytest.mark.parametrize("name", ["data", "edges"])
def test_a_gradient_without_its_value_is_checked_too(changes, message, name):
    arguments = {"data": DATA, "edges": EDGES} | changes

    def first_bin(x, arguments):
        return relaxed.hist(**(arguments | {name: x}), bandwidth=0.1)[0]

    with pytest.raises(Exception, match=message):
        jax.block_until_ready(jax.jit(jax.grad(first_bin))(arguments[name], arguments))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: relaxed.cut(DATA, 0.0, width=0.0), "width=.*positive"),
        (lambda: relaxed.cut(DATA, 0.0, width=1.0, keep="up"), "keep=.*above, below"),
        (lambda: relaxed.window(DATA, 0.0, 1.0, width=-1.0), "width=.*positive"),
        (lambda: relaxed.regular_edges(0.0, 1.0, 0), "bins=.*at least 1"),
        (lambda: relaxed.quantile_edges(DATA[:0], 3), "no events"),
        (lambda: relaxed.monotone_edges(jnp.zeros(()), 0.0, 1.0), "raw=.*vector"),
        (
            lambda: relaxed.monotone_edges(jnp.zeros(4), 0.0, 1.0, min_width=0.25),
            "min_width=0.25.*fewer bins",
        ),
    ],
)
def test_others(call, message):
    with pytest.raises(ValueError, match=message):
        call()
