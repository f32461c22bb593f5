"""Each mistake gets one message that names the argument, what came, and the way out."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import relaxed

DATA = jnp.linspace(-1, 1, 11)
EDGES = jnp.array([-1.0, 0.0, 1.0])
FALLING = jnp.array([-1.0, 0.5, 0.2])


VALUES = [
    (
        {"edges": FALLING},
        r"edges=.*must increase; got edges\[2\]=0.2 <= edges\[1\]=0.5.*monotone_edges",
    ),
    ({"bandwidth": 0.0}, r"bandwidth=.*positive; got 0.*hard_hist"),
    ({"bandwidth": -1.0}, r"bandwidth=.*positive; got -1"),
    ({"bandwidth": jnp.nan}, r"bandwidth=.*positive; got nan"),
    ({"bandwidth": jnp.ones(11).at[7].set(-2.0)}, r"bandwidth=.*positive; got -2"),
    ({"data": DATA.at[4:6].set(jnp.nan)}, r"data=.*2 NaN, the first at index 4"),
    (
        {"weights": jnp.ones(11).at[3].set(jnp.nan)},
        r"weights=.*1 NaN, the first at index 3",
    ),
    (
        {"flow": "reflect", "edges": EDGES.at[0].set(-jnp.inf)},
        r'flow="reflect"\).*got edges\[0\]=-inf.*flow="clip"',
    ),
    (
        {"flow": "reflect", "edges": EDGES.at[-1].set(jnp.inf)},
        r'flow="reflect"\).*got edges\[-1\]=inf.*flow="clip"',
    ),
]
SHAPES = [
    ({"edges": EDGES[:1]}, r"edges=.*at least two.*\(1,\).*regular_edges"),
    ({"bandwidth": jnp.ones(3)}, r"`hist.*bandwidth=.*\(\), \(11,\); got \(3,\)"),
    ({"weights": jnp.ones(3)}, r"weights=.*one weight per event.*\(11,\).*\(3,\)"),
    ({"data": DATA.reshape(11, 1, 1)}, r"data=.*vmap"),
    ({"flow": "keep"}, r"flow=.*one of drop, clip, reflect.*'keep'"),
]


@pytest.mark.parametrize("call", [relaxed.hist, relaxed.hist_variance])
@pytest.mark.parametrize(("changes", "message"), VALUES + SHAPES)
def test_hist(call, changes, message):
    arguments = {"data": DATA, "edges": EDGES, "bandwidth": 0.1} | changes
    with pytest.raises(ValueError, match=message):
        call(**arguments)


@pytest.mark.parametrize(("changes", "message"), VALUES)
def test_hist_under_jit(changes, message):
    arguments = {"data": DATA, "edges": EDGES, "bandwidth": 0.1} | changes
    with pytest.raises(Exception, match=message):
        jax.block_until_ready(eqx.filter_jit(relaxed.hist)(**arguments))


def test_event_of_a_row_is_named():
    rows = jnp.zeros((5, 2)).at[3, 1].set(jnp.nan)
    with pytest.raises(ValueError, match=r"data=.*1 NaN, the first at index 3"):
        relaxed.hist(rows, [EDGES, EDGES], bandwidth=0.1)


def test_infinite_events_are_no_nan():
    """Also where both signs meet, whose sum is NaN."""
    data = DATA.at[2].set(jnp.inf).at[3].set(-jnp.inf)
    counts = jax.jit(lambda data: relaxed.hist(data, EDGES, bandwidth=0.1))(data)
    assert bool(jnp.all(jnp.isfinite(counts)))


@pytest.mark.parametrize("name", ["data", "bandwidth"])
def test_one_of_a_batch(name):
    """A broken entry of any member is found, and none where there is none."""
    arguments = {"data": DATA, "bandwidth": jnp.array(0.1)}
    good = jnp.stack([arguments[name]] * 3)
    bad = good.at[(1, ...) if name == "bandwidth" else (1, 4)].set(jnp.nan)

    def of(x):
        return relaxed.hist(**(arguments | {name: x}), edges=EDGES)

    batched = eqx.filter_jit(jax.vmap(of))
    assert bool(jnp.all(jnp.isfinite(batched(good))))
    with pytest.raises(Exception, match=r"first at index 4|positive; got nan"):
        jax.block_until_ready(batched(bad))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": FALLING}, r"got edges\[2\]=0.2 <= edges\[1\]=0.5"),
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
