"""Tests, limits and pseudo-experiments of generated models, against the peers.

fitkit twice: on NumPy, as it comes, and compiled by the user's `jax.jit`; pyhf with
NumPy and SciPy, its default; nextstat, whose test has no band, and whose
pseudo-experiments keep the auxiliary data. All in one process on one core, in seconds
of the processor, each side with one thread. Ours and nextstat's are the median of
repeats, pyhf's is of one call; what compiling takes stands apart. Two fits for each
pseudo-experiment on all sides. Those that come without `jax.jit` are of one first call,
in which fitkit may compile by itself where they are many.

No time is printed before the answers agree with pyhf's: CLs, band and limits within
what its fits are good for, the statistic of each of its pseudo-experiments within what
it is good for on it.

    hypotests.py [hypotest | limit | toys ...] [--models S M] [--toys N]
                 [--peer-toys N]
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator

os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["RAYON_NUM_THREADS"] = "1"

import jax
import nextstat
import numpy as np
import pyhf
from _measure import table
from _workspaces import generated

import fitkit

jax.config.update("jax_enable_x64", True)

REPEATS = 7
# CLs and limits, relative: pyhf's minimiser stops at 1e-6 of its objective.
ANSWERS = 1e-3
# Its statistics are differences of two such minima.
STATISTICS = 1e-2

Row = list[object]
Call = Callable[[], object]


def seconds(call: Call) -> float:
    """The processor's, of one call, its result waited for."""
    start = time.process_time()
    jax.block_until_ready(call())
    return time.process_time() - start


def median(call: Call) -> float:
    return statistics.median(seconds(call) for _ in range(REPEATS))


class Sides:
    """One generated model and its data on all sides."""

    def __init__(self, name: str) -> None:
        document = generated(name)
        self.name = name
        self.model, self.data = fitkit.read_workspace(document)
        workspace = pyhf.Workspace(document)
        self.peer = workspace.model()
        self.counts = workspace.data(self.peer)
        self.nextstat = nextstat.from_pyhf(json.dumps(document))

    def compared(self, what: str, ours: Callable, theirs: Call, fast: Call) -> Row:
        """A row of milliseconds, after the answers were compared.

        Args:
            what: is compared.
            ours: of data, on either engine.
            theirs, fast: pyhf's and nextstat's.
        """
        answers = []

        def answered() -> None:
            answers.append(theirs())

        peer, jitted = seconds(answered), jax.jit(ours)
        compiling = seconds(lambda: jitted(self.data))
        for call in (ours, jitted):
            for mine, his in zip(call(self.data), answers[0], strict=True):
                np.testing.assert_allclose(mine, np.array(his), rtol=ANSWERS)
        mine = [median(lambda c=c: c(self.data)) for c in (ours, jitted)]
        peers = [median(fast), peer]
        ratios = [theirs / each for theirs in peers for each in mine]
        return [
            self.name,
            what,
            *(1e3 * x for x in (*mine, *peers)),
            *ratios,
            compiling,
        ]


def hypotest(sides: Sides) -> Row:
    def ours(data: fitkit.Data) -> tuple:
        test = fitkit.hypotest(sides.model, data, 1.0, throw=False)
        return test.cls, test.cls_expected

    def theirs() -> tuple:
        return pyhf.infer.hypotest(
            1.0, sides.counts, sides.peer, return_expected_set=True
        )

    fast = lambda: nextstat.hypotest(1.0, sides.nextstat)  # noqa: E731
    return sides.compared("hypotest, ms", ours, theirs, fast)


def limit(sides: Sides) -> Row:
    def ours(data: fitkit.Data) -> tuple:
        found = fitkit.upper_limit(sides.model, data, throw=False)
        return found.observed, found.expected

    def theirs() -> tuple:
        return pyhf.infer.intervals.upper_limits.upper_limit(sides.counts, sides.peer)

    fast = lambda: nextstat.upper_limit(sides.nextstat, method="root")  # noqa: E731
    return sides.compared("upper limit, ms", ours, theirs, fast)


def toys(sides: Sides, count: int, of_pyhf: int) -> Row:
    """Pseudo-experiments of each side in a second, two fits each.

    Args:
        sides: the model.
        count: ours and nextstat's, for each of the two hypotheses.
        of_pyhf: pyhf's.
    """
    model, data = sides.model, sides.data
    slow = of_pyhf / same_statistics(sides, of_pyhf)

    def ours(key: jax.Array) -> jax.Array:
        calculator = fitkit.Toys(key, count)
        test = fitkit.hypotest(model, data, 1.0, calculator=calculator, throw=False)
        return test.toys_b

    def fast() -> float:
        return nextstat.hypotest_toys(1.0, sides.nextstat, n_toys=count)

    key, jitted = jax.random.key(0), jax.jit(ours)
    compiling = seconds(lambda: jitted(key))
    times = [seconds(lambda: ours(key)), median(lambda: jitted(key)), median(fast)]
    *mine, other = (2 * count / each for each in times)
    ratios = [rate / theirs for theirs in (other, slow) for rate in mine]
    return [sides.name, "toys / s", *mine, other, slow, *ratios, compiling]


def same_statistics(sides: Sides, count: int) -> float:
    """Seconds of pyhf for so many of its toys; ours give the same statistics."""
    peer, model = sides.peer, sides.model
    init, bounds = peer.config.suggested_init(), peer.config.suggested_bounds()
    fixed = peer.config.suggested_fixed()
    held = pyhf.infer.mle.fixed_poi_fit(1.0, sides.counts, peer)
    np.random.seed(0)  # noqa: NPY002, where pyhf draws from
    drawn = np.asarray(peer.make_pdf(held).sample((count,)))
    start = time.process_time()
    theirs = [
        pyhf.infer.test_statistics.qmu_tilde(1.0, toy, peer, init, bounds, fixed)
        for toy in drawn
    ]
    spent = time.process_time() - start
    for toy, statistic in zip(as_data(sides, drawn), theirs, strict=True):
        best = fitkit.fit(model, toy)
        at = fitkit.fixed_poi_fit(model, toy, 1.0)
        over = best.params[model.poi] > 1.0
        mine = 0.0 if over else at.twice_nll - best.twice_nll
        np.testing.assert_allclose(mine, statistic, atol=STATISTICS)
    return spent


def as_data(sides: Sides, drawn: np.ndarray) -> Iterator[fitkit.Data]:
    """Counts by channel and auxiliary data by parameter of pyhf's flat data."""
    config = sides.peer.config
    for toy in drawn:
        main, aux = np.split(toy, [config.nmaindata])
        counts = {name: main[at] for name, at in config.channel_slices.items()}
        sizes = [config.param_set(name).n_parameters for name in config.auxdata_order]
        blocks = np.split(aux, np.cumsum(sizes)[:-1])
        named = dict(zip(config.auxdata_order, blocks, strict=True))
        shapes = {name: np.shape(value) for name, value in sides.data.aux.items()}
        yield fitkit.Data(counts, {n: named[n].reshape(s) for n, s in shapes.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="*", default=["hypotest", "limit", "toys"])
    parser.add_argument("--models", nargs="+", default=["S", "M"])
    parser.add_argument("--toys", type=int, default=2000, help="of each hypothesis")
    parser.add_argument("--peer-toys", type=int, default=30, help="pyhf's")
    options = parser.parse_args()
    # Threads that are made from here on stay on one core.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    models = [Sides(name) for name in options.models]
    measured = {
        "hypotest": hypotest,
        "limit": limit,
        "toys": lambda sides: toys(sides, options.toys, options.peer_toys),
    }
    head = ["model", "", "NumPy", "in jit", "nextstat", "pyhf"]
    head += ["nextstat: NumPy", "in jit", "pyhf: NumPy", "in jit"]
    head += ["first in jit, s"]
    rows = []
    for what in options.what:
        for sides in models:
            rows.append(measured[what](sides))
            print(f"{sides.name}: {what}", file=sys.stderr, flush=True)
    table(head, rows)
    print("Ratios: how many times faster fitkit is than that peer.")


if __name__ == "__main__":
    sys.exit(main())
