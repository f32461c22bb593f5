"""Commands that profile the likelihood: scan, contour, ranking."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from .names import Mistake, interval, known, matching
from .options import Choice, Files, Input, Output, Settings, Stored, finite
from .pictures import prepare, write
from .problem import Problem, entries, read_problem, require_poi, stored_fit
from .signature import with_options

_RANGE = "LOW:HIGH, such as 0:3"
_GROUP = "NAME=PATTERN[,PATTERN...], such as mc='staterror_*'"

_IMPACTS = (
    "pull",
    "constraint",
    "up",
    "down",
    "prefit_up",
    "prefit_down",
    "by_observable",
    "converged",
)


def _parameter(problem: Problem, name: str) -> str:
    return known("PARAMETER", name, entries(problem.model), "parameter")


def _require(good: Any, what: str) -> None:
    import numpy as np

    import fitkit

    if not np.all(good):
        raise fitkit.FitError(
            f"{int(np.sum(~np.asarray(good)))} of {np.size(good)} {what} found no "
            "minimum. Narrower --bounds or another --init may help."
        )


@with_options
def scan(
    given: Input,
    choice: Choice,
    settings: Settings,
    output: Output,
    files: Files,
    parameter: Annotated[
        str | None,
        typer.Argument(
            help="By default the parameter of interest; gamma[3] for one of several "
            "values.",
            show_default=False,
        ),
    ] = None,
    span: Annotated[
        str | None,
        typer.Option(
            "--range",
            metavar="LOW:HIGH",
            help="By default three standard deviations to either side.",
            show_default=False,
        ),
    ] = None,
    points: Annotated[int, typer.Option(min=2, help="How many values.")] = 31,
) -> None:
    """The profile likelihood along one parameter."""
    import numpy as np

    import fitkit

    from . import show

    prepare(files)
    problem = read_problem(given, choice, settings)
    # Any parameter can be scanned: a model without one of interest is no fault here.
    name = parameter or problem.model.poi
    if name is None:
        raise Mistake("scan: the model has no parameter of interest. Name a parameter.")
    name = _parameter(problem, name)
    values = None
    if span is not None:
        ends = interval("--range", span, _RANGE)
        if not np.isfinite(ends).all():
            raise Mistake(f"--range: {span!r} is not finite. Write --range {_RANGE}.")
        values = np.linspace(*ends, points)
    with show.working("scanning", output):
        call = (problem.model, problem.data, name, values)
        result = fitkit.scan(*call, points=points)
    content = {
        "status": "ok" if result.converged.all() else "failed",
        "parameter": name,
        "best": result.best,
        "values": result.values,
        "delta_twice_nll": result.delta,
        "converged": result.converged,
    }

    def human(content: dict[str, Any]) -> None:
        show.line(f"best fit {name} = {show.number(content['best'], 6)}")
        keys = ("values", "delta_twice_nll", "converged")
        rows = [
            # 0 at the minimum, not the rounding of the difference of two likelihoods.
            (
                f"{value:.5g}",
                show.number(None if delta is None else round(delta, 9) + 0.0),
                "" if good else "not converged",
            )
            for value, delta, good in zip(*(content[k] for k in keys), strict=True)
        ]
        show.with_status((name, "-2 Δ log L"), rows)

    show.answer(content, output, human)
    write(
        files,
        lambda plot: plot.scan(result),
        lambda hepdata: hepdata.scan(result),
    )
    _require(result.converged, "fits of the scan")


@with_options
def contour(
    given: Input,
    choice: Choice,
    settings: Settings,
    output: Output,
    files: Files,
    first: Annotated[str, typer.Argument(help="A parameter.", show_default=False)],
    second: Annotated[str, typer.Argument(help="Another.", show_default=False)],
    level: Annotated[
        list[float] | None,
        typer.Option(
            min=1e-9,
            max=1 - 1e-9,
            callback=finite,
            help="Probability contents; by default 0.6827 and 0.9545.",
        ),
    ] = None,
    angles: Annotated[int, typer.Option(min=8, help="Points of each line.")] = 48,
) -> None:
    """Lines of equal profile likelihood in two parameters."""
    import fitkit

    from . import show

    prepare(files)
    problem = read_problem(given, choice, settings)
    names = (_parameter(problem, first), _parameter(problem, second))
    levels = {"levels": tuple(level)} if level else {}
    with show.working("searching the contours", output):
        call = (problem.model, problem.data, names)
        result = fitkit.contour(*call, angles=angles, **levels)
    content = {
        "status": "ok" if result.converged.all() else "failed",
        "parameters": names,
        "best": result.best,
        "contours": [
            {
                "level": value,
                "points": result.points[i],
                "at_bound": result.at_bound[i],
                "converged": result.converged[i],
            }
            for i, value in enumerate(result.levels)
        ],
    }

    def human(content: dict[str, Any]) -> None:
        best = content["best"]
        values = (
            f"{n} = {show.number(b, 6)}" for n, b in zip(names, best, strict=True)
        )
        show.line(f"best fit {', '.join(values)}")
        table = show.table(
            "contour", f"{names[0]} from", "to", f"{names[1]} from", "to"
        )
        for line in content["contours"]:
            # Where the search did not end there is no point.
            points = [p for p in line["points"] if None not in p]
            ends = [
                f((p[i] for p in points), default=None)
                for i in (0, 1)
                for f in (min, max)
            ]
            table.add_row(f"{100 * line['level']:g} %", *map(show.number, ends))
        show.print_table(table)
        show.line("The lines themselves: --json.")

    show.answer(content, output, human)
    write(
        files,
        lambda plot: plot.contour(result),
        lambda hepdata: hepdata.contour(result),
    )
    _require(result.converged, "points of the contours")


@with_options
def ranking(
    given: Input,
    choice: Choice,
    settings: Settings,
    output: Output,
    files: Files,
    top: Annotated[
        int, typer.Option(min=1, help="Rows of the table; --json has all.")
    ] = 20,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATTERN,...",
            help="Also the impact of several parameters together.",
        ),
    ] = None,
    first_order: Annotated[
        bool,
        typer.Option(
            "--first-order",
            help="By the covariance alone, without a fit for each parameter.",
        ),
    ] = False,
    stored: Stored = None,
) -> None:
    """Impacts on the parameter of interest, with pulls.

    With --fit they are those of --first-order, and no fit is made at all.
    """
    import fitkit

    from . import show

    prepare(files)
    problem = read_problem(given, choice, settings)
    require_poi(problem.model, "ranking")
    best = stored_fit(stored, problem)
    with show.working("ranking", output):
        if first_order or best is not None:
            result = fitkit.impacts(problem.model, problem.data, best=best)
        else:
            result = fitkit.ranking(problem.model, problem.data)
    columns = {key: getattr(result, key) for key in _IMPACTS}
    content = {
        "status": "ok" if result.converged.all() else "failed",
        "poi": result.poi,
        "best": result.best,
        "total": result.total,
        "statistical": result.statistical,
        "parameters": [
            {"name": name, **{key: values[i] for key, values in columns.items()}}
            for i, name in enumerate(result.names)
        ],
        "groups": {
            name: result.group(names)
            for name, names in _groups(group, problem, result.names).items()
        },
    }

    def human(content: dict[str, Any]) -> None:
        best = show.measured(content["best"], content["total"])
        statistical = show.number(content["statistical"], 3)
        show.line(f"{content['poi']} = {best} (statistical {statistical})")
        rows = []
        for each in content["parameters"][:top]:
            pull, down, up, by_observable = (
                show.change(each[key])
                for key in ("pull", "down", "up", "by_observable")
            )
            # 0 without an auxiliary measurement, which is no small impact.
            if each["pull"] is None:
                by_observable = show.change(None)
            width = show.number(each["constraint"], 3)
            status = "" if each["converged"] else "not converged"
            rows.append((each["name"], pull, width, down, up, by_observable, status))
        columns = ("parameter", "pull", "constraint", "down", "up", "by auxiliary")
        show.with_status(columns, rows)
        if (more := len(content["parameters"]) - top) > 0:
            show.line(f"… {more} more with smaller impacts: --top, --json")
        for name, impact in content["groups"].items():
            show.line(f"{name} together: {show.number(impact, 3)}")

    show.answer(content, output, human)
    write(
        files,
        lambda plot: plot.ranking(result, top=top),
        lambda hepdata: hepdata.ranking(result),
    )
    _require(result.converged, "parameters of the ranking")


def _groups(
    texts: list[str] | None, problem: Problem, ranked: Sequence[str]
) -> dict[str, list[str]]:
    """The ranked entries of each group.

    A group's name ends at the first `=`: those of parameters may hold one.
    """
    # `gamma` is no entry, and means all of its own.
    whole = [
        name
        for name, shape in problem.model.parameter_shapes.items()
        if shape and f"{name}[0]" in ranked
    ]
    names = list(dict.fromkeys([*ranked, *whole]))
    groups: dict[str, list[str]] = {}
    for text in texts or ():
        name, _, patterns = text.partition("=")
        if not name or not patterns:
            raise Mistake(f"--group {text!r}: write --group {_GROUP}.")
        each = [patterns] if patterns in names else patterns.split(",")
        groups[name] = matching("--group", each, names, "ranked parameter")
    return groups
