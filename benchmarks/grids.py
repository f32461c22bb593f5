"""CLs, observed with its band, of every signal point of two published analyses.

The 125 points of the simplified 1Lbb likelihood and the 217 of region A of the sbottom
search: `fitkit.grid` on all of them against pyhf's default (numpy and scipy), which
fits a sample of the same points, drawn with the seed below, or all of them on request
(an hour). fitkit begins on NumPy and compiles by itself where that is sooner; cold is
the first call of its process, warm the median of later ones. One process for each side;
seconds are those of the processor. No time is printed before the answers agree with
those of pyhf at a tolerance of 1e-12, which takes no part in its time.

    grids.py [--sample N | --all] [--repeats N] [GRID ...]
"""

import argparse
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import _measure
import _workspaces
import numpy as np

SEED = 0
# Points that pyhf fits: it takes 0.04 and 3 seconds for each, and twice that for those
# that answers are compared with.
SAMPLES = {"1Lbb": 25, "sbottom A": 6}
# Times faster, reading included: what we aim at.
AIM = 100
# Relative, no absolute part: the smallest of these numbers are 1e-23.
OBSERVED, EXPECTED = 2e-5, 2e-4


def drawn(names: list[str], sample: int) -> list[str]:
    """A seeded sample of the points, in their order."""
    rng = np.random.default_rng(SEED)
    chosen = rng.choice(len(names), min(sample, len(names)), replace=False)
    return [names[i] for i in sorted(chosen)]


def disagreements(ours: dict, theirs: dict) -> list[str]:
    """The points whose answers differ, with both."""
    found = []
    for column, tolerance in (("observed", OBSERVED), ("expected", EXPECTED)):
        for name, wanted in theirs[column].items():
            if not np.allclose(ours[column][name], wanted, rtol=tolerance, atol=0):
                found.append(f"{name} {column}: {ours[column][name]}, pyhf {wanted}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("grids", nargs="*", default=list(_workspaces.GRIDS))
    sample = parser.add_mutually_exclusive_group()
    sample.add_argument("--sample", type=int)
    sample.add_argument("--all", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if not _workspaces.there():
        return 0
    print(f"OPENBLAS_NUM_THREADS={os.environ['OPENBLAS_NUM_THREADS']}")
    rows, stages, wrong = [], [], []
    for grid in options.grids:
        names = list(_workspaces.grid(grid)[1])
        sample = options.sample or SAMPLES[grid]
        chosen = names if options.all else drawn(names, sample)
        theirs = _measure.elsewhere("peers/grid_pyhf.py", grid, *chosen)
        ours = _measure.elsewhere("peers/grid_fitkit.py", grid, options.repeats)
        differ = disagreements(ours, theirs)
        if differ or not ours["converged"]:
            wrong += [f"{grid}: {each}" for each in differ or ["not all converged"]]
            continue
        count, spent = len(names), ours["stages"]
        reads, fits = count * theirs["reading"], count * theirs["fitting"]
        timed = {
            "cold": (ours["cold"], reads + fits),
            "warm": (ours["warm"], reads + fits),
            "warm, fits alone": (
                ours["warm"] - spent["reading"] - spent["building"],
                fits,
            ),
        }
        rows += [
            [grid, what, mine, peer, peer / mine]
            for what, (mine, peer) in timed.items()
        ]
        rows.append([grid, "MB", ours["memory"], theirs["memory"], ""])
        stages.append([grid, *(1e3 * each / count for each in spent.values())])
        print(f"{grid}: {count} points; pyhf: {count} x the mean of {len(chosen)}")
    _measure.table(["grid", "", "fitkit s", "pyhf s", "pyhf / fitkit"], rows)
    print(f"Aim: {AIM} x, warm. Where fitkit's time goes, ms for each point:")
    _measure.table(["grid", "reading", "building", "fits", "rest"], stages)
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
