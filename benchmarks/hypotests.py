"""Tests, limits and pseudo-experiments of generated models, against pyhf's default.

All in one process, pyhf with numpy and scipy as it comes. Warm is the median of
repeats; pyhf, which compiles nothing, is timed once. Two fits for each
pseudo-experiment on both sides. No time is printed before the answers agree: CLs, band
and limits within what pyhf's fits are good for, the statistic of each of pyhf's
pseudo-experiments within what it is good for on it.

    hypotests.py [--toys N] [hypotest | limit | toys ...]
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import numpy as np
import pyhf
from _measure import seconds, side_by_side, table
from _workspaces import generated

import fitkit

jax.config.update("jax_enable_x64", True)

REPEATS = 15
# Of ours, for each of the two hypotheses.
TOYS = 2000
# CLs and limits, relative: pyhf's minimiser stops at 1e-6 of its objective.
ANSWERS = 1e-3
# Its statistics are differences of two such minima.
STATISTICS = 1e-2

Row = list[object]


class Sides:
    """One generated model and its data on both sides."""

    def __init__(self, name: str) -> None:
        document = generated(name)
        self.name = name
        self.model, self.data = fitkit.read_workspace(document)
        workspace = pyhf.Workspace(document)
        self.peer = workspace.model()
        self.counts = workspace.data(self.peer)

    def compared(self, what: str, ours, theirs, same) -> Row:
        """A row of times, after the answers were compared."""
        start = time.perf_counter()
        peer_answer = theirs()
        peer = time.perf_counter() - start
        same(ours(), peer_answer)
        times = side_by_side({"ours": ours}, REPEATS)["ours"]
        return [self.name, what, 1e3 * times.warm, 1e3 * peer, peer / times.warm]


def hypotest(sides: Sides) -> Row:
    def ours() -> tuple:
        test = fitkit.hypotest(1.0, sides.model, sides.data)
        return test.cls_observed, test.cls_expected

    def theirs() -> tuple:
        return pyhf.infer.hypotest(
            1.0, sides.counts, sides.peer, return_expected_set=True
        )

    return sides.compared("hypotest, ms", ours, theirs, agree)


def limit(sides: Sides) -> Row:
    def ours() -> tuple:
        found = fitkit.upper_limit(sides.model, sides.data)
        return found.observed, found.expected

    def theirs() -> tuple:
        return pyhf.infer.intervals.upper_limits.upper_limit(sides.counts, sides.peer)

    return sides.compared("upper limit, ms", ours, theirs, agree)


def agree(ours: tuple, theirs: tuple) -> None:
    for mine, peer in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, np.array(peer), rtol=ANSWERS)


def toys(sides: Sides, count: int) -> Row:
    """Pseudo-experiments of either side in a second, two fits each."""
    peer, model = sides.peer, sides.model
    init, bounds = peer.config.suggested_init(), peer.config.suggested_bounds()
    fixed = peer.config.suggested_fixed()
    held = pyhf.infer.mle.fixed_poi_fit(1.0, sides.counts, peer)
    np.random.seed(0)  # noqa: NPY002, where pyhf draws from
    drawn = np.asarray(peer.make_pdf(held).sample((count,)))

    start = time.perf_counter()
    statistics = [
        pyhf.infer.test_statistics.qmu_tilde(1.0, toy, peer, init, bounds, fixed)
        for toy in drawn
    ]
    slow = count / (time.perf_counter() - start)

    @jax.jit
    @jax.vmap
    def statistic(toy: fitkit.Data) -> jax.Array:
        best = fitkit.fit(model, toy, throw=False)
        at = fitkit.fixed_poi_fit(1.0, model, toy, throw=False)
        over = best.params["mu"] > 1.0
        return jnp.where(over, 0.0, at.twice_nll - best.twice_nll)

    same = fitkit.Data(*parts(sides, drawn))
    np.testing.assert_allclose(statistic(same), statistics, atol=STATISTICS)

    def ours() -> jax.Array:
        calculator = fitkit.Toys(jax.random.key(0), TOYS)
        return fitkit.hypotest(1.0, model, sides.data, calculator=calculator).toys_b

    seconds(ours)
    fast = 2 * TOYS / np.median([seconds(ours) for _ in range(3)])
    return [sides.name, "toys / s", fast, slow, fast / slow]


def parts(sides: Sides, drawn: np.ndarray) -> Iterator[dict[str, jax.Array]]:
    """Counts by channel and auxiliary data by parameter of pyhf's flat data."""
    config = sides.peer.config
    main, aux = np.split(drawn, [config.nmaindata], axis=1)
    yield {name: jnp.asarray(main[:, at]) for name, at in config.channel_slices.items()}
    sizes = [config.param_set(name).n_parameters for name in config.auxdata_order]
    blocks = np.split(aux, np.cumsum(sizes)[:-1], axis=1)
    named = dict(zip(config.auxdata_order, blocks, strict=True))
    yield {
        name: jnp.asarray(named[name].reshape(-1, *np.shape(value)))
        for name, value in sides.data.aux.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["hypotest", "limit", "toys"])
    parser.add_argument("--toys", type=int, default=30, help="pyhf's, of each model")
    options = parser.parse_args()
    print(f"OPENBLAS_NUM_THREADS={os.environ['OPENBLAS_NUM_THREADS']}")
    small, medium = Sides("S"), Sides("M")
    rows = {
        "hypotest": lambda: [hypotest(medium)],
        "limit": lambda: [limit(medium)],
        "toys": lambda: [toys(sides, options.toys) for sides in (small, medium)],
    }
    found = [row for what in options.what for row in rows[what]()]
    table(["model", "", "fitkit", "pyhf", "ratio"], found)


if __name__ == "__main__":
    sys.exit(main())
