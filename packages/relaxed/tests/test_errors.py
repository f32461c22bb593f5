"""Each mistake gets one message that names the argument, what came, and the way out."""

import os
import subprocess
import sys

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
    ({"bandwidth": 0.0}, r"bandwidth=.*positive and finite; got 0.*hard_hist"),
    ({"bandwidth": -1.0}, r"bandwidth=.*positive and finite; got -1"),
    ({"bandwidth": jnp.nan}, r"bandwidth=.*positive and finite; got nan"),
    ({"bandwidth": jnp.inf}, r"bandwidth=.*positive and finite; got inf"),
    (
        {"bandwidth": jnp.ones(11).at[7].set(-2.0)},
        r"bandwidth=.*positive and finite; got -2",
    ),
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
    ({"edges": [EDGES]}, r"data=.*\(events, 1\).*\(11,\).*`edges\[0\]`"),
    ({"edges": [EDGES, EDGES]}, r"data=.*\(events, 2\).*\(11,\).*jnp.stack"),
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
    with pytest.raises(
        Exception, match=r"first at index 4|positive and finite; got nan"
    ):
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


NAN = DATA.at[4:6].set(jnp.nan)
MIXTURE = relaxed.GaussianMixture.around(jnp.zeros((2, 2)))


# Each with the values that break a rule, so that they can be traced.
@pytest.mark.parametrize(
    ("call", "values", "message"),
    [
        (
            lambda width: relaxed.cut(DATA, 0.0, width=width),
            jnp.array(0.0),
            r"cut\(width=.*positive.*got 0.*data >= threshold",
        ),
        (lambda x: relaxed.cut(x, 0.0, width=1.0), NAN, r"cut\(data=.*2 NaN.*index 4"),
        (
            lambda width: relaxed.window(DATA, 0.0, 1.0, width=width),
            jnp.array(-1.0),
            r"window\(width=.*positive.*got -1",
        ),
        (
            lambda high: relaxed.window(DATA, 1.0, high, width=0.1),
            jnp.array(0.5),
            r"window\(low=.*got low=1, high=0.5.*monotone_edges",
        ),
        (
            lambda x: relaxed.window(x, 0.0, 1.0, width=0.1),
            NAN,
            r"window\(data=.*2 NaN.*index 4",
        ),
        (
            lambda x: relaxed.hist(x, EDGES, bandwidth=0.1, density=True),
            DATA + 9,
            r"hist\(density=True\).*sum over all bins, which is 0.*inside the edges",
        ),
        (lambda x: relaxed.hard_hist(x, EDGES), NAN, "hard_hist.*2 NaN.*index 4"),
        (lambda x: relaxed.scott_bandwidth(x), NAN, "scott_bandwidth.*2 NaN"),
        (lambda x: relaxed.quantile_edges(x, 3), NAN, "quantile_edges.*2 NaN"),
        (
            lambda w: relaxed.quantile_edges(DATA, 3, weights=w),
            jnp.ones(11).at[2].set(-1.0),
            r"weights=.*not be negative; got 1.*weights\[2\]=-1",
        ),
        (
            lambda w: relaxed.quantile_edges(DATA, 3, weights=w),
            jnp.zeros(11),
            "quantile_edges.*sum of `weights`, which is 0",
        ),
        (
            lambda width: relaxed.monotone_edges(
                jnp.zeros(4), 0.0, 1.0, min_width=width
            ),
            jnp.array(0.5),
            "min_width=.*4 bins.*1 too much.*fewer bins",
        ),
        (
            lambda high: relaxed.regular_edges(1.0, high, 3),
            jnp.array(0.0),
            "regular_edges.*low < high; got low=1, high=0",
        ),
        (
            lambda x: relaxed.soft_roc_auc(DATA, x, bandwidth=0.1),
            NAN,
            r"soft_roc_auc\(background=.*2 NaN.*index 4",
        ),
        (
            lambda w: relaxed.soft_roc_auc(DATA, DATA, bandwidth=0.1, signal_weights=w),
            jnp.zeros(11),
            "soft_roc_auc.*signal's weights, which is 0",
        ),
        (
            lambda beta: relaxed.soft_efficiency(
                DATA, DATA, background_efficiency=beta, bandwidth=0.1
            ),
            jnp.array(1.5),
            "background_efficiency=.*between 0 and 1; got 1.5.*sigmoid",
        ),
        (
            lambda t: relaxed.soft_assign(jnp.zeros((2, 2)), temperature=t),
            jnp.array(0.0),
            "temperature=.*positive.*argmax",
        ),
        (
            lambda scores: relaxed.soft_assign(scores),
            jnp.zeros((3, 2)).at[1, 0].set(jnp.nan),
            r"scores=.*got NaN, the first at index 1",
        ),
    ],
)
def test_values(call, values, message):
    with pytest.raises(ValueError, match=message):
        call(values)
    with pytest.raises(Exception, match=message):
        jax.block_until_ready(eqx.filter_jit(call)(values))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: relaxed.cut(DATA, 0.0, width=1.0, keep="up"), "keep=.*above, below"),
        (lambda: relaxed.regular_edges(0.0, 1.0, 0), "bins=.*at least 1"),
        (lambda: relaxed.quantile_edges(DATA[:0], 3), "no events"),
        (lambda: relaxed.monotone_edges(jnp.zeros(()), 0.0, 1.0), "raw=.*vector"),
        (
            lambda: relaxed.soft_roc_auc(DATA, DATA[:0], bandwidth=0.1),
            "background's weights, which is 0.*needs an event",
        ),
        (lambda: relaxed.soft_assign(DATA), r"scores=.*\(events, bins\); got \(11,\)"),
        (lambda: MIXTURE.scores(DATA), r"data=.*\(events, 2\).*got \(11,\)"),
        (
            lambda: relaxed.GaussianMixture.from_sample(
                DATA[:1, None], 2, jax.random.key(0)
            ),
            r"data=.*each of 2 bins; got \(1, 1\)",
        ),
    ],
)
def test_shapes_and_words(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_nan_in_place_of_errors():
    """As the environment says it, which equinox reads once; no bin looks usable."""
    script = """
import jax, jax.numpy as jnp, relaxed

@jax.jit
def counts(data, bandwidth, edges):
    return relaxed.hist(data, edges, bandwidth=bandwidth)

for bins in (3, 100):
    edges = relaxed.regular_edges(0.0, 1.0, bins)
    for bad in ((0.2, -1.0), (float("nan"), 0.1), (0.2, float("nan"))):
        got = counts(jnp.array([bad[0], 0.7]), jnp.array(bad[1]), edges)
        assert jnp.isnan(got).all(), (bins, bad, got)
"""
    environment = {**os.environ, "EQX_ON_ERROR": "nan"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
