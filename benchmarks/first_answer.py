"""The first answers of a fresh process that has never seen the model.

Fit, test with its band, upper limit with its band and ranking, one after the other,
each once: what a person at a prompt waits for. fitkit beside pyhf's default (NumPy and
SciPy; no ranking), nextstat (its test has no band) and cabinetry (fit and ranking).
Imports and reading stand apart. No side has a cache of compiled programs; a process
writes no bytecode but finds that of earlier ones, as an installed program does.

A cell is the processor's time, or the wall's: the median of the rounds. A sum's ratio
is to ours for the same questions. A peer whose process takes longer than the limit is
measured once. Then how far the answers are from ours.

    first_answer.py [--only NAME ...] [--limit SECONDS] [--rounds N]
                    [--threads 1|default]
"""

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import _measure
import _workspaces
import numpy as np
from _stages import Report, stages_of

import fitkit

SIDES = ("fitkit", "pyhf", "nextstat", "cabinetry")
STAGES = ("import", "read", "fit", "hypotest", "limit", "ranking")
ANSWERS = STAGES[2:]
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS")
# What one run of a session shares with the next, and a first answer does not find.
CACHES = ("JAX_COMPILATION_CACHE_DIR", "PYTHONDONTWRITEBYTECODE")

Sides = dict[str, list[dict[str, Report]]]


def environment(threads: str) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if k not in (*CACHES, *THREADS)}
    env["JAX_PLATFORMS"] = "cpu"
    return env | (dict.fromkeys(THREADS, "1") if threads == "1" else {})


def measured(path: Path, limit: float, rounds: int, env: dict[str, str]) -> Sides:
    """Every round's reports of each side, the sides taking turns."""
    found: Sides = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side, earlier in found.items():
            if earlier and "late" in earlier[0]:
                continue
            if earlier and sum(r["wall"] for r in earlier[0].values()) > limit:
                continue
            script = f"peers/first_{side}.py"
            earlier.append(stages_of(script, path, limit=limit, env=env))
    return found


def spent(reports: list[dict[str, Report]], stage: str, clock: str) -> float:
    """The median of the rounds in milliseconds; NaN where there is no answer."""
    times = [
        1e3 * each[stage][clock]
        for each in reports
        if stage in each and "failed" not in each[stage]
    ]
    return statistics.median(times) if times else math.nan


def cell(reports: list[dict[str, Report]], side: str, stage: str, clock: str) -> Any:
    """A time, or why there is none."""
    time = spent(reports, stage, clock)
    if not math.isnan(time):
        return time
    if any("failed" in each.get(stage, {}) for each in reports):
        return "failed"
    late = any("late" in each for each in reports)
    return "late" if late and stage in asked(side) else "-"


def asked(side: str) -> tuple[str, ...]:
    """The stages that a side has."""
    lacks = {"pyhf": ("ranking",), "cabinetry": ("hypotest", "limit")}
    return tuple(each for each in STAGES if each not in lacks.get(side, ()))


def times(name: str, sides: Sides, clock: str) -> Iterator[list[Any]]:
    for stage in STAGES:
        cells = [cell(reports, side, stage, clock) for side, reports in sides.items()]
        ours = spent(sides["fitkit"], stage, clock)
        ratios = [spent(sides[peer], stage, clock) / ours for peer in SIDES[1:]]
        yield [name, stage, *cells, *map(or_dash, ratios)]
    together = {side: total(sides, side, asked(side), clock) for side in SIDES}
    ratios = [
        together[peer] / total(sides, "fitkit", asked(peer), clock)
        for peer in SIDES[1:]
    ]
    yield [name, "sum", *map(or_dash, together.values()), *map(or_dash, ratios)]


def total(sides: Sides, side: str, stages: tuple[str, ...], clock: str) -> float:
    return sum(spent(sides[side], stage, clock) for stage in stages)


def or_dash(number: float) -> float | str:
    return "-" if math.isnan(number) else number


def answer(reports: list[dict[str, Report]]) -> dict[str, Any]:
    """Everything that a side's first process said."""
    return {k: v for r in reports[0].values() for k, v in r.get("answer", {}).items()}


def relative(ours: Any, theirs: Any) -> float:
    """The largest relative difference of some numbers; two zeros have none."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    with np.errstate(all="ignore"):
        apart = np.where(ours == theirs, 0.0, np.abs(theirs / ours - 1))
    return float(np.max(apart))


def of_impacts(ours: dict, theirs: dict, sigma: float) -> float:
    """The largest difference of impacts, in uncertainties of the parameter."""
    both = [name for name in ours if name in theirs]
    apart = [np.subtract(ours[name], theirs[name]) for name in both]
    return float(np.nanmax(np.abs(apart)) / sigma) if both else math.nan


def differences(name: str, sides: Sides) -> Iterator[list[Any]]:
    ours = answer(sides["fitkit"])
    for peer in SIDES[1:]:
        theirs = answer(sides[peer])
        compared: list[Any] = []
        for key, difference in _COMPARED.items():
            here = key in ours and key in theirs
            compared.append(difference(ours[key], theirs[key]) if here else "-")
        here = "impacts" in ours and "impacts" in theirs
        impacts = (ours["impacts"], theirs["impacts"], ours["sigma"]) if here else None
        yield [name, peer, *compared, of_impacts(*impacts) if impacts else "-"]


_COMPARED: dict[str, Callable[[Any, Any], float]] = {
    "twice_nll": lambda ours, theirs: theirs - ours,
    "cls": relative,
    "band": relative,
    "limit": relative,
    "limits": relative,
}


def faults(name: str, sides: Sides) -> Iterator[str]:
    """A sentence for each answer that did not come."""
    for side, reports in sides.items():
        for stage, report in reports[0].items():
            if "failed" in report:
                yield f"{name}, {side}: {stage} failed: {report['failed']}"


def documents() -> dict[str, Callable[[], dict]]:
    """The models, made when they are asked for."""
    folder = _workspaces.DATA / "likelihoods"

    def single(path: str) -> Callable[[], dict]:
        return lambda: json.loads((folder / path).read_text())

    return {
        "GammaGamma_Higgs": single("small/GammaGamma_Higgs.json"),
        "agc_ttbar": single("measurements/agc_ttbar.json"),
        # The best fit of most points is on its bound, where nothing has an impact.
        "sbottom A": lambda: _workspaces.sbottom("550_545_60"),
        "atlas_1Lbb_700_400": single("measurements/atlas_1Lbb_700_400.json"),
        "atlas_ttZ_4l": single("measurements/atlas_ttZ_4l.json"),
        **{
            name: lambda name=name: _workspaces.generated(name)
            for name in ("S", "M", "L")
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="*", default=[], help="models to measure")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds per cell")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each side")
    parser.add_argument("--threads", choices=["1", "default"], default="1")
    options = parser.parse_args()
    known = documents()
    if unknown := set(options.only) - set(known):
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    print(f"threads of the linear algebra of all sides: {options.threads}")
    env, apart, sentences = environment(options.threads), [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only or known:
            try:
                document = known[name]()
            except (FileNotFoundError, fitkit.WorkspaceError) as error:
                print(f"{name}: skipped: {error}")
                continue
            path = Path(folder) / "workspace.json"
            path.write_text(json.dumps(document))
            sides = measured(path, options.limit, options.rounds, env)
            for clock, what in (("cpu", "processor"), ("wall", "wall")):
                head = ["model", f"{what} ms", *SIDES]
                head += [f"{peer} / ours" for peer in SIDES[1:]]
                _measure.table(head, list(times(name, sides, clock)))
                print(flush=True)
            apart += differences(name, sides)
            sentences += faults(name, sides)
    print(
        f"late: not there after {options.limit:g} s. How far the answers are from ours:"
    )
    head = ["model", "peer", "2NLL - ours", "CLs", "band", "limit", "limit band"]
    _measure.table([*head, "impacts"], apart)
    print(
        "CLs, limits and bands: relative; impacts: in uncertainties of the parameter."
    )
    print(*sentences, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
