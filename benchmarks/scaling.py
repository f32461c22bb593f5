"""How the time of a warm fit grows with parameters and bins, and with a batch.

The times are fitted with a power law; its exponent is printed below each table.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import numpy as np
from _measure import seconds, table
from _workspaces import workspace

import fitkit

jax.config.update("jax_enable_x64", True)

# channels, bins in each, normsys, histosys
PARAMETERS = [(1, 5, k, k) for k in (2, 10, 50, 200, 500, 1000)]
BINS = [(1, bins, 5, 4) for bins in (10, 30, 100, 300, 1000)]
WIDE_BINS = [(10, bins, 5, 4) for bins in (300, 1000)]
BATCHES = (1, 10, 100, 1000)
REPEATS = 7


def time_fit(shape: tuple[int, int, int, int]) -> tuple[int, int, int, float]:
    """Parameters, bins, steps and warm seconds of a fit."""
    model, data = fitkit.read_workspace(workspace(*shape))
    result = fitkit.fit(model, data)
    times = [seconds(lambda: fitkit.fit(model, data).y) for _ in range(REPEATS)]
    bins = shape[0] * shape[1]
    return result.y.size, bins, int(result.steps), float(np.median(times))


def power_law(x: list[float], y: list[float]) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def scan(shapes: list[tuple[int, int, int, int]], axis: int, name: str) -> None:
    rows = [time_fit(shape) for shape in shapes]
    table(
        ["params", "bins", "steps", "ms"],
        [[p, b, s, 1e3 * t] for p, b, s, t in rows],
    )
    exponent = power_law([row[axis] for row in rows], [row[3] for row in rows])
    half = rows[len(rows) // 2 :]
    upper = power_law([row[axis] for row in half], [row[3] for row in half])
    print(f"time ~ {name}^{exponent:.2f}; upper half ^{upper:.2f}\n", flush=True)


def batches() -> None:
    """Fits of pseudo-experiments of one model, all in one call."""
    model, data = fitkit.read_workspace(workspace(3, 10, 7, 7))
    names = list(data.main)
    rng = np.random.default_rng(0)

    @jax.jit
    def fit_all(counts):
        def one(main):
            toy = fitkit.Data(main, data.aux)
            return fitkit.fit(model, toy, throw=False).twice_nll

        return jax.vmap(one)(counts)

    rows = []
    for size in BATCHES:
        counts = {
            name: jnp.asarray(
                rng.poisson(data.main[name], (size, len(data.main[name]))), float
            )
            for name in names
        }
        fit_all(counts)
        best = np.median([seconds(lambda: fit_all(counts)) for _ in range(5)])  # noqa: B023
        rows.append([size, 1e3 * best, size / best])
    table(["batch", "ms", "fits / s"], rows)


def main() -> None:
    print(f"OPENBLAS_NUM_THREADS={os.environ['OPENBLAS_NUM_THREADS']}")
    scan(PARAMETERS, 0, "parameters")
    scan(BINS + WIDE_BINS, 1, "bins")
    batches()


main()
