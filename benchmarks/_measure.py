"""How every benchmark measures: side by side, cold and warm, in fresh processes."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

Call = Callable[[], Any]


class Times(NamedTuple):
    """Seconds of the first call, and the median of the later ones."""

    cold: float
    warm: float


def seconds(call: Call) -> float:
    """Wall time of one call, its result waited for."""
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def side_by_side(calls: Mapping[str, Call], repeats: int = 15) -> dict[str, Times]:
    """Times of each call; the repeats take turns, so that noise hits all alike."""
    cold = {name: seconds(call) for name, call in calls.items()}
    warm = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            warm[name].append(seconds(call))
    return {name: Times(cold[name], statistics.median(warm[name])) for name in calls}


def peak_memory() -> float:
    """MB that this process has held at most, by the kernel's own count.

    `VmHWM` starts anew with each program; `ru_maxrss` inherits the parent's.
    """
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def elsewhere(
    script: str | Path,
    *args: object,
    python: str = sys.executable,
    limit: float | None = None,
) -> dict[str, Any]:
    """What a script prints as JSON on its last line, run in a fresh process.

    Args:
        script: path beside this file.
        args: its command line.
        python: the interpreter; another environment's, for a peer that shares our name.
        limit: after so many seconds it is ended, with `subprocess.TimeoutExpired`.
    """
    path = Path(__file__).parent / script
    command = [python, str(path), *map(str, args)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, timeout=limit
    )
    return json.loads(done.stdout.splitlines()[-1])


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print aligned columns; floats with three significant digits.

    The driver, which names a file in `BENCH_TABLES`, gets the numbers themselves.
    """
    if file := os.environ.get("BENCH_TABLES"):
        with Path(file).open("a") as lines:
            kept = {"head": list(head), "rows": [list(row) for row in rows]}
            print(json.dumps(kept, default=str), file=lines)
    cells = [[f"{x:.3g}" if isinstance(x, float) else str(x) for x in r] for r in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    for row in (head, *cells):
        print("  ".join(x.rjust(width) for x, width in zip(row, widths, strict=True)))
