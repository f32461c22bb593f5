"""Fits of generated and published likelihoods: fitkit against its peers.

fitkit twice: on NumPy, as it comes, and compiled by the user's `jax.jit`. One process
for each side and model. Cold is the first fit of the process, compilation included;
warm the median of repeats in that process; the gradient is that of one best-fit
parameter with respect to every template, over the time of the same compiled fit. A side
that needs longer than the limit is given up. evermore fits the generated ones only,
where `EVERMORE_PYTHON` names an interpreter that has it.

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

NUMPY, JIT = "fitkit on NumPy", "fitkit in jit"
SIDES = {
    "pyhf numpy+scipy": ("peers/fit_pyhf.py", "numpy", "scipy"),
    "pyhf numpy+minuit": ("peers/fit_pyhf.py", "numpy", "minuit"),
    "pyhf jax+scipy": ("peers/fit_pyhf.py", "jax", "scipy"),
    "evermore": ("peers/fit_evermore.py",),
    "nextstat": ("peers/fit_nextstat.py",),
    NUMPY: ("peers/fit_fitkit.py", "numpy"),
    JIT: ("peers/fit_fitkit.py", "jit"),
}
# A minimum that is so much too high is no fit: pyhf's minimiser may stop at its start.
FITTED = 0.1
THREADS = ("1", "default")
VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS")
EVERMORE = os.environ.get("EVERMORE_PYTHON")


def measure(side: str, path: Path, limit: float) -> dict | None:
    """The report of one side, or None where it took too long."""
    script, *args = SIDES[side]
    repeats = 3 if side.startswith("pyhf numpy") else 15
    python = EVERMORE if side == "evermore" else sys.executable
    try:
        return _measure.elsewhere(
            script, *args, path, repeats, python=python, limit=limit
        )
    except subprocess.TimeoutExpired:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*")
    parser.add_argument("--limit", type=float, default=120.0)
    parser.add_argument("--minuit", action="store_true")
    parser.add_argument("--threads", choices=[*THREADS, "both"], default="both")
    options = parser.parse_args()
    sides = [side for side in SIDES if options.minuit or "minuit" not in side]
    documents = {name: _workspaces.generated(name) for name in _workspaces.SHAPES}
    documents |= dict(_workspaces.published())
    for threads in THREADS if options.threads == "both" else [options.threads]:
        for variable in VARIABLES:
            os.environ.pop(variable, None)
            if threads == "1":
                os.environ[variable] = "1"
        print(f"threads of all sides: {threads}")
        compare(documents, sides, options.models or list(documents), options.limit)


def compare(
    documents: dict[str, dict], sides: list[str], names: list[str], limit: float
) -> None:
    ratios = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = Path(folder) / "workspace.json"
            path.write_text(json.dumps(documents[name]))
            reports = {
                side: measure(side, path, limit)
                for side in sides
                if side != "evermore" or (EVERMORE and name in _workspaces.SHAPES)
            }
            ours = [reports[side] or {} for side in (NUMPY, JIT)]
            rows = []
            for side, report in reports.items():
                if report is None:
                    rows.append([name, "", side, f"> {limit:g} s", *[""] * 8])
                    continue
                both = [report["warm"] / each.get("warm", math.nan) for each in ours]
                above = report.get("twice_nll", math.nan)
                above -= ours[0].get("twice_nll", math.nan)
                large = name not in _workspaces.SHAPES and report["parameters"] > 60
                if large and above < FITTED:
                    ratios[side].append(both)
                rows.append(
                    [
                        name,
                        report["parameters"],
                        side,
                        1e3 * report["built"],
                        1e3 * report["cold"],
                        1e3 * report["warm"],
                        *both,
                        "" if math.isnan(above) else above,
                        report["memory"],
                        report.get("steps", ""),
                        report.get("gradient", ""),
                    ]
                )
            _measure.table(_HEAD, rows)
            print(flush=True)
    for side, pairs in ratios.items():
        if not pairs or side == NUMPY:
            continue
        said = [
            f"/ {ours}: geometric mean {geometric_mean(column):.3g}, least "
            f"{min(column):.3g}"
            for ours, column in zip((NUMPY, JIT), zip(*pairs, strict=True), strict=True)
        ]
        print(
            f"{side} {'; '.join(said)} ({len(pairs)} published models above 60 "
            "parameters that it fits)"
        )


def geometric_mean(values: tuple[float, ...]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


_HEAD = ["model", "params", "side", "build ms", "cold ms", "warm ms"]
_HEAD += ["/ NumPy", "/ jit", "2NLL - ours", "MB", "steps", "grad / fit"]


if __name__ == "__main__":
    sys.exit(main())
