"""Does every published likelihood fit? From the nominal start, nothing tuned.

Fits every model in the folder of published likelihoods (`--data`, or the environment
variable `NEOSKIT_TEST_DATA`; `README.md` says where the files come from) with default
settings, and asks of each fit: did it converge, to an EDM below 1e-6, in at most 30
steps, to a minimum that is not above the recorded one, and what was compiled on the
way. Prints a table; the exit status is 1 where anything fails, with the names.

`--starts N` fits each model again from N scattered starts and notes where a lower
minimum exists, which no fit from the nominal start is asked to find.
"""

import argparse
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
from _measure import table

import fitkit

_DEFAULT = Path(__file__).resolve().parents[1].parent / "shared" / "data"
_LARGEST_EDM = 1e-6
_MOST_STEPS = 30
# What a fit may lie above a recorded minimum: those of 3LRJR were computed with forty
# digits, the others are the better of two minimisers' results.
_RECORDED, _EXACT = 1e-4, 1e-6
# Signal points differ in the modifiers of their signal; a model of the background alone
# may have a shape of its own.
_MOST_COMPILATIONS = {"sbottom A": 2, "1Lbb simplified": 2}


class Case(NamedTuple):
    """One model to fit.

    Attributes:
        name: for messages.
        document: decoded, or its path.
        patch: the signal point, or None.
        minimum: the recorded -2 log L, or None.
        tolerance: by how much a fit may lie above it.
    """

    name: str
    document: Any
    patch: Any = None
    minimum: float | None = None
    tolerance: float = _RECORDED


class Outcome(NamedTuple):
    """What one fit gave."""

    name: str
    converged: bool
    edm: float
    steps: int
    excess: float | None
    tolerance: float
    seconds: float
    lower: float
    unique: bool

    @property
    def faults(self) -> str:
        """What is wrong with it, empty if nothing."""
        rules = {
            "not converged": not self.converged,
            f"EDM {self.edm:.1e}": not self.edm < _LARGEST_EDM,
            f"{self.steps} steps": self.steps > _MOST_STEPS,
        }
        if self.excess is not None:
            above = not self.excess <= self.tolerance
            rules[f"{self.excess:.1e} above the recorded minimum"] = above
        return ", ".join(rule for rule, broken in rules.items() if broken)


class Compilations(logging.Handler):
    """Counts the fits that jax compiles."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        self.count += message.startswith("Compiling ") and "minimise" in message


def counting() -> Compilations:
    """Install the counter."""
    counter, logger = Compilations(), logging.getLogger("jax")
    logger.addHandler(counter)
    logger.propagate = False
    jax.config.update("jax_log_compiles", True)
    return counter


def decoded(path: Path) -> Any:
    return json.loads(path.read_bytes())


def recorded(folder: Path) -> dict[tuple[str, str, str | None], float]:
    """The lower of two minimisers' -2 log L, by place, file and patch."""
    return {
        (entry["where"], entry["file"], entry["patch"]): min(
            fit["twice_nll"]
            for fit in (entry["fit_scipy"], entry["fit_minuit"])
            if "twice_nll" in fit
        )
        for entry in decoded(folder / "reference_pyhf.json").values()
    }


def groups(folder: Path) -> dict[str, Callable[[], Iterable[Case]]]:
    """The models by analysis, made when they are asked for."""
    likelihoods, known = folder / "likelihoods", recorded(folder)

    def sbottom(region: str) -> Iterator[Case]:
        path = "likelihoods/sbottom_SUSY-2018-31.tar.gz"
        archive = fitkit.read_archive(folder / path)
        file = f"Region{region}/BkgOnly.json"
        background = archive[file]
        yield Case(file, background)
        for name in sorted(archive):
            if name.startswith(f"Region{region}/patch."):
                minimum = known.get((path, file, name))
                yield Case(name, background, archive[name], minimum)

    def patchset(name: str, minima: Mapping[str, float], tolerance: float):
        background = decoded(likelihoods / name / "BkgOnly.json")
        yield Case("BkgOnly", background, None, minima.get("BkgOnly"), tolerance)
        # The digest of one published patch set is that of an older document.
        for patch in fitkit.read_patchset(likelihoods / name / "patchset.json"):
            yield Case(patch.name, background, patch, minima.get(patch.name), tolerance)

    def single(*folders: str) -> Iterator[Case]:
        for name in folders:
            for path in sorted((likelihoods / name).glob("*.json")):
                minimum = known.get((f"likelihoods/{name}", path.name, None))
                yield Case(path.stem, path, None, minimum)

    exact = {
        name: entry["twice_nll_free"]
        for name, entry in decoded(likelihoods / "3LRJR/reference_true.json").items()
    }
    return {
        "sbottom A": lambda: sbottom("A"),
        "sbottom B": lambda: sbottom("B"),
        "sbottom C": lambda: sbottom("C"),
        "3LRJR": lambda: patchset("3LRJR", exact, _EXACT),
        "1Lbb simplified": lambda: patchset("1Lbb_simplified", {}, _RECORDED),
        "background only": lambda: single("bkgonly"),
        "measurements": lambda: single("measurements"),
        "small": lambda: single("small"),
    }


def outcome(case: Case, starts: int) -> Outcome:
    """Read and fit one model, with default settings."""
    with warnings.catch_warnings():  # background-only documents have no POI
        warnings.simplefilter("ignore", UserWarning)
        model, data = fitkit.read_workspace(case.document, patch=case.patch)
    start = time.perf_counter()
    found = jax.block_until_ready(fitkit.fit(model, data, throw=False))
    seconds = time.perf_counter() - start
    value = float(found.twice_nll)
    lower = 0.0
    if starts:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fitkit.AnotherMinimumWarning)
            minima = fitkit.fit_from_many_starts(model, data, starts=starts)
        lower = value - float(minima.best.twice_nll)
    return Outcome(
        name=case.name,
        converged=bool(found.converged),
        edm=float(found.edm),
        steps=int(found.steps),
        excess=None if case.minimum is None else value - case.minimum,
        tolerance=case.tolerance,
        seconds=seconds,
        lower=lower,
        unique=bool(found.unique),
    )


def row(
    group: str, outcomes: list[Outcome], compiled: int, starts: int
) -> tuple[object, ...]:
    excesses = [each.excess for each in outcomes if each.excess is not None]
    warm = sorted(each.seconds for each in outcomes)[len(outcomes) // 2]
    return (
        group,
        len(outcomes),
        sum(each.converged for each in outcomes),
        max(each.edm for each in outcomes),
        sorted(each.steps for each in outcomes)[len(outcomes) // 2],
        max(each.steps for each in outcomes),
        f"{max(excesses):+.1e} ({len(excesses)})" if excesses else "-",
        *([max(each.lower for each in outcomes)] if starts else []),
        sum(not each.unique for each in outcomes),
        compiled,
        1e3 * warm,
    )


def main() -> int:
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("NEOSKIT_TEST_DATA", _DEFAULT)),
        help="the folder that holds `likelihoods` (default: %(default)s)",
    )
    parser.add_argument("--only", help="groups whose name contains this")
    parser.add_argument("--starts", type=int, default=0, help="scattered starts each")
    args = parser.parse_args()
    if not (args.data / "likelihoods").is_dir():
        print(
            f"no published likelihoods at {args.data}: give `--data` or set "
            "NEOSKIT_TEST_DATA"
        )
        return 2
    counter, rows, faults, notes = counting(), [], [], []
    for group, cases in groups(args.data).items():
        if args.only and args.only not in group:
            continue
        before, outcomes = counter.count, []
        for case in cases():
            outcomes.append(outcome(case, args.starts))
            if outcomes[-1].faults:
                faults.append(f"{group}, {case.name}: {outcomes[-1].faults}")
            if outcomes[-1].lower > case.tolerance:
                lower = f"another minimum is lower by {outcomes[-1].lower:.3g}"
                notes.append(f"{group}, {case.name}: {lower}")
        compiled = counter.count - before
        print(f"{group}: {len(outcomes)} models", file=sys.stderr, flush=True)
        rows.append(row(group, outcomes, compiled, args.starts))
        most = _MOST_COMPILATIONS.get(group, len(outcomes))
        if compiled > most and not args.starts:
            faults.append(f"{group}: {compiled} compilations, more than {most}")
    head = ["likelihoods", "models", "converged", "largest EDM", "steps", "most steps"]
    head += ["above record (of)", *(["gain of starts"] if args.starts else [])]
    table([*head, "undetermined", "compiled", "ms per fit"], rows)
    print(f"\n{sum(int(r[1]) for r in rows)} models, {len(faults)} faults")
    print(*faults, *notes, sep="\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
