"""The command that sets a limit on the parameter of interest: limit."""

import warnings
from typing import Annotated, Any

import typer

from .calculator import (
    SIGMAS,
    calculator_of,
    made,
    print_band,
    reasons,
    statistic_of,
    way,
)
from .options import (
    Choice,
    Expected,
    Files,
    ForLimits,
    Input,
    Level,
    Output,
    PseudoExperiments,
    Settings,
)
from .pictures import prepare, write
from .problem import Problem, read_problem, require_poi
from .signature import with_options

_SIX = ("observed", *SIGMAS)
_VALUES = 41  # of the parameter of interest, in a picture of CLs
_VALUES_OF_TOYS = 10  # where each takes as long as a test by pseudo-experiments


@with_options
def limit(
    given: Input,
    choice: Choice,
    settings: Settings,
    output: Output,
    files: Files,
    expected: Expected,
    pseudo: PseudoExperiments,
    level: Level = 0.05,
    statistic: Annotated[
        ForLimits, typer.Option(help="Test statistic.")
    ] = ForLimits.qtilde,
) -> None:
    """The CLs upper limit, observed and expected.

    --plot and --hepdata show CLs at values around it.
    """
    import fitkit

    from . import show

    prepare(files)
    problem = read_problem(given, choice, settings)
    require_poi(problem.model, "limit")
    with show.counting("searching the limit", output) as progress:
        calculator = calculator_of(expected, pseudo, progress)
        how = {"statistic": statistic_of(statistic), "calculator": calculator}
        limits = fitkit.upper_limit(
            problem.model, problem.data, level=level, throw=False, **how
        )
    content = {
        "status": "ok" if limits.converged[0] else "failed",
        "poi": problem.model.poi,
        "level": level,
        "statistic": statistic.value,
        **made(pseudo, limits.band),
        "observed": limits.observed,
        "expected": limits.expected,
        "converged": limits.converged,
    }
    if pseudo.toys:
        content |= {
            "observed_error": limits.observed_error,
            "expected_error": limits.expected_error,
            "toys": pseudo.toys,
            "seed": pseudo.seed,
            "tested": limits.tested,
            "failed_toys": limits.failed.sum(axis=0),
        }
    show.answer(content, output, _print)
    if (files.plot or files.hepdata) and (top := _highest(limits)):
        with show.working("testing values around the limit", output):
            tests = _around(top, problem, how, pseudo)
        write(
            files,
            lambda plot: plot.cls_scan(tests, limit=limits),
            lambda hepdata: hepdata.cls_scan(tests, poi=problem.model.poi),
        )
    # One that is missing, as where CLs does not fall, is no reason to lose the others.
    missing = [n for n, ok in zip(_SIX, limits.converged, strict=True) if not ok]
    if not missing:
        return
    message = f"limit: no limit at {', '.join(missing)}: " + (
        reasons(problem)
        or f"CLs does not fall to {level:g} there, or a fit on the way to it found no "
        "minimum."
    )
    if missing[0] == _SIX[0]:
        raise fitkit.FitError(message)
    warnings.warn(f"{message} The others stand.", stacklevel=1)


def _print(content: dict[str, Any]) -> None:
    from . import show

    show.line(
        f"{100 * (1 - content['level']):g} % CLs upper limit on {content['poi']} "
        f"({content['statistic']}, {way(content)})"
    )
    print_band(
        content["observed"],
        content["expected"],
        content.get("observed_error"),
        content.get("expected_error"),
    )


def _highest(limits: Any) -> float:
    """The highest of the limits that there are; 0 where there is none."""
    import numpy as np

    six = np.array([limits.observed, *limits.expected])
    return float(np.max(six[np.isfinite(six)], initial=0.0))


def _around(
    top: float, problem: Problem, how: dict[str, Any], pseudo: PseudoExperiments
) -> list[Any]:
    """Tests of values from zero to beyond the limits, for a picture."""
    import numpy as np

    import fitkit

    count = _VALUES_OF_TOYS if pseudo.toys else _VALUES
    # By pseudo-experiments not at 0, where both hypotheses are the same.
    values = np.linspace(0.0, 1.2 * top, count + 1)[1 if pseudo.toys else 0 :]
    return [
        fitkit.hypotest(problem.model, problem.data, value, throw=False, **how)
        for value in values
    ]
