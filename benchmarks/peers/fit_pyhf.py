"""Fit one workspace with pyhf, in this process; prints JSON.

Usage: fit_pyhf.py BACKEND OPTIMIZER WORKSPACE REPEATS
"""

import json
import sys
import time
from pathlib import Path

import pyhf

sys.path.insert(0, str(Path(__file__).parents[1]))
import _measure


def main(backend: str, optimizer: str, path: str, repeats: str) -> None:
    document = json.loads(Path(path).read_text())
    before = _measure.peak_memory()
    # 1e-3 of its default tolerance would cost it steps: its own default it is.
    pyhf.set_backend(backend, optimizer)
    start = time.perf_counter()
    workspace = pyhf.Workspace(document)
    model = workspace.model()
    data = workspace.data(model)
    built = time.perf_counter() - start

    def fit():
        return pyhf.infer.mle.fit(data, model, return_fitted_val=True)

    start = time.perf_counter()
    _, value = fit()
    cold = time.perf_counter() - start
    warm = []
    for _ in range(int(repeats)):
        start = time.perf_counter()
        _, value = fit()
        warm.append(time.perf_counter() - start)
    report = {
        "built": built,
        "cold": cold,
        "warm": sorted(warm)[len(warm) // 2] if warm else None,
        "twice_nll": float(value),
        "parameters": model.config.npars,
        "memory": _measure.peak_memory() - before,
    }
    print(json.dumps(report))


main(*sys.argv[1:])
