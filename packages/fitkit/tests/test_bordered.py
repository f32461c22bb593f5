"""Hessians of which a large block is easy to invert are solved as any other."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit
from fitkit._histfactory import blocks as partition
from fitkit._numerics.bordered_matrix import (
    Blocks,
    Bordered,
    Frame,
    Order,
    factorise,
    inverse,
    substitute,
)

INNER, BORDER, RANK = 9, 3, 4


def _matrix(seed: int, middle: str) -> Bordered:
    """A matrix with two equal rows in W and one that is empty."""
    rng = np.random.default_rng(seed)
    place = rng.permutation(INNER + BORDER)
    order = np.argsort(place)
    wide = rng.normal(size=(RANK, INNER))
    wide[2], wide[3] = wide[1], 0.0
    half = rng.normal(size=(RANK, RANK))
    of = {
        "positive": half @ half.T,
        "indefinite": 0.05 * (half + half.T),
        "singular": np.outer(half[0], half[0]),
        "too negative": -3.0 * half @ half.T,
        "none": None,
    }[middle]
    cross = 0.3 * rng.normal(size=(INNER, BORDER))
    block = np.cov(rng.normal(size=(BORDER, 20))) + 2 * np.eye(BORDER)
    blocks = Blocks(block, rng.uniform(1, 3, INNER), of, cross)
    at = Order(order[:INNER], order[INNER:], place)
    frame = Frame(at, None if middle == "none" else wide)
    return jax.tree.map(jnp.asarray, Bordered(blocks, frame))


@pytest.mark.parametrize(
    "middle", ["positive", "indefinite", "singular", "too negative", "none"]
)
def test_solutions_are_those_of_the_table(middle):
    rng = np.random.default_rng(1)
    signs = set()
    for seed in range(3):
        matrix = _matrix(seed, middle)
        table = np.asarray(matrix.dense())
        np.testing.assert_allclose(table, table.T, atol=1e-14)
        np.testing.assert_allclose(matrix.diagonal(), np.diagonal(table), rtol=1e-13)
        vector = rng.normal(size=len(table))
        np.testing.assert_allclose(matrix @ vector, table @ vector, atol=1e-12)
        more = rng.uniform(size=len(table))
        np.testing.assert_allclose(
            matrix.plus(more).dense(), table + np.diag(more), atol=1e-13
        )
        free = rng.uniform(size=len(table)) < 0.8
        part = table[np.ix_(free, free)]
        expected = bool(np.linalg.eigvalsh(part)[0] > 0)
        factor, positive = factorise(matrix, jnp.asarray(free))
        solution = substitute(factor, jnp.asarray(free), jnp.asarray(vector))
        assert bool(positive) == expected
        signs.add(expected)
        if not expected:
            assert np.isnan(solution[free]).all()
            continue
        # The rows of W depend on each other: rounding times the condition of M.
        np.testing.assert_allclose(
            solution[free], np.linalg.solve(part, vector[free]), rtol=1e-10
        )
        assert not solution[~free].any()
        factor, _ = factorise(matrix, jnp.asarray(free), strict=True)
        whole = inverse(factor, jnp.asarray(free))
        np.testing.assert_allclose(
            whole[np.ix_(free, free)], np.linalg.inv(part), atol=1e-11
        )
    assert signs == {middle != "too negative"}


def _systematics(histosys: int, staterror: bool) -> dict:
    """One channel of two bins, two backgrounds, far more systematics than bins."""
    rng = np.random.default_rng(5)
    signal = {
        "name": "signal",
        "data": [3.0, 6.0],
        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
    }
    samples = [signal]
    for nominal in ([50.0, 30.0], [20.0, 25.0]):
        modifiers = [
            {
                "name": f"n{k}",
                "type": "normsys",
                "data": {"hi": 1 + size, "lo": 1 - 0.7 * size},
            }
            for k, size in enumerate(rng.uniform(0.01, 0.05, 14))
        ]
        modifiers += [
            {
                # h0 is a normsys as well
                "name": "n0" if k == 0 else f"h{k}",
                "type": "histosys",
                "data": {
                    "hi_data": list(np.array(nominal) * (1 + rng.normal(0, 0.05, 2))),
                    "lo_data": list(np.array(nominal) * (1 + rng.normal(0, 0.05, 2))),
                },
            }
            for k in range(histosys)
        ]
        if staterror:
            modifiers.append({"name": "stat", "type": "staterror", "data": [2.0, 1.5]})
        samples.append(
            {"name": f"b{len(samples)}", "data": nominal, "modifiers": modifiers}
        )
    return _document(samples, [80.0, 59.0])


def _gammas() -> dict:
    """A factor for each of eight bins, and in one sample two of them in each bin."""
    rng = np.random.default_rng(6)
    first, second = rng.uniform(20, 60, 8), rng.uniform(5, 20, 8)
    signal = {
        "name": "signal",
        "data": list(np.linspace(1, 6, 8)),
        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
    }
    tilt = {
        "name": "tilt",
        "type": "histosys",
        "data": {
            "hi_data": list(first * np.linspace(0.9, 1.2, 8)),
            "lo_data": list(first * np.linspace(1.05, 0.9, 8)),
        },
    }
    norm = {"name": "norm", "type": "normsys", "data": {"hi": 1.1, "lo": 0.93}}
    free = {"name": "free", "type": "normfactor", "data": None}
    stat = [
        {"name": "stat", "type": "staterror", "data": list(0.1 * nominal)}
        for nominal in (first, second)
    ]
    shape = {"name": "shape", "type": "shapesys", "data": list(0.2 * second)}
    samples = [
        signal,
        {"name": "b1", "data": list(first), "modifiers": [tilt, stat[0], free]},
        {"name": "b2", "data": list(second), "modifiers": [norm, stat[1], shape]},
    ]
    return _document(samples, list(np.round(1.05 * (first + second))))


def _document(samples: list, counts: list) -> dict:
    return {
        "channels": [{"name": "SR", "samples": samples}],
        "observations": [{"name": "SR", "data": counts}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(partition, "_FEWEST_INTERPOLATED", 4)
    monkeypatch.setattr(partition, "_FEWEST_BINS", 4)


CASES = {
    "normsys": (_systematics(0, staterror=True), partition.Interpolated),
    "histosys": (_systematics(7, staterror=False), partition.Interpolated),
    "gammas": (_gammas(), partition.OneBinEach),
}


@pytest.mark.parametrize("name", CASES)
def test_blocks_are_those_of_autodiff_and_fits_those_of_a_table(name):
    document, kind = CASES[name]
    model, data = fitkit.read_workspace(document)
    assert isinstance(model.arrays.partition, kind)
    table = eqx.tree_at(
        lambda m: m.arrays.partition, model, None, is_leaf=lambda x: x is None
    )
    rng = np.random.default_rng(2)
    y = model.ravel(model.init)
    y = y + 0.1 * jnp.asarray(rng.normal(size=y.shape))
    likelihood = model.negative_log_likelihood(data)

    @jax.jit
    def both(y):
        plain = jax.grad(likelihood.value)(y), jax.hessian(likelihood.value)(y)
        return likelihood.derivatives(y), plain

    ours, (gradient, hessian) = both(y)
    np.testing.assert_allclose(ours.gradient, gradient, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(ours.hessian.dense(), hessian, rtol=1e-10, atol=1e-10)
    assert np.linalg.eigvalsh(ours.convex.dense())[0] > 0

    found, expected = fitkit.fit(model, data), fitkit.fit(table, data)
    assert int(found.steps) == int(expected.steps)
    np.testing.assert_allclose(found.y, expected.y, atol=1e-9)
    np.testing.assert_allclose(found.hessian, expected.hessian, rtol=1e-8, atol=1e-8)
    errors = [
        fitkit.uncertainties(each, found.params, data)["mu"] for each in (model, table)
    ]
    np.testing.assert_allclose(*errors, rtol=1e-9)


def test_derivatives_go_through():
    """Of a best fit and of a second derivative, under `vmap`; against re-fits."""
    model, data = fitkit.read_workspace(CASES["gammas"][0])

    def best(scale):
        scaled = eqx.tree_at(
            lambda m: m.arrays.nominal, model, scale * model.arrays.nominal
        )
        result = fitkit.fit(scaled, data, throw=False)
        return result.params["mu"], result.twice_nll

    at = jnp.array([0.97, 1.0])
    slopes = jax.jit(jax.vmap(jax.jacrev(best)))(at)
    step = 1e-5
    up, down = (jax.vmap(best)(at + sign * step) for sign in (1, -1))
    for slope, above, below in zip(slopes, up, down, strict=True):
        # Central differences of steps of 1e-5: 1e-10, and rounding over the step.
        np.testing.assert_allclose(slope, (above - below) / (2 * step), rtol=1e-6)
    second = jax.jit(jax.grad(jax.grad(lambda s: best(s)[1])))(1.0)
    slope = jax.jit(jax.grad(lambda s: best(s)[1]))
    np.testing.assert_allclose(
        second, (slope(1.0 + step) - slope(1.0 - step)) / (2 * step), rtol=1e-6
    )
