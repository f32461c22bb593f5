"""The command that goes through many signal points: grid."""

import dataclasses
import functools
import itertools
import re
from pathlib import Path
from typing import Annotated, Any, final

import typer

from .calculator import SIGMAS, calculator_of, statistic_of
from .names import Mistake, matching
from .options import (
    Choice,
    Expected,
    Files,
    ForLimits,
    Input,
    Level,
    Mask,
    McStatistics,
    Measurement,
    Member,
    Output,
    Patchset,
    Poi,
    PseudoExperiments,
    Settings,
    Tested,
    Verify,
    Workspace,
)
from .pictures import prepare, write
from .problem import Problem, chosen_model, of_document, require_poi
from .signature import with_options
from .source import Source, read_source

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@final
@dataclasses.dataclass(frozen=True)
class Signals:
    """Which document, and which of its signal points."""

    workspace: Workspace
    member: Member = None
    patchset: Patchset = None
    points: Annotated[
        list[str] | None,
        typer.Option(
            "--points",
            metavar="PATTERN",
            help="Those whose names match, such as 'sbottom_*_60'; again for more. "
            "By default all.",
            show_default=False,
        ),
    ] = None
    verify: Verify = True


@with_options
def grid(
    given: Signals,
    settings: Settings,
    output: Output,
    files: Files,
    expected: Expected,
    measurement: Measurement = None,
    poi: Poi = None,
    mask: Mask = None,
    mc_statistics: McStatistics = None,
    limit: Annotated[
        bool, typer.Option("--limit", help="Upper limits, not CLs of one value.")
    ] = False,
    mu: Tested = 1.0,
    level: Level = 0.05,
    statistic: Annotated[
        ForLimits, typer.Option(help="Test statistic.")
    ] = ForLimits.qtilde,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep results there; a call that was interrupted goes on with them.",
        ),
    ] = None,
) -> None:
    """CLs, or upper limits, of many signal points.

    Points of one shape are fitted together. --plot and --hepdata need --limit, and
    points along one line.
    """
    import fitkit

    from . import show

    prepare(files)
    source = read_source(
        Input(given.workspace, given.member, None, given.patchset, None, given.verify)
    )
    names = _chosen(source, given)
    line = None
    if files.plot or files.hepdata:
        if not limit:
            raise Mistake("grid: --plot and --hepdata show limits: give --limit too.")
        line = _line(source, names)
        names = line.names
    patches = [source.points[name] for name in names]
    # Else a mistake in an option would be the message of each of two hundred points.
    choice = Choice(measurement, poi, mask, mc_statistics)
    first = _first(source, patches, choice, settings)
    require_poi(first.model, "grid")
    calculator = calculator_of(expected, PseudoExperiments())
    tested = {"level": level} if limit else {"poi_value": mu}
    with show.counting("limits" if limit else "tests", output) as progress:
        result = fitkit.grid(
            source.document,
            patches,
            fitkit.upper_limit if limit else fitkit.hypotest,
            measurement=measurement,
            poi=fitkit.UNSET if poi is None else poi,
            **choice.reading(),
            # As a function, for each point has a model of its own.
            settings=functools.partial(chosen_model, mask=mask, settings=settings),
            folder=folder,
            progress=progress,
            statistic=statistic_of(statistic),
            calculator=calculator,
            **tested,
        )
    failed = int((~result.converged).sum())
    content = {
        "status": "failed" if failed else "ok",
        "poi": first.model.poi,
        "statistic": statistic.value,
        "band": calculator.band,
        **({"level": level} if limit else {"mu": mu}),
        "points": result.rows(),
    }
    show.answer(content, output, _print)
    if line is not None:
        call = line.values, _limits(result, level, statistic_of(statistic), calculator)
        write(
            files,
            lambda plot: plot.upper_limits(*call, parameter=line.name),
            lambda hepdata: hepdata.upper_limits(
                *call, parameter=line.name, poi=first.model.poi
            ),
        )
    if failed:
        raise fitkit.FitError(f"{failed} of {len(patches)} points have no result.")


def _print(content: dict[str, Any]) -> None:
    from . import show

    poi, limit = content["poi"], "level" in content
    show.line(
        f"{100 * (1 - content['level']):g} % CLs upper limits on {poi}"
        if limit
        else f"CLs of {poi} = {content['mu']:g}"
    )
    observed, expected = ("observed", "expected") if limit else ("cls", "cls_expected")
    rows = [
        (
            row["name"],
            *map(show.number, (row[observed], *row[expected])),
            row["message"],
        )
        for row in content["points"]
    ]
    show.with_status(("signal point", "observed", *SIGMAS), rows)


def _limits(result: Any, level: float, statistic: Any, calculator: Any) -> Any:
    """The rows of a grid as one result."""
    import numpy as np

    import fitkit

    observed, expected = result["observed"], result["expected"]
    # A grid has no errors of pseudo-experiments, and nothing that they tested.
    six = np.column_stack([observed, expected])
    return fitkit.UpperLimit(
        observed=observed,
        expected=expected,
        observed_error=np.zeros_like(observed),
        expected_error=np.zeros_like(expected),
        level=np.full_like(observed, level),
        converged=np.isfinite(six),
        tested=np.zeros((len(result), 0)),
        curves=np.zeros((len(result), 0, 6)),
        failed=np.zeros((len(result), 0, 2), dtype=int),
        test=type(statistic).__name__,
        band=calculator.band,
    )


def _chosen(source: Source, given: Signals) -> list[str]:
    """The names of the wanted points: as a patch set lists them, else by their numbers.

    An archive lists its files by letters, sbottom_1000 before sbottom_300.
    """
    if not source.points:
        raise Mistake(
            f"grid: {given.workspace} comes without signal points. Give --patchset."
        )
    names = list(source.points)
    if not source.labels:
        names.sort(key=_by_numbers)
    if given.points is None:
        return names
    wanted = set(matching("--points", given.points, names, "signal point"))
    return [name for name in names if name in wanted]


def _by_numbers(name: str) -> list[str | float]:
    """A key for sorting: texts and numbers in turn."""
    texts, numbers = _NUMBER.split(name), map(float, _NUMBER.findall(name))
    return [x for pair in zip(texts, [*numbers, 0.0], strict=True) for x in pair]


def _first(
    source: Source, patches: list[Any], choice: Choice, settings: Settings
) -> Problem:
    """The first point that can be read: what the options name is looked up in it."""
    import fitkit

    for patch in patches:
        try:
            document = patch.apply(source.document)
            return of_document(source.name, document, choice, settings)
        except fitkit.WorkspaceError as error:
            problem = error
    raise problem


@final
@dataclasses.dataclass(frozen=True)
class Line:
    """Points that differ in one coordinate: its name, and its rising values.

    Attributes:
        name: of the coordinate.
        values: one for each point.
        names: of the points.
    """

    name: str
    values: list[float]
    names: list[str]


def _line(source: Source, names: list[str]) -> Line:
    """The line on which the points lie, for a picture.

    Coordinates are those of the patch set; without one, the numbers in the names.

    Raises:
        Mistake: where there is no such line.
    """
    given = [source.points[name].values for name in names]
    plain = {_NUMBER.sub("#", name) for name in names}
    rows = given if source.labels else [tuple(_NUMBER.findall(n)) for n in names]
    columns = list(zip(*rows, strict=True)) if source.labels or len(plain) == 1 else []
    varied = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    if len(varied) != 1:
        raise Mistake(
            "grid: a picture of limits needs points along one line, and these "
            f"{len(names)} do not differ in one number alone. Choose with --points."
        )
    (index,) = varied
    try:
        numbers = [float(value) for value in columns[index]]
    except ValueError:
        raise Mistake(
            f"grid: a picture needs numbers, and {source.labels[index]!r} has other "
            "values."
        ) from None
    order = sorted(range(len(names)), key=numbers.__getitem__)
    values = [numbers[i] for i in order]
    sorted_names = [names[i] for i in order]
    if source.labels:
        return Line(source.labels[index], values, sorted_names)
    # The number that changes is called x in the name that the others share.
    count = itertools.count()
    of = _NUMBER.sub(lambda m: "x" if next(count) == index else m[0], names[0])
    return Line(f"x of {of}", values, sorted_names)
