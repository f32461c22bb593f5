"""What the commands print."""

import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from .._results import Evaluation, HeadRoom, Unblinded
    from .._run.compare import Compared
    from .._run.config import RunConfig
    from .._run.demos.cut import CutResult
    from .._run.demos.inferno import InfernoResult
    from .._run.failure import Failure
    from .._run.folder import RunFolder
    from .._run.run import Result

# A file or a pipe has no width: wide enough there for every table.
_width = None if sys.stdout.isatty() else 120
# Names of processes, parameters and files are text: square brackets and colons in them
# are their own, no markup and no emoji of rich's.
_PLAIN: dict[str, bool] = {"markup": False, "emoji": False, "highlight": False}
_out = Console(soft_wrap=True, width=_width, **_PLAIN)
_err = Console(stderr=True, soft_wrap=True, **_PLAIN)

_MOST = 5  # lines about one thing
_TITLES = {
    "expected_cls": "expected CLs",
    "upper_limit": "95 % limit",
    "poi_uncertainty": "σ(μ)",
    "significance": "significance",
}


def line(text: str) -> None:
    """One line of output, as it is."""
    _out.print(text)


def table(rows: Table) -> None:
    """A table, as wide as it needs to be."""
    _out.print(rows)


def error(text: str) -> None:
    """One message about what went wrong."""
    _err.print(Text.assemble(("error", "bold red"), ": ", text))


def note(text: str) -> None:
    """One line beside the output, of what somebody should know."""
    _err.print(Text.assemble(("note", "bold"), ": ", text))


_tracebacks = False


def show_tracebacks(wanted: bool) -> None:
    """Whether a failure is followed by where in the code it arose."""
    global _tracebacks
    _tracebacks = wanted


def message(error: BaseException) -> str:
    """What an error says to the one who typed the command."""
    # Errors raised inside compiled code carry equinox's advice to developers below a
    # line of dashes.
    text = str(error).split("\n---")[0].strip()
    return text or type(error).__name__


def failures(whose: str, failed: "Sequence[Failure]") -> bool:
    """What could not be done, with the reason; whether there is anything."""
    reasons: dict[str, list[str]] = {}
    # One reason often stops several things: said once.
    for failure in failed:
        reasons.setdefault(failure.why, []).append(failure.what)
        if _tracebacks:
            traceback.print_exception(failure.error)
    for reason, what in reasons.items():
        error(f"{whose}: {', '.join(what)}: {reason}")
    return bool(reasons)


def files(paths: Sequence[Path]) -> None:
    """Files that were written, one per line."""
    for path in paths:
        line(f"  {path}")


def results(
    rows: "Sequence[tuple[int, Evaluation]]", best: Sequence[float] = ()
) -> None:
    """The expected results of all seeds, with their medians."""
    if not rows:
        return
    table = Table("seed", *_TITLES.values())
    if best:
        table.add_column("best CLs on the way")
    for i, (seed, evaluation) in enumerate(rows):
        numbers = [_with_error(evaluation, name) for name in _TITLES]
        table.add_row(str(seed), *numbers, *([_number(best[i])] if best else []))
    if len(rows) > 1:
        from .._run.documents import median

        medians = [
            median([evaluation.numbers[name] for _, evaluation in rows])
            for name in _TITLES
        ]
        if best:
            medians.append(median(best))
        table.add_section()
        table.add_row("median", *map(_number, medians), style="bold")
    _out.print(table)
    if any(evaluation.errors for _, evaluation in rows):
        line("±: the standard deviation over bootstrap replicas of these events.")
    for seed, evaluation in rows:
        beside(f"seed {seed}", evaluation)


def beside(whose: str, evaluation: "Evaluation") -> None:
    """What belongs to the numbers: objectives, smoothing, raised and missing ones."""
    for name, value in evaluation.objectives.items():
        line(f"{whose}: {name} {_pair(value, evaluation.errors.get(name))}")
    if evaluation.soft:
        bias = ", ".join(
            f"{_TITLES.get(name, name)} {value:+.2g}"
            for name, value in evaluation.smoothing_bias.items()
        )
        line(f"{whose}: soft − hard bins: {bias}")
    for bins_ in (evaluation.negative, evaluation.thin):
        for one in bins_[:_MOST]:
            line(f"{whose}: {one}")
        if len(bins_) > _MOST:
            more = len(bins_) - _MOST
            line(f"{whose}: and {more} more such bins, all in evaluation.json")
    if evaluation.thin:
        line("`[rebinning]` in the description merges bins until none is as thin.")
    missing(whose, evaluation.missing)


def missing(whose: str, reasons: Mapping[str, str]) -> None:
    """Which numbers do not exist, and why."""
    for name, why in reasons.items():
        line(f"{whose}: no {_TITLES.get(name, name)}: {why}")


def bins(
    rows: "Sequence[tuple[int, Evaluation]]", signals: Sequence[str], channel: str
) -> None:
    """What stands behind each merged bin of a channel, seed by seed."""
    table = Table("seed", "bin", "signal", "background", "MC error", "raw background")
    for seed, evaluation in rows:
        processes, raw = evaluation.templates[channel], evaluation.raw_counts[channel]
        others = [name for name in processes if name not in signals]
        background, variance, signal = (
            np.sum([getattr(processes[n].nominal, field) for n in names], axis=0)
            for names, field in (
                (others, "yields"),
                (others, "variance"),
                ([name for name in processes if name in signals], "yields"),
            )
        )
        # Without the signal's: it is the background that must not be an accident.
        counts = np.sum([raw[name] for name in others], axis=0)
        for i in range(len(background)):
            table.add_row(
                str(seed) if i == 0 else "",
                str(i),
                f"{signal[i]:.1f}",
                f"{background[i]:.1f}",
                f"{np.sqrt(variance[i]) / background[i]:.0%}",
                f"{counts[i]:.0f}",
            )
        table.add_section()
    line(f"Bins of {channel} after merging:")
    _out.print(table)


def merged(
    config: "RunConfig", rows: "Sequence[tuple[int, Evaluation]]", scored: Sequence[str]
) -> None:
    """The merged bins of every scored channel, where the description merges bins."""
    if config.rebinning is not None and rows:
        for channel in scored:
            bins(rows, config.measurement.signals, channel)


def run(folder: "RunFolder", done: "Sequence[Result]") -> None:
    """The end of a training: numbers, then where everything is."""
    judged = [result for result in done if result.evaluation is not None]
    seeds = [(result.trained.seed, result.evaluation) for result in judged]
    line("")
    if seeds:
        line("On events held out of the training, with hard bins:")
        # Of merged bins nothing was followed: the two cannot stand beside each other.
        merges = folder.config.rebinning is not None
        best = [] if merges else _followed(folder, [seed for seed, _ in seeds])
        results(seeds, best)
        merged(folder.config, seeds, done[0].trained.judges.scored)
    pictures = [path for result in done for path in result.pictures]
    if pictures:
        line("pictures")
        files(pictures)
    if folder.workspace.exists():
        line("workspace")
        files([folder.workspace])
    line("everything else")
    files([folder.path])


def unblinded(seed: int, result: "Unblinded", note: str | None = None) -> None:
    """What the recorded events say, and what must be said with it."""
    strength, uncertainty = result.strength
    line(f"The recorded events, with the observable of seed {seed}:")
    if note is not None:
        line(f"  {note}")
    line(f"  {result.poi} = {strength:.3f} ± {uncertainty:.3f}")
    limit, pulls = result.limit, result.pulls
    if limit is not None:
        low, median, high = (float(limit.expected[i]) for i in (1, 2, 3))
        line(
            f"  95 % upper limit {float(limit.observed):.3f}, expected {median:.3f} "
            f"[{low:.3f}, {high:.3f}]"
        )
    line(f"  CLs of {result.poi} = 1: {result.cls:.3g}")
    missing("the recorded events", result.missing)
    if pulls is None:
        return
    table = Table("parameter", "pull", "error / constraint")
    for name, value, width in zip(
        pulls.names, pulls.pull, pulls.constraint, strict=True
    ):
        if not np.isnan(value):  # a free parameter has none
            table.add_row(name, f"{value:+.2f}", f"{width:.2f}")
    _out.print(table)


def head_room(room: "HeadRoom", least: float) -> None:
    """What the uncertainties cost a classifier: how much there is to win."""
    line(
        f"σ(μ) of the baseline: {room.poi_uncertainty:.4g} with all uncertainties, "
        f"{room.statistical:.4g} without any: head-room {room.ratio:.3f}"
    )
    table = Table("uncertainty", "σ(μ) with it / without")
    for name, cost in room.costs.items():
        table.add_row(name, f"{cost:.4f}")
    _out.print(table)
    if room.ratio < least:
        line(
            f"The head-room is below {least:g}: whatever it is trained on, nothing can "
            "be won above the spread of seeds."
        )


def comparison(outcome: "Compared") -> None:
    """All trainings per seed, and their differences with two kinds of error."""
    from .._results import verdict
    from .._run.documents import median

    numbers = outcome.comparison.numbers
    table = Table("seed", "trained on", *_TITLES.values())
    for i, seed in enumerate(outcome.seeds):
        for way in outcome.ways:
            row = [_number(numbers[way][name][i]) for name in _TITLES]
            table.add_row(str(seed), way, *row)
        table.add_section()
    for way in outcome.ways:
        medians = [_number(median(numbers[way][name])) for name in _TITLES]
        table.add_row("median", way, *medians, style="bold")
    _out.print(table)
    for way in outcome.ways:
        for seed, reasons in zip(
            outcome.seeds, outcome.comparison.missing[way], strict=True
        ):
            missing(f"seed {seed} on {way}", reasons)
    for baseline in outcome.baselines:
        _differences(outcome, baseline)
    for baseline in outcome.baselines:
        words = [
            f"{title} {verdict(outcome.comparison, name, outcome.objective, baseline)}"
            for name, title in _TITLES.items()
        ]
        line(f"{outcome.objective} against {baseline}: " + "; ".join(words) + ".")


def _differences(outcome: "Compared", baseline: str) -> None:
    line(f"{outcome.objective} − {baseline}, mean over seeds:")
    columns = ("difference", "± events (bootstrap)", "± seeds (spread)", "better")
    table = Table("", *columns)
    for name, title in _TITLES.items():
        ways = (name, outcome.objective, baseline)
        difference = outcome.comparison.difference(*ways)
        shift = outcome.comparison.by_seed(*ways)
        shift = shift[np.isfinite(shift)]
        better = shift > 0 if name == "significance" else shift < 0
        table.add_row(
            title,
            f"{difference.mean:+.3g}",
            f"{difference.bootstrap_error:.2g}",
            # Of a single seed there is none.
            "" if np.isnan(difference.seed_spread) else f"{difference.seed_spread:.2g}",
            f"{better.sum()} of {len(better)} seeds",
        )
    _out.print(table)


def cut(result: "CutResult") -> None:
    """Where the gradient and the scan say that the best cut is."""
    line(f"cut found by the gradient  {result.trained:.2f}")
    line(f"best cut of the scan       {result.scanned:.2f}")
    line(f"difference                 {result.trained - result.scanned:+.2f}")
    line(
        f"Asimov significance        {result.reached:.3f} with hard cuts "
        f"(best of the scan {result.best:.3f})"
    )


def inferno(result: "InfernoResult") -> None:
    """The uncertainty of the signal, beside the published table."""
    from .._run.demos.inferno import BENCHMARKS

    line(
        "Uncertainty of the number of signal events (50 expected), held-out events, "
        "hard bins:"
    )
    table = Table("trained on", *(f"benchmark {i}" for i in range(len(BENCHMARKS))))
    for name, sigma in result.sigma.items():
        of = f" of benchmark {result.trained_on}" if "variance" in name else ""
        # Which benchmark it was: the same network is judged on all five.
        table.add_row(name + of, *(f"{value:.2f}" for value in sigma))
    table.add_section()
    for name, field in (
        ("published: INFERNO of each", "inferno"),
        ("published: classifier", "classifier"),
        ("published: full likelihood", "bound"),
    ):
        values = [getattr(benchmark, field) for benchmark in BENCHMARKS]
        table.add_row(name, *(f"{value:.2f}" for value in values), style="dim")
    _out.print(table)


def _with_error(evaluation: "Evaluation", name: str) -> str:
    return _pair(evaluation.numbers[name], evaluation.errors.get(name))


def _pair(value: float, error: float | None) -> str:
    if error is None or not np.isfinite(error):
        return _number(value)
    return f"{_number(value)} ± {error:.2g}"


def _followed(folder: "RunFolder", seeds: Sequence[int]) -> list[float]:
    """The least expected CLs of each seed on its way, where it was followed."""
    # From the file: of a run that went on it has the steps of before, too.
    lines = [one for one in folder.metrics() if one.get("expected_cls") is not None]
    values = {
        seed: [one["expected_cls"] for one in lines if one["seed"] == seed]
        for seed in seeds
    }
    return [_least(values[seed]) for seed in seeds] if all(values.values()) else []


def _number(value: float) -> str:
    return f"{value:#.3g}"


def _least(values: Iterable[float]) -> float:
    return min((value for value in values if np.isfinite(value)), default=np.nan)
