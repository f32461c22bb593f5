"""The soft histogram against relaxed 0.4.0 and NumPy's hard one.

float32 events, one process per side and size. Memory is what a process holds at most
above what it held before the first call.
"""

import os
import statistics
import sys

import _measure
import numpy as np

SIZES = [(10**4, 10), (10**5, 50), (10**6, 10), (10**6, 100)]
# relaxed 0.4.0 needs some 25 GB for 10⁶ x 1000: asked for with `--large`.
LARGE = [(10**6, 1000), (10**7, 10)]
ROUNDS = 3


def median(reports: list[dict], *path: str) -> float:
    def at(report: dict) -> float:
        for key in path:
            report = report[key]
        return report

    return statistics.median(map(at, reports))


def main() -> None:
    pythons = {"0.4.0": os.environ["RELAXED_040_PYTHON"], "ours": sys.executable}
    print(f"OPENBLAS_NUM_THREADS={os.environ.get('OPENBLAS_NUM_THREADS', 'default')}")
    rows = []
    for events, bins in SIZES + LARGE * ("--large" in sys.argv):
        reports = {side: [] for side in pythons}
        for _ in range(ROUNDS):
            for side, python in pythons.items():
                script = ("peers/soft_histogram.py", events, bins)
                reports[side].append(_measure.elsewhere(*script, python=python))
        counts = [reports[side][0]["counts"] for side in pythons]
        # float32 sums over events are good to about 1e-4, ours to better.
        np.testing.assert_allclose(*counts, rtol=2e-3)
        size = f"{events:.0e} x {bins}"
        hard = median(reports["ours"], "numpy", "warm")
        for what in ("forward", "gradient"):
            theirs, ours = reports["0.4.0"], reports["ours"]
            old, new = (median(side, what, "warm") for side in (theirs, ours))
            cold, memory = (median(ours, what, k) for k in ("cold", "memory"))
            needed = median(theirs, what, "memory")
            times = (1e3 * old, 1e3 * new, old / new, new / hard, cold)
            rows.append([size, what, *times, needed, memory])
    head = ["events x bins", "", "0.4.0 ms", "ours ms", "0.4.0/ours", "ours/numpy"]
    _measure.table([*head, "ours cold s", "0.4.0 MB", "ours MB"], rows)


main()
