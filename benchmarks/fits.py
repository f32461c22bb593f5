"""Fits of generated and published likelihoods: fitkit against pyhf's backends.

One process for each side and model. Warm is the median of repeats in that process; the
gradient is that of one best-fit parameter with respect to every template, over the time
of the same compiled fit. A side that needs longer than the limit is given up. evermore
fits the generated ones only, where `EVERMORE_PYTHON` names an interpreter that has it.

    fits.py [--limit SECONDS] [--minuit] [--threads 1|default] [MODEL ...]
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import _measure
import _workspaces

SIDES = {
    "numpy+scipy": ("peers/fit_pyhf.py", "numpy", "scipy"),
    "numpy+minuit": ("peers/fit_pyhf.py", "numpy", "minuit"),
    "jax+scipy": ("peers/fit_pyhf.py", "jax", "scipy"),
    "evermore": ("peers/fit_evermore.py",),
    "fitkit": ("peers/fit_fitkit.py",),
}
# A minimum that is so much too high is no fit: pyhf's minimiser may stop at its start.
FITTED = 0.1
THREADS = ("1", "default")
EVERMORE = os.environ.get("EVERMORE_PYTHON")


def measure(side: str, path: Path, limit: float) -> dict | None:
    """The report of one side, or None where it took too long."""
    script, *args = SIDES[side]
    repeats = 3 if side.startswith("numpy") else 15
    python = EVERMORE if side == "evermore" else sys.executable
    try:
        return _measure.elsewhere(
            script, *args, path, repeats, python=python, limit=limit
        )
    except subprocess.TimeoutExpired:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--limit", type=float, default=120.0)
    parser.add_argument("--minuit", action="store_true")
    parser.add_argument("--threads", choices=[*THREADS, "both"], default="both")
    options = parser.parse_args()
    sides = [side for side in SIDES if options.minuit or "minuit" not in side]
    documents = {name: _workspaces.generated(name) for name in _workspaces.SHAPES}
    documents |= dict(_workspaces.published())
    for threads in THREADS if options.threads == "both" else [options.threads]:
        os.environ.pop("OPENBLAS_NUM_THREADS", None)
        if threads == "1":
            os.environ["OPENBLAS_NUM_THREADS"] = "1"
        print(f"threads of the linear algebra of all sides: {threads}")
        compare(documents, sides, options.models or list(documents), options.limit)


def compare(
    documents: dict[str, dict], sides: list[str], names: list[str], limit: float
) -> None:
    rows, ratios = [], {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = Path(folder) / "workspace.json"
            path.write_text(json.dumps(documents[name]))
            reports = {
                side: measure(side, path, limit)
                for side in sides
                if side != "evermore" or (EVERMORE and name in _workspaces.SHAPES)
            }
            ours = reports["fitkit"]
            # evermore's fit is a program inside its user's `jit`: so is ours then.
            reports["fitkit in jit"] = {**ours, "warm": ours["jitted"]}
            for side, report in reports.items():
                if report is None:
                    rows.append([name, "", side, f"> {limit:g} s", *[""] * 7])
                    continue
                against = "jitted" if side in ("evermore", "fitkit in jit") else "warm"
                ratio = report["warm"] / ours[against]
                above = report.get("twice_nll", math.nan) - ours["twice_nll"]
                published = name not in _workspaces.SHAPES and ours["parameters"] > 60
                if side in ratios and published and above < FITTED:
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
                        "" if math.isnan(above) else above,
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
                f"parameters that it fits: geometric mean {mean:.3g}, least "
                f"{min(values):.3g}"
            )


_HEAD = ["model", "params", "side", "build ms", "cold ms", "warm ms", "/ ours"]
_HEAD += ["2NLL - ours", "MB", "steps", "grad / fit"]


def _print(rows: list[list]) -> None:
    _measure.table(_HEAD, rows)
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
