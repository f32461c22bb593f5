"""Fit one workspace with nextstat, in this process; prints JSON.

Usage: fit_nextstat.py WORKSPACE REPEATS
"""

import json
import statistics
import sys
import time
from pathlib import Path

import nextstat

sys.path.insert(0, str(Path(__file__).parents[1]))
import _measure


def main(path: str, repeats: str) -> None:
    text = Path(path).read_text()
    before = _measure.peak_memory()
    start = time.perf_counter()
    model = nextstat.from_pyhf(text)
    built = time.perf_counter() - start
    times = []
    for _ in range(1 + int(repeats)):
        start = time.perf_counter()
        result = nextstat.fit(model)
        times.append(time.perf_counter() - start)
    report = {
        "built": built,
        "cold": times[0],
        "warm": statistics.median(times[1:]),
        "twice_nll": float(result.twice_nll),
        "parameters": model.n_params(),
        "memory": _measure.peak_memory() - before,
        "steps": result.n_iter,
    }
    print(json.dumps(report))


main(*sys.argv[1:])
