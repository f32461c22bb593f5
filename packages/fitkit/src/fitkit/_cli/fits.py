"""Commands that fit once: fit, yields, gof."""

from typing import Annotated, Any

import typer

from .names import matching
from .options import Choice, Fits, Input, Kept, Output, Pseudo
from .pictures import keep, prepare
from .problem import Problem, entries, experiments, problem
from .signature import with_options

_PANEL = "Fit"
_PAIRS = 10  # rows of the table of correlations


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    for command in (fit, yields, gof):
        app.command(rich_help_panel=_PANEL)(command)


@with_options
def fit(
    given: Input,
    choice: Choice,
    fits: Fits,
    output: Output,
    kept: Kept,
    interval: Annotated[
        list[str] | None,
        typer.Option(
            "--interval",
            metavar="NAME",
            help="Also the profile likelihood (MINOS) interval of this parameter, or "
            "of all that match a pattern.",
        ),
    ] = None,
    correlation: Annotated[
        bool, typer.Option("--correlation", help="Also the correlation matrix.")
    ] = False,
) -> None:
    """The best fit with its uncertainties.

    --plot draws the pulls; with --correlation, the correlation matrix.
    """
    import fitkit

    from . import show

    prepare(kept)
    read = problem(given, choice, fits)
    call = (read.model, read.data)
    with show.working("fitting", output):
        result = fitkit.fit(*call, **read.options, throw=False)
        content = _fitted(read, result)
        if interval and result.converged:
            found = _intervals(read, interval)
            content["intervals"] = _ends(found)
        if correlation and result.converged:
            content["correlation"] = _correlations(read, result)
    show.answer(content, output, _fit)
    if not result.converged:
        fitkit.fit(*call, **read.options)  # raises, with the reason
    keep(
        kept,
        lambda plot: (
            plot.correlation(result)
            if correlation
            else plot.pulls(fitkit.pulls(*call, **read.options))
        ),
        lambda hepdata: [
            hepdata.parameters(result),
            *([hepdata.correlation(result)] if correlation else []),
            *([hepdata.intervals(found)] if interval else []),
        ],
    )


def _fitted(read: Problem, result: Any) -> dict[str, Any]:
    import numpy as np

    held = result.stationarity
    status = np.where(held.free, "free", "fixed").astype(object)
    for mask, name in (
        (held.at_lower, "at its lower bound"),
        (held.at_upper, "at its upper bound"),
        (held.at_kink, "at a kink"),
        (held.on_edge, "on the edge"),
    ):
        status[np.asarray(mask)] = name
    errors = np.full(result.y.shape, np.nan)
    if result.unique:
        errors = np.concatenate(
            [np.atleast_1d(e) for e in _uncertainties(read, result).values()]
        )
    values = np.asarray(result.y)  # jax compiles each look at one element
    columns = zip(entries(read.model), values, errors, status, strict=True)
    return {
        "status": "ok" if result.converged else "failed",
        "poi": read.model.poi,
        "twice_nll": result.twice_nll,
        "edm": result.edm,
        "largest_gradient": result.largest_gradient,
        "determined": result.unique,
        "steps": result.steps,
        "parameters": [
            {"name": n, "value": v, "error": e, "status": s} for n, v, e, s in columns
        ],
    }


def _held(read: Problem, result: Any) -> dict[str, Any]:
    """By parameter, the entries that the fit did not move freely."""
    import numpy as np

    mask, held, start = ~np.asarray(result.stationarity.free), {}, 0
    for name in read.model.parameter_names:
        shape = read.model.parameter_shapes[name]
        size = shape[0] if shape else 1
        held[name] = mask[start : start + size].reshape(shape)
        start += size
    return held


def _uncertainties(read: Problem, result: Any) -> dict[str, Any]:
    """By parameter; NaN where the fit did not move it freely."""
    import numpy as np

    import fitkit

    held = _held(read, result)
    found = fitkit.uncertainties(read.model, result.params, read.data, fixed=held)
    return {
        name: np.where(held[name], np.nan, found[name])
        for name in read.model.parameter_names
    }


def _intervals(read: Problem, patterns: list[str]) -> Any:
    import fitkit

    names = entries(read.model)
    chosen = [
        n for p in patterns for n in matching("--interval", p, names, "parameters")
    ]
    return fitkit.interval(read.model, read.data, chosen, **read.options)


def _ends(found: Any) -> list[dict[str, Any]]:
    import numpy as np

    ends = (found.best, found.low, found.high)
    flags = (found.low_at_bound, found.high_at_bound, found.converged)
    columns = zip(found.names, *map(np.asarray, (*ends, *flags)), strict=True)
    return [
        {
            "name": name,
            "best": best,
            "low": low,
            "high": high,
            "low_at_bound": low_at_bound,
            "high_at_bound": high_at_bound,
            "status": "ok" if good else "failed",
        }
        for name, best, low, high, low_at_bound, high_at_bound, good in columns
    ]


def _correlations(read: Problem, result: Any) -> dict[str, Any]:
    import fitkit

    held = _held(read, result)
    matrix = fitkit.correlation(read.model, result.params, read.data, fixed=held)
    return {"names": entries(read.model), "matrix": matrix}


def _fit(content: dict[str, Any]) -> None:
    from . import show

    show.line(
        ("converged" if content["status"] == "ok" else "NOT CONVERGED")
        + f" in {content['steps']} steps, -2 log L = {content['twice_nll']:.6f}, EDM "
        + show.number(content["edm"], 2)
    )
    if not content["determined"]:
        show.line("Some combination of parameters is not determined: no uncertainties.")
    show.line()
    rows = [
        (
            each["name"] + (" (POI)" if each["name"] == content["poi"] else ""),
            show.measured(each["value"], each["error"]),
            each["status"] if each["status"] != "free" else "",
        )
        for each in content["parameters"]
    ]
    show.with_status(("parameter", "value"), rows)
    if "intervals" in content:
        _print_intervals(content["intervals"])
    if "correlation" in content:
        _print_correlations(**content["correlation"])


def _print_intervals(intervals: list[dict[str, Any]]) -> None:
    from . import show

    show.line()
    rows = []
    for each in intervals:
        notes = [
            f"{side} end at its bound"
            for side, end in (("lower", "low"), ("upper", "high"))
            if each[f"{end}_at_bound"]
        ]
        notes += ["not converged"] * (each["status"] != "ok")
        down, up = each["low"] - each["best"], each["high"] - each["best"]
        best = show.number(each["best"], 5)
        numbers = best, show.change(down), show.change(up)
        rows.append((each["name"], *numbers, ", ".join(notes)))
    columns = ("parameter", "best", "down", "up")
    show.with_status(columns, rows, title="Profile likelihood intervals (1 σ)")


def _print_correlations(names: list[str], matrix: list[list[float]]) -> None:
    from . import show

    pairs = [
        (matrix[i][j], names[i], names[j])
        for i in range(len(names))
        for j in range(i)
        if matrix[i][j] is not None
    ]
    pairs.sort(key=lambda pair: -abs(pair[0]))
    show.line()
    table = show.table("parameter", "", "ρ", title="Largest correlations")
    for value, first, second in pairs[:_PAIRS]:
        table.add_row(first, second, f"{value:+.3f}")
    show.out().print(table)


@with_options
def yields(
    given: Input,
    choice: Choice,
    fits: Fits,
    output: Output,
    kept: Kept,
    prefit: Annotated[
        bool, typer.Option("--prefit", help="Before the fit, not after it.")
    ] = False,
) -> None:
    """Expected yields by channel, sample and bin.

    Uncertainties are correlated between bins.
    """
    import fitkit

    from . import show

    prepare(kept)
    read = problem(given, choice, fits)
    with show.working("fitting", output):
        data = None if prefit else read.data
        found = fitkit.predicted_yields(read.model, data, **read.options)
    content = {
        "prefit": prefit,
        "channels": [
            {
                "name": name,
                "observed": read.data.main[name],
                "total": total,
                "error": found.error[name],
                "sum": found.channel_total[name],
                "sum_error": found.channel_error[name],
                "samples": found.samples[name],
            }
            for name, total in found.total.items()
        ],
    }
    show.answer(content, output, _yields)
    keep(
        kept,
        lambda plot: plot.yields(found, read.data),
        lambda hepdata: hepdata.yields(found, read.data),
    )


def _yields(content: dict[str, Any]) -> None:
    from . import show

    for channel in content["channels"]:
        table = show.table(
            "sample",
            "sum",
            *map(str, range(len(channel["total"]))),
            title=channel["name"],
        )
        for sample, counts in channel["samples"].items():
            table.add_row(sample, show.number(sum(counts)), *map(show.number, counts))
        table.add_section()
        seen = channel["observed"]
        for name, total, counts in (
            ("expected", channel["sum"], channel["total"]),
            ("±", channel["sum_error"], channel["error"]),
            ("data", None if None in seen else sum(seen), seen),  # None: masked
        ):
            table.add_row(name, show.number(total), *map(show.number, counts))
        show.out().print(table)
        show.line()


@with_options
def gof(
    given: Input, choice: Choice, fits: Fits, output: Output, pseudo: Pseudo
) -> None:
    """How well the model describes the data: saturated model."""
    import fitkit

    from . import show

    read = problem(given, choice, fits)
    with show.counting("fitting", output) as progress:
        toys = experiments(pseudo, progress)
        found = fitkit.goodness_of_fit(read.model, read.data, toys=toys, **read.options)
    content: dict[str, Any] = {
        "statistic": found.statistic,
        "degrees_of_freedom": found.degrees_of_freedom,
        "p_value": found.p_value,
    }
    if pseudo.toys:
        content |= {
            "p_value_error": found.p_value_error,
            "toys": pseudo.toys,
            "seed": pseudo.seed,
            "failed_toys": found.failed,
        }

    def human(content: dict[str, Any]) -> None:
        way = ""
        if pseudo.toys:
            failed = content["failed_toys"]
            way = f" ± {content['p_value_error']:.2g} ({pseudo.toys} pseudo-experiments"
            way += f", {failed} of them failed)" if failed else ")"
        show.line(
            f"saturated model: {content['statistic']:.4f} for "
            f"{content['degrees_of_freedom']} degrees of freedom, p = "
            f"{content['p_value']:.4g}{way}"
        )

    show.answer(content, output, human)
