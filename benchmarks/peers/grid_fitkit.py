"""CLs and band of all points of a grid with fitkit; prints JSON.

Seconds are those of the processor, all threads together.

Usage: grid_fitkit.py GRID REPEATS
"""

import collections
import contextlib
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import jax

import fitkit
from fitkit._grid import chunk
from fitkit._workspace import many

sys.path.insert(0, str(Path(__file__).parents[1]))
import _measure
import _workspaces

# Cold means compiled, whatever cache this process was given.
jax.config.update("jax_compilation_cache_dir", None)

# The stages of a grid, and the calls of which each is made. What one of them calls of
# another stage counts there.
STAGES = {
    "reading": [(many, "patched"), (many, "parse"), (many, "structure_key")],
    "building": [(chunk, "_member"), (chunk, "stacked")],
    "fits": [(chunk, "_computed")],
}


@contextlib.contextmanager
def staged() -> Iterator[dict[str, float]]:
    """Seconds that each stage takes inside this context."""
    spent: dict[str, float] = collections.defaultdict(float)
    inner = [0.0]

    def timed(stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            start = time.process_time()
            inner.append(0.0)
            result = call(*args)
            whole = time.process_time() - start
            spent[stage] += whole - inner.pop()
            inner[-1] += whole
            return result

        return run

    with contextlib.ExitStack() as stack:
        for stage, calls in STAGES.items():
            for owner, name in calls:
                call = timed(stage, getattr(owner, name))
                stack.enter_context(mock.patch.object(owner, name, call))
        yield spent


def main(grid: str, repeats: str) -> None:
    document, patches = _workspaces.grid(grid)
    before = _measure.peak_memory()

    def seconds() -> float:
        start = time.process_time()
        fitkit.grid(document, patches)
        return time.process_time() - start

    start = time.process_time()
    result = fitkit.grid(document, patches)
    cold = time.process_time() - start
    memory = _measure.peak_memory() - before
    warm = statistics.median(seconds() for _ in range(int(repeats)))
    gc.collect()  # or it falls into one of the stages, as often as not
    with staged() as spent:
        spent["rest"] = seconds() - sum(spent.values())
    observed, expected = (
        dict(zip(result.names, result[column].tolist(), strict=True))
        for column in ("cls", "cls_expected")
    )
    report = {
        "cold": cold,
        "warm": warm,
        "stages": spent,
        "memory": memory,
        "converged": bool(result.converged.all()),
        "observed": observed,
        "expected": expected,
    }
    print(json.dumps(report))


main(*sys.argv[1:])
