"""CLs and band of some points of a grid with pyhf as it comes; prints JSON.

Usage: grid_pyhf.py GRID NAME ...
"""

import json
import sys
import time
from pathlib import Path

import pyhf

sys.path.insert(0, str(Path(__file__).parents[1]))
import _measure
import _workspaces


def main(grid: str, *names: str) -> None:
    document, patches = _workspaces.grid(grid)
    before = _measure.peak_memory()
    reading = fitting = 0.0
    observed, expected = {}, {}
    for name in names:
        start = time.perf_counter()
        workspace = pyhf.Workspace(document)
        model = workspace.model(patches=[patches[name]])
        data = workspace.data(model)
        read = time.perf_counter()
        cls, band = pyhf.infer.hypotest(1.0, data, model, return_expected_set=True)
        reading += read - start
        fitting += time.perf_counter() - read
        observed[name], expected[name] = float(cls), [float(each) for each in band]
    report = {
        "reading": reading / len(names),
        "fitting": fitting / len(names),
        "memory": _measure.peak_memory() - before,
        "observed": observed,
        "expected": expected,
    }
    print(json.dumps(report))


main(*sys.argv[1:])
