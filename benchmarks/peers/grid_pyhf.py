"""CLs and band of some points of a grid with pyhf; prints JSON.

Timed as it comes, in seconds of the processor; the answers are those of its fits to a
tolerance of 1e-12, which are not timed.

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
    # Where CLs is 1e-17 its default tolerance costs the third digit.
    default, exact = pyhf.optimizer, pyhf.optimize.scipy_optimizer(tolerance=1e-12)
    for name in names:
        start = time.process_time()
        workspace = pyhf.Workspace(document)
        model = workspace.model(patches=[patches[name]])
        data = workspace.data(model)
        read = time.process_time()
        pyhf.infer.hypotest(1.0, data, model, return_expected_set=True)
        reading += read - start
        fitting += time.process_time() - read
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
