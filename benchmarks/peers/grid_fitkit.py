"""CLs and band of all points of a grid with fitkit; prints JSON.

Usage: grid_fitkit.py GRID REPEATS
"""

import json
import statistics
import sys
import time
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import fitkit  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1]))
import _measure  # noqa: E402
import _workspaces  # noqa: E402


def main(grid: str, repeats: str) -> None:
    document, patches = _workspaces.grid(grid)
    before = _measure.peak_memory()

    def read() -> None:
        for patch in patches.values():
            fitkit.read_workspace(document, patch=patch)

    def run() -> fitkit.GridResult:
        return fitkit.grid(document, patches)

    start = time.perf_counter()
    result = run()
    cold = time.perf_counter() - start
    memory = _measure.peak_memory() - before
    # In turn: what is not reading is their difference.
    both = [
        (_measure.seconds(run), _measure.seconds(read)) for _ in range(int(repeats))
    ]
    warm, reading = map(statistics.median, zip(*both, strict=True))
    observed, expected = (
        dict(zip(result.names, result[column].tolist(), strict=True))
        for column in ("cls_observed", "cls_expected")
    )
    report = {
        "cold": cold,
        "warm": warm,
        "reading": reading,
        "memory": memory,
        "converged": bool(result.converged.all()),
        "observed": observed,
        "expected": expected,
    }
    print(json.dumps(report))


main(*sys.argv[1:])
