"""The soft histogram against relaxed 0.4.0, NumPy's hard one and boost-histogram's.

relaxed 0.4.0 twice: as an index installs it, with the newest jax that it admits, and
with the jax of this environment, under which it may be much faster.

float32 events, bandwidth a quarter of a bin, one process per side, size and round, the
sides taking turns. A number is the least of the rounds, as other work on the machine
only adds to it; the call's time is a median in its process. Usage: histogram.py
[--quick] [EVENTSxBINS ...], for example 1000000x10; all sizes by default, one round in
place of five with `--quick`. Memory is XLA's count of what a call allocates; `peak`
that of the process, with its compiler.
"""

import os
import sys

import _measure
import numpy as np

# relaxed 0.4.0 holds several times events x bins numbers: beyond this it needs more
# than 8 GB.
MOST_FOR_PEER = 2 * 10**8
SIZES = [
    *((10**4, bins) for bins in (5, 10, 100, 1000)),
    *((10**5, bins) for bins in (10, 50, 1000)),
    *((10**6, bins) for bins in (5, 10, 100, 1000)),
    (999_983, 10),  # a prime number of events
    *((10**7, bins) for bins in (5, 10, 100, 1000)),
]
PLANES = [(10**5, "50x50"), (10**6, "50x50")]
ROUNDS = 1 if "--quick" in sys.argv else 5

PEERS = {"0.4.0": "RELAXED_040_PYTHON", "our jax": "RELAXED_040_OUR_JAX_PYTHON"}
HEAD = ["events x bins", "", "0.4.0 ms", "our jax ms", "ours ms", "0.4.0/ours"]
HEAD += ["our jax/ours", "ours/numpy", "ours/boost", "0.4.0 compile s"]
HEAD += ["ours compile s", "0.4.0 MB", "our jax MB", "ours MB", "0.4.0/ours"]
HEAD += ["our jax/ours", "0.4.0 peak", "ours peak"]


def least(reports: list[dict], *path: str) -> float:
    """The least of the rounds, NaN if this side could not run."""
    if not reports:
        return float("nan")

    def at(report: dict) -> float:
        for key in path:
            report = report[key]
        return report

    return min(map(at, reports))


def measured(events: int, bins: int | str) -> list[list]:
    """The two rows of one size."""
    pythons = {"ours": sys.executable}
    if not isinstance(bins, str) and events * bins <= MOST_FOR_PEER:
        pythons |= {peer: os.environ[name] for peer, name in PEERS.items()}
    reports = {side: [] for side in ("ours", *PEERS)}
    for _ in range(ROUNDS if events < 10**7 else 2):
        for side, python in pythons.items():
            script = ("peers/soft_histogram.py", events, bins)
            reports[side].append(_measure.elsewhere(*script, python=python))
    ours, *both = reports.values()
    for theirs in filter(None, both):
        # Sums in float32 are good to 1e-3 at 10⁷ events; ours to better.
        counts = ours[0]["counts"], theirs[0]["counts"]
        np.testing.assert_allclose(*counts, rtol=5e-3, atol=1)
    rows = []
    for what in ("forward", "gradient"):
        *old, new = (1e3 * least(side, what, "warm") for side in (*both, ours))
        hard = [1e3 * least(ours, "hard", name) for name in ("numpy", "boost")]
        compiling = [least(side, what, "compile") for side in (both[0], ours)]
        *held, holds = (least(side, what, "memory") for side in (*both, ours))
        times = [*old, new, *(each / new for each in old), *(new / h for h in hard)]
        memory = [*held, holds, *(each / holds for each in held)]
        peak = [least(side, "peak") for side in (both[0], ours)]
        size = f"{events:g} x {bins}"
        rows.append([size, what, *times, *compiling, *memory, *peak])
    return rows


def main() -> None:
    print(f"OPENBLAS_NUM_THREADS={os.environ.get('OPENBLAS_NUM_THREADS', 'default')}")
    named = [tuple(arg.split("x", 1)) for arg in sys.argv[1:] if arg != "--quick"]
    asked = [(int(n), b if "x" in b else int(b)) for n, b in named]
    rows = [row for size in asked or SIZES + PLANES for row in measured(*size)]
    _measure.table(HEAD, rows)


main()
