"""A whole process: read, build, fit and print one workspace, against pyhf's command.

Ours twice: as a script of four lines, and as `fitkit fit`. Nothing is cached: each
process is as the first. All import compiled bytecode, as an installed program does,
whatever this process's environment says. Seconds of the processor and of the wall, the
median of the rounds, the sides taking turns.

    cold.py [--rounds N] [MODEL ...]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _measure
import _workspaces

SCRIPT = Path(__file__).parent / "peers" / "cold_fitkit.py"


def seconds(command: list[str]) -> tuple[float, float]:
    """The processor's and the wall's, of one process."""
    hidden = ("PYTHONDONTWRITEBYTECODE", "JAX_COMPILATION_CACHE_DIR")
    env = {k: v for k, v in os.environ.items() if k not in hidden}

    def spent() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    cpu, wall = spent(), time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=env)
    return spent() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    documents = {name: _workspaces.generated(name) for name in ("S", "M")}
    documents |= dict(_workspaces.published())
    installed = Path(sys.executable).parent
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "workspace.json")
        sides = {
            "script": [sys.executable, str(SCRIPT), path],
            "fitkit fit": [str(installed / "fitkit"), "fit", path],
            "pyhf fit": [str(installed / "pyhf"), "fit", "--value", path],
        }
        for name in options.models or documents:
            Path(path).write_text(json.dumps(documents[name]))
            times = {side: [] for side in sides}
            for _ in range(options.rounds):
                for side, command in sides.items():
                    times[side].append(seconds(command))
            for clock, what in enumerate(("processor", "wall")):
                medians = [
                    statistics.median(each[clock] for each in times[side])
                    for side in sides
                ]
                ratios = [mine / medians[-1] for mine in medians[:-1]]
                rows.append([name, what, *medians, *ratios])
    head = ["model", "seconds", *sides, "script / pyhf", "fitkit fit / pyhf"]
    _measure.table(head, rows)


main()
