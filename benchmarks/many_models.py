"""Does a process that fits many models keep anything of them?

Fits and tests models of different shapes, one after the other, in one process on NumPy:
no two have the same number of channels, bins and systematics. Prints, at the begin, in
the middle and at the end, how many models a second (of the processor) it fitted since
the line before, the memory it holds and the number of its memory maps, of which Linux
gives a process 65 530: programs that stay compiled take some each.

    many_models.py [--models N]
"""

import argparse
import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from _measure import table
from _workspaces import workspace

import fitkit


def shapes() -> Iterator[tuple[int, int, int, int]]:
    """Channels, bins in each, normsys, histosys: all different, small ones first."""
    for size in itertools.count(1):
        for channels in range(1, size + 1):
            for bins in range(4, 4 + size):
                for normsys in range(size):
                    histosys = size - 1 - normsys
                    yield channels, bins, normsys, histosys


def held() -> list[object]:
    """MB of this process in memory, and the number of its maps."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    maps = Path("/proc/self/maps").read_text().count("\n")
    return [int(line.split()[1]) / 1024, maps]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=500)
    options = parser.parse_args()
    rows = [[0, "", "", *held()]]
    marks = {min(10, options.models), options.models // 2, options.models}
    failed, since, spent = [], 0, 0.0
    for number, shape in enumerate(itertools.islice(shapes(), options.models), 1):
        model, data = fitkit.read_workspace(workspace(*shape))
        start = time.process_time()
        found = fitkit.fit(model, data, throw=False)
        test = fitkit.hypotest(model, data, 1.0, throw=False)
        spent += time.process_time() - start
        if not (found.converged and test.converged):
            failed.append(f"{shape}: a fit did not converge")
        if number in marks:
            size = found.y.size
            rows.append([number, size, (number - since) / spent, *held()])
            since, spent = number, 0.0
    table(["models", "params", "models / s", "MB", "maps"], rows)
    print(*failed, sep="\n")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
