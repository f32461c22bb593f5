"""The command that fits: fit."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .names import of_interest
from .options import Choice, Files, Input, Output, Settings
from .pictures import prepare, write
from .problem import Problem, entries, entries_meant, read_problem
from .signature import with_options

_PAIRS = 10  # rows of the table of correlations


@with_options
def fit(
    given: Input,
    choice: Choice,
    settings: Settings,
    output: Output,
    files: Files,
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
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="FILE",
            help="Store the fit, for `ranking --fit` and `yields --fit` with the same "
            "options.",
        ),
    ] = None,
) -> None:
    """The best fit with its uncertainties.

    --plot draws the pulls; with --correlation, the correlation matrix.
    """
    import fitkit

    from . import show

    prepare(files)
    problem = read_problem(given, choice, settings)
    names = entries_meant("--interval", interval, problem.model)
    with show.working("fitting", output):
        # The last point is printed also where it is no minimum: it shows what is odd.
        result = fitkit.fit(problem.model, problem.data, throw=False)
        at_best = _fixed_where_not_free(problem.model, result)
        content = _fitted(problem, result, at_best)
        if names and result.converged:
            intervals = fitkit.interval(problem.model, problem.data, names)
            content["intervals"] = _ends(intervals)
        if correlation and result.converged:
            matrix = fitkit.correlation(at_best, result.params, problem.data)
            content["correlation"] = {"names": entries(problem.model), "matrix": matrix}
    # First: who reads a pipe may leave before the answer ends.
    if save is not None and result.converged:
        result.save(save, problem.model, problem.data)
    show.answer(content, output, _print)
    if not result.converged:
        fitkit.fit(problem.model, problem.data)  # raises, with the reason
    write(
        files,
        lambda plot: (
            plot.correlation(result)
            if correlation
            else plot.pulls(fitkit.pulls(problem.model, problem.data))
        ),
        lambda hepdata: [
            hepdata.parameters(result),
            *([hepdata.correlation(result)] if correlation else []),
            *([hepdata.intervals(intervals)] if names else []),
        ],
    )


def _fixed_where_not_free(model: Any, result: Any) -> Any:
    """The model with what lies at a bound fixed too.

    The data push it beyond, so that the inverse Hessian there is no uncertainty.
    """
    vectors = model.parameter_vectors()
    return model.with_parameter_vectors(
        vectors._replace(fixed=~result.stationarity.free)
    )


def _fitted(problem: Problem, result: Any, at_best: Any) -> dict[str, Any]:
    import numpy as np

    import fitkit

    where = result.stationarity
    status = np.where(where.free, "free", "fixed").astype(object)
    for mask, name in (
        (where.at_lower, "at its lower bound"),
        (where.at_upper, "at its upper bound"),
        (where.at_kink, "at a kink"),
        (where.on_edge, "on the edge"),
    ):
        status[mask] = name
    errors = np.full(result.y.shape, np.nan)
    # Away from a minimum second derivatives say nothing of uncertainties.
    if result.unique and result.converged:
        sigma = fitkit.uncertainties(at_best, result.params, problem.data)
        errors = np.where(where.free, problem.model.ravel(sigma), np.nan)
    columns = zip(entries(problem.model), result.y, errors, status, strict=True)
    return {
        "status": "ok" if result.converged else "failed",
        "poi": problem.model.poi,
        "twice_nll": result.twice_nll,
        "edm": result.edm,
        "largest_gradient": result.largest_gradient,
        "determined": result.unique,
        "steps": result.steps,
        "parameters": [
            {"name": n, "value": v, "error": e, "status": s} for n, v, e, s in columns
        ],
    }


def _ends(intervals: Any) -> list[dict[str, Any]]:
    columns = {
        key: getattr(intervals, key)
        for key in ("best", "low", "high", "low_at_bound", "high_at_bound")
    }
    return [
        {
            "name": name,
            **{key: values[i] for key, values in columns.items()},
            "status": "ok" if intervals.converged[i] else "failed",
        }
        for i, name in enumerate(intervals.names)
    ]


def _print(content: dict[str, Any]) -> None:
    from . import show

    show.line(
        ("converged" if content["status"] == "ok" else "NOT CONVERGED")
        + f" in {content['steps']} steps, -2 log L = "
        + show.fixed(content["twice_nll"], 6)
        + ", EDM "
        + show.number(content["edm"], 2)
    )
    if not content["determined"]:
        show.line("Some combination of parameters is not determined: no uncertainties.")
    show.line()
    rows = [
        (
            each["name"]
            + (" (POI)" if each["name"] in of_interest(content["poi"]) else ""),
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
        best, low, high = (each[key] for key in ("best", "low", "high"))
        down, up = (None if None in (best, end) else end - best for end in (low, high))
        # To the digits of the narrower side: 1e-14 is the rounding of a best fit at 0.
        widths = [abs(end) for end in (down, up) if end]
        near, _, _ = show.measured(best, min(widths, default=None)).partition(" ±")
        numbers = near, show.change(down), show.change(up)
        rows.append((each["name"], *numbers, ", ".join(notes)))
    columns = ("parameter", "best", "down", "up")
    show.with_status(columns, rows, title="Profile likelihood intervals (1 σ)")


def _print_correlations(names: list[str], matrix: list[list[float]]) -> None:
    from . import show

    # A matrix of hundreds of rows fits on no screen: --json has all of it.
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
        table.add_row(first, second, f"{round(value, 3) + 0.0:+.3f}")
    show.print_table(table)
