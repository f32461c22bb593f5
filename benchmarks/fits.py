"""Fits of generated and published likelihoods: fitkit against pyhf's backends.

One process for each side and model. Warm is the median of repeats in that process; the
gradient is that of one best-fit parameter with respect to every template, over the time
of the same compiled fit. A side that needs longer than the limit is given up.

    fits.py [--limit SECONDS] [--minuit] [MODEL ...]
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import _measure
import _workspaces

SIDES = {
    "numpy+scipy": ("peers/fit_pyhf.py", "numpy", "scipy"),
    "numpy+minuit": ("peers/fit_pyhf.py", "numpy", "minuit"),
    "jax+scipy": ("peers/fit_pyhf.py", "jax", "scipy"),
    "fitkit": ("peers/fit_fitkit.py",),
}


def measure(side: str, path: Path, limit: float) -> dict | None:
    """The report of one side, or None where it took too long."""
    script, *args = SIDES[side]
    slow = side.startswith("numpy")
    try:
        return _measure.elsewhere(script, *args, path, 3 if slow else 15, limit=limit)
    except subprocess.TimeoutExpired:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--limit", type=float, default=120.0)
    parser.add_argument("--minuit", action="store_true")
    options = parser.parse_args()
    sides = [side for side in SIDES if options.minuit or "minuit" not in side]
    documents = {name: _workspaces.generated(name) for name in _workspaces.SHAPES}
    documents |= dict(_workspaces.published())
    print(f"OPENBLAS_NUM_THREADS={os.environ['OPENBLAS_NUM_THREADS']}")
    rows, ratios = [], {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models or documents:
            path = Path(folder) / "workspace.json"
            path.write_text(json.dumps(documents[name]))
            reports = {side: measure(side, path, options.limit) for side in sides}
            ours = reports["fitkit"]
            for side, report in reports.items():
                if report is None:
                    rows.append([name, "", side, f"> {options.limit:g} s", *[""] * 7])
                    continue
                ratio = report["warm"] / ours["warm"]
                if name not in _workspaces.SHAPES and ours["parameters"] > 60:
                    ratios[side].append(ratio)
                rows.append(
                    [
                        name,
                        report["parameters"],
                        side,
                        1e3 * report["built"],
                        1e3 * report["cold"],
                        1e3 * report["warm"],
                        ratio,
                        report["twice_nll"] - ours["twice_nll"],
                        report["memory"],
                        report.get("steps", ""),
                        report.get("gradient", ""),
                    ]
                )
            _print(rows)
            rows = []
    for side, values in ratios.items():
        if values and side != "fitkit":
            mean = math.exp(sum(map(math.log, values)) / len(values))
            print(
                f"{side} / fitkit on the {len(values)} published models above 60 "
                f"parameters: geometric mean {mean:.3g}, least {min(values):.3g}"
            )


_HEAD = ["model", "params", "side", "build ms", "cold ms", "warm ms", "/ ours"]
_HEAD += ["2NLL - ours", "MB", "steps", "grad / fit"]


def _print(rows: list[list]) -> None:
    _measure.table(_HEAD, rows)
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
