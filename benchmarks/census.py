"""Does every published likelihood fit? From the nominal start, nothing tuned.

Fits every model in the folder of published likelihoods (`--data`, or the environment
variable `NEOSKIT_TEST_DATA`; `README.md` says where the files come from) on NumPy:

- freely: did it converge, to an EDM below 1e-6, in at most 30 steps, to a minimum that
  is not above the recorded one;
- with the parameter of interest at 0, 1/2, 1, 2, 5, 10, 50 and at the upper limit;
- all the same to the Asimov data of no signal.

The free fits then on the compiled engine, one program for each shape: is the answer the
same, to 1e-9 of -2 log L and 1e-7 of each parameter's uncertainty, with the same status
and the same parameters at bounds. Prints tables, and a sentence for each fit that did
not converge; the exit status is 1 where anything is wrong. A fit of status 3, where the
likelihood is zero wherever the search could go, has its sentence and is no fault.

    census.py [--quick] [--only GROUP] [--numpy-only] [--starts N]

`--quick` takes every twentieth model of a group. `--starts N` fits each again from
N scattered starts and notes where a lower minimum exists, which no fit from the nominal
start is asked to find.
"""

import argparse
import collections
import itertools
import json
import math
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import numpy as np
from _measure import table

import fitkit
from fitkit._fit.minimise import Minimum, minimise
from fitkit._fit.uncertainty import covariance_of
from fitkit._hypotest.results import names_of_missing

_DEFAULT = Path(__file__).resolve().parents[1].parent / "shared" / "data"
_LARGEST_EDM = 1e-6
_MOST_STEPS = 30
_POI_VALUES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0)
# What a fit may lie above a recorded minimum: those of 3LRJR were computed with forty
# digits, the others are the better of two minimisers' results.
_RECORDED, _EXACT = 1e-4, 1e-6
# How far the engines may be apart: in -2 log L, relative where it is above 1, and in
# uncertainties of each parameter.
_SAME_VALUE, _SAME_PARAMETER = 1e-9, 1e-7
# Signal points differ in the modifiers of their signal; a model of the background alone
# may have a shape of its own.
_MOST_COMPILATIONS = {"sbottom A": 2, "1Lbb simplified": 2}
_QUICK = 20
# A limit that takes so many seconds of the processor has its sentence.
_LONG_LIMIT = 5.0
_IMPOSSIBLE = 3
_STATUS = {
    1: "no step lowers the function",
    2: "it took too many steps",
    _IMPOSSIBLE: "the likelihood is zero wherever the search could go",
}


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


class Group:
    """What is found out about the models of one analysis.

    Attributes:
        name: of the analysis.
        free: the free fits to data.
        counts: by kind of fit, how many there were and how many converged.
        excesses: how far free fits are above recorded minima.
        apart: by quantity, how far the engines are apart.
        faults, notes: sentences.
        spent, limits: seconds of the processor for each fit, and each limit with its
            band, on NumPy.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.free: list[fitkit.FitResult] = []
        self.counts: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0])
        self.excesses: list[float] = []
        self.apart: dict[str, list[float]] = collections.defaultdict(list)
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.spent: list[float] = []
        self.limits: list[float] = []

    def fitted(self, kind: str, what: str, fit: Callable[[], Any]) -> Any:
        """A fit, counted; a sentence where it did not converge."""
        start = time.process_time()
        found = fit()
        self.spent.append(time.process_time() - start)
        self.counts[kind][0] += 1
        self.counts[kind][1] += bool(found.converged)
        if not found.converged:
            status = int(found.status)
            why = _STATUS.get(status, "its value is not finite")
            sentence = (
                f"{self.name}, {what}: did not converge in {int(found.steps)} steps, "
                f"EDM {float(found.edm):.1e}: {why}."
            )
            (self.notes if status == _IMPOSSIBLE else self.faults).append(sentence)
        return found

    def fault(self, what: str, rules: Mapping[str, bool]) -> None:
        """Note the rules that are broken."""
        if broken := ", ".join(rule for rule, wrong in rules.items() if wrong):
            self.faults.append(f"{self.name}, {what}: {broken}.")


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


def examine(group: Group, case: Case, options: argparse.Namespace) -> None:
    """Make all fits of one model."""
    with warnings.catch_warnings():  # background-only documents have no POI
        warnings.simplefilter("ignore", UserWarning)
        model, data = fitkit.read_workspace(case.document, patch=case.patch)
    found = group.fitted(
        "free", f"{case.name}, free", lambda: fitkit.fit(model, data, throw=False)
    )
    group.free.append(found)
    rules = {
        f"EDM {float(found.edm):.1e}": bool(
            found.converged and not found.edm < _LARGEST_EDM
        ),
        f"{int(found.steps)} steps": bool(found.steps > _MOST_STEPS),
    }
    if case.minimum is not None:
        group.excesses.append(float(found.twice_nll) - case.minimum)
        above = not group.excesses[-1] <= case.tolerance
        rules[f"{group.excesses[-1]:.1e} above the recorded minimum"] = above
    group.fault(case.name, rules)
    if not options.numpy_only:
        compare(group, case.name, model, data, found)
    if model.poi is not None:
        conditional(group, case.name, model, data)
    if options.starts:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fitkit.AnotherMinimumWarning)
            minima = fitkit.fit_from_many_starts(model, data, starts=options.starts)
        lower = float(found.twice_nll - minima.best.twice_nll)
        if lower > case.tolerance:
            another = f"another minimum is lower by {lower:.3g}"
            group.notes.append(f"{group.name}, {case.name}: {another}.")


def conditional(
    group: Group, name: str, model: fitkit.Model, data: fitkit.Data
) -> None:
    """Fits at values of the parameter of interest, to data and to Asimov data."""
    values = dict(zip(map(str, _POI_VALUES), _POI_VALUES, strict=True))
    start = time.process_time()
    limit = fitkit.upper_limit(model, data, throw=False)
    group.limits.append(time.process_time() - start)
    group.counts["limit"][0] += 1
    group.counts["limit"][1] += bool(limit.converged[0])
    if missing := names_of_missing(limit.converged):
        group.notes.append(f"{group.name}, {name}: no upper limit at {missing}.")
    if group.limits[-1] > _LONG_LIMIT:
        took = f"the limit took {group.limits[-1]:.1f} s of the processor"
        group.notes.append(f"{group.name}, {name}: {took}.")
    if limit.converged[0]:
        values["the upper limit"] = float(limit.observed)

    def at_values(kind: str, to: str, data: fitkit.Data) -> list[fitkit.FitResult]:
        return [
            group.fitted(
                kind,
                f"{name}, {model.poi} = {label}{to}",
                lambda v=value: fitkit.fixed_poi_fit(model, data, v, throw=False),
            )
            for label, value in values.items()
        ]

    background = at_values("conditional", "", data)[0]
    if not background.converged:
        return
    asimov = model.expected_data(background.params)
    to = ", Asimov data"
    group.fitted(
        "Asimov", f"{name}, free{to}", lambda: fitkit.fit(model, asimov, throw=False)
    )
    at_values("Asimov", to, asimov)


_compiled = jax.jit(minimise)


def compare(
    group: Group,
    name: str,
    model: fitkit.Model,
    data: fitkit.Data,
    found: fitkit.FitResult,
) -> None:
    """The same fit on the compiled engine: is the answer the same?"""
    parameters = model.parameter_vectors()
    likelihood = model.negative_log_likelihood(data)
    other: Minimum = _compiled(likelihood, parameters, parameters.init)
    group.counts["compiled"][0] += 1
    group.counts["compiled"][1] += bool(other.converged)
    value = abs(float(other.twice_nll - found.twice_nll))
    value /= max(1.0, abs(float(found.twice_nll)))
    group.apart["2NLL"].append(value)
    group.apart["EDM"].append(float(other.edm))
    group.apart["steps"].append(abs(int(other.steps) - int(found.steps)))
    held = zip(other.stationarity, found.stationarity, strict=True)
    rules = {
        "another status when compiled": int(other.status) != int(found.status),
        f"-2 log L is {value:.1e} apart when compiled": value > _SAME_VALUE,
        f"EDM {float(other.edm):.1e} when compiled": bool(
            found.converged and not other.edm < _LARGEST_EDM
        ),
        "other parameters at bounds when compiled": not all(
            np.array_equal(a, b) for a, b in held
        ),
        "determined on one engine only": bool(other.unique) != bool(found.unique),
    }
    # Where nothing determines a parameter, the engines may leave it anywhere.
    widths = covariance_of(found.curvature, found.stationarity.free).widths
    known = np.isfinite(widths) & (widths > 0)
    if known.any() and found.converged:
        shifts = np.abs(np.asarray(other.y) - found.y)[known] / widths[known]
        group.apart["parameters"].append(float(np.max(shifts)))
        apart = f"a parameter is {np.max(shifts):.1e} of its uncertainty apart"
        rules[f"{apart} when compiled"] = bool(np.max(shifts) > _SAME_PARAMETER)
    group.fault(name, rules)


def row(group: Group, programs: int) -> tuple[object, ...]:
    counts, steps = group.counts, [int(each.steps) for each in group.free]
    kinds = [counts[kind] for kind in ("free", "conditional", "limit", "Asimov")]
    above = max(group.excesses, default=math.nan)
    apart = [max(group.apart[key], default="-") for key in _APART]
    return (
        group.name,
        *(f"{done}/{of}" for of, done in kinds),
        max(float(each.edm) for each in group.free),
        statistics.median(steps),
        max(steps),
        f"{above:+.1e} ({len(group.excesses)})" if group.excesses else "-",
        sum(not each.unique for each in group.free),
        "{1}/{0}".format(*counts["compiled"]),
        programs,
        *apart,
        1e3 * statistics.median(group.spent),
        max(group.limits, default="-"),
    )


_APART = ("2NLL", "parameters", "EDM", "steps")
_HEAD = ("likelihoods", "free", "conditional", "limits", "Asimov")
_HEAD += ("largest EDM", "steps", "most steps", "above record (of)", "undetermined")
_HEAD += ("compiled", "programs", "d 2NLL", "d param / sigma", "EDM", "d steps")
_HEAD += ("CPU ms per fit", "slowest limit s")


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
    parser.add_argument("--quick", action="store_true", help="every twentieth model")
    parser.add_argument("--numpy-only", action="store_true", help="compile nothing")
    parser.add_argument("--starts", type=int, default=0, help="scattered starts each")
    options = parser.parse_args()
    if not (options.data / "likelihoods").is_dir():
        print(
            f"no published likelihoods at {options.data}: give `--data` or set "
            "NEOSKIT_TEST_DATA"
        )
        return 2
    examined, rows = [], []
    for name, cases in groups(options.data).items():
        if options.only and options.only not in name:
            continue
        group, before = Group(name), _compiled._cache_size()
        start = time.process_time()
        every = _QUICK if options.quick else 1
        for case in itertools.islice(cases(), 0, None, every):
            examine(group, case, options)
        programs = _compiled._cache_size() - before
        if programs > _MOST_COMPILATIONS.get(name, len(group.free)):
            group.faults.append(f"{name}: {programs} programs.")
        spent = time.process_time() - start
        told = f"{name}: {len(group.free)} models, {spent:.0f} s of the processor"
        print(told, file=sys.stderr, flush=True)
        examined.append(group)
        rows.append(row(group, programs))
    table(_HEAD, rows)
    print("\nd: the largest difference of the engines; converged / of how many")
    for kind in ("free", "conditional", "limit", "Asimov", "compiled"):
        of, done = (sum(group.counts[kind][i] for group in examined) for i in (0, 1))
        print(f"{kind}: {done} of {of}")
    faults = [each for group in examined for each in group.faults]
    notes = [each for group in examined for each in group.notes]
    print(f"{sum(len(g.free) for g in examined)} models, {len(faults)} faults")
    print(*faults, *notes, sep="\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
