"""A whole process: read, build, fit and print one workspace, against pyhf's command.

fitkit's caches, of compiled and of traced programs, are warm, as from the second call
on; the first one, which fills them, stands beside. Both sides import compiled
bytecode, as an installed program does, whatever this process's environment says.

    cold.py [MODEL ...]
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _measure
import _workspaces

OURS = Path(__file__).parent / "peers" / "cold_fitkit.py"
ROUNDS = 5


def seconds(command: list[str]) -> float:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=env)
    return time.perf_counter() - start


def main() -> None:
    documents = {name: _workspaces.generated(name) for name in ("S", "M")}
    documents |= dict(_workspaces.published())
    pyhf = str(Path(sys.executable).with_name("pyhf"))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or documents:
            path = Path(folder) / "workspace.json"
            path.write_text(json.dumps(documents[name]))
            cache = str(Path(folder) / f"cache-{name}")
            ours = [sys.executable, str(OURS), str(path), cache]
            theirs = [pyhf, "fit", "--value", str(path)]
            first = seconds(ours)
            seconds(theirs)
            times = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
            mine, peer = map(statistics.median, zip(*times, strict=True))
            rows.append([name, first, mine, peer, mine / peer])
    head = ["model", "first s", "fitkit s", "pyhf fit s", "fitkit / pyhf"]
    _measure.table(head, rows)


main()
