"""How the time of a warm fit grows with parameters and bins, and with a batch.

On NumPy, as a fit comes, and compiled by the user's `jax.jit`. The times are fitted
with a power law; its exponents are printed below each table.

    scaling.py [--quick]
"""

import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import numpy as np
from _measure import seconds, table
from _workspaces import workspace

import fitkit

jax.config.update("jax_enable_x64", True)

QUICK = "--quick" in sys.argv
# channels, bins in each, normsys, histosys
PARAMETERS = [(1, 5, k, k) for k in (2, 10, 50, 200, 500, 1000)]
BINS = [(1, bins, 5, 4) for bins in (10, 30, 100, 300, 1000)]
BINS += [(10, bins, 5, 4) for bins in (300, 1000)]
BATCHES = (1, 10, 100, 1000)
ENGINES = ("NumPy", "in jit")
REPEATS = 7
if QUICK:
    PARAMETERS, BINS, BATCHES, REPEATS = PARAMETERS[:2], BINS[:2], BATCHES[:2], 3


def time_fit(shape: tuple[int, int, int, int]) -> tuple[int, int, int, list[float]]:
    """Parameters, bins, steps and warm seconds of a fit on both engines."""
    model, data = fitkit.read_workspace(workspace(*shape))

    def fit(data: fitkit.Data) -> fitkit.FitResult:
        return fitkit.fit(model, data, throw=False)

    result, times = fit(data), []
    for call in (fit, jax.jit(fit)):
        call(data)
        each = [seconds(lambda c=call: c(data)) for _ in range(REPEATS)]
        times.append(float(np.median(each)))
    return result.y.size, shape[0] * shape[1], int(result.steps), times


def power_law(x: list[float], y: list[float]) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def scan(shapes: list[tuple[int, int, int, int]], axis: int, name: str) -> None:
    rows = [time_fit(shape) for shape in shapes]
    table(
        ["params", "bins", "steps", *(f"{engine} ms" for engine in ENGINES)],
        [[p, b, s, *(1e3 * t for t in times)] for p, b, s, times in rows],
    )
    half = rows[len(rows) // 2 :]
    for engine, label in enumerate(ENGINES):
        exponents = [
            power_law([row[axis] for row in some], [row[3][engine] for row in some])
            for some in (rows, half)
            if len(some) > 1
        ]
        said = "; upper half ^".join(f"{x:.2f}" for x in exponents)
        print(f"{label}: time ~ {name}^{said}")
    print(flush=True)


def batches() -> None:
    """Fits of pseudo-experiments of one model: one call, and a loop on NumPy."""
    model, data = fitkit.read_workspace(workspace(3, 10, 7, 7))
    rng = np.random.default_rng(0)

    def one(main: dict) -> jax.Array:
        toy = fitkit.Data(main, data.aux)
        return fitkit.fit(model, toy, throw=False).twice_nll

    @jax.jit
    def fit_all(counts: dict) -> jax.Array:
        return jax.vmap(one)(counts)

    def in_a_loop(counts: dict, size: int) -> list:
        return [one({k: v[i] for k, v in counts.items()}) for i in range(size)]

    rows = []
    for size in BATCHES:
        drawn = {k: 1.0 * rng.poisson(v, (size, len(v))) for k, v in data.main.items()}
        counts = jax.tree.map(jnp.asarray, drawn)
        fit_all(counts)
        calls = [lambda n=size, d=drawn: in_a_loop(d, n), lambda c=counts: fit_all(c)]
        times = [float(np.median([seconds(c) for _ in range(REPEATS)])) for c in calls]
        rows.append([size, *(1e3 * t for t in times), *(size / t for t in times)])
    head = [f"{engine} {what}" for what in ("ms", "fits / s") for engine in ENGINES]
    table(["batch", *head], rows)


def main() -> None:
    print(f"OPENBLAS_NUM_THREADS={os.environ['OPENBLAS_NUM_THREADS']}")
    scan(PARAMETERS, 0, "parameters")
    scan(BINS, 1, "bins")
    batches()


main()
