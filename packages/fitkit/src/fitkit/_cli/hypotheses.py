"""Commands that test the parameter of interest: hypotest, significance, toys."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from .options import (
    Band,
    Choice,
    Expected,
    Input,
    Output,
    PseudoExperiments,
    Seed,
    Settings,
    Statistic,
    Tested,
)
from .problem import Problem, experiments, problem, require_poi
from .signature import with_options

SIGMAS = ("-2σ", "-1σ", "median", "+1σ", "+2σ")
_CUTS = (0.5, 0.84, 0.95, 0.99)  # quantiles of the distributions that toys lists


def statistic_of(name: str) -> Any:
    """The test statistic of a name."""
    import fitkit

    return {
        "qtilde": fitkit.QMuTilde,
        "q": fitkit.QMu,
        "t": fitkit.TMu,
        "ttilde": fitkit.TMuTilde,
    }[name]()


def calculator_of(
    expected: Expected, pseudo: PseudoExperiments, progress: Any = None
) -> Any:
    """Pseudo-experiments where they are wanted, else the formulae and their band."""
    import fitkit

    return experiments(pseudo, progress) or fitkit.Asymptotics(
        clipped=expected.band == Band.clipped_normal,
        quantiles=expected.band == Band.quantiles,
        nominal_aux=expected.nominal_aux,
    )


def way(content: dict[str, Any]) -> str:
    """How the answer was worked out, in words."""
    if content["calculator"] != "toys":
        return f"band {content['band']}"
    failed = content["failed_toys"]
    note = f", {failed[0]} and {failed[1]} of them failed" if any(failed) else ""
    return f"2 x {content['toys']} pseudo-experiments{note}"


def reasons(read: Problem, *values: float) -> str:
    """Why a test has no result: what is wrong with the fits that it is made of.

    Args:
        read: what is tested.
        values: of the parameter of interest, at which it is fixed.

    Returns:
        A message; empty where the fits to the data are all right.
    """
    import fitkit

    model, data = read.model, read.data
    try:
        fitkit.fit(model, data)
    except fitkit.FitError as error:
        return f"the free fit: {error}"
    for value in values:
        try:
            fitkit.fixed_poi_fit(model, data, value)
        except fitkit.FitError as error:
            return f"the fit with {model.poi} = {value:g}: {error}"
    return ""


def _require(found: Any, command: str, read: Problem, *values: float) -> None:
    """Raise where a fit found no minimum; after the answer, which says so too."""
    import fitkit

    if not found.converged:
        reason = reasons(read, *values)
        raise fitkit.FitError(
            f"{command}: a fit found no minimum. "
            + (reason or "It is one to the expected data (Asimov data) of the test.")
        )


def print_band(
    observed: float | None,
    expected: Sequence[float | None],
    observed_error: float | None = None,
    expected_error: Sequence[float | None] | None = None,
) -> None:
    """Print an observed and five expected numbers, with their errors if any."""
    from . import show

    table = show.table("", "observed", *SIGMAS)
    table.add_row("", *map(show.number, (observed, *expected)))
    if expected_error is not None:
        errors = (observed_error, *expected_error)
        table.add_row("±", *(show.number(error, 2) for error in errors))
    show.print_table(table)


@with_options
def hypotest(
    given: Input,
    choice: Choice,
    settings: Settings,
    output: Output,
    expected: Expected,
    pseudo: PseudoExperiments,
    mu: Tested = 1.0,
    statistic: Annotated[
        Statistic, typer.Option(help="Test statistic.")
    ] = Statistic.qtilde,
) -> None:
    """CLs of one value, observed and expected."""
    import fitkit

    from . import show

    read = problem(given, choice, settings)
    require_poi(read.model, "hypotest")
    with show.counting("testing", output) as progress:
        found = fitkit.hypotest(
            read.model,
            read.data,
            mu,
            statistic=statistic_of(statistic),
            calculator=calculator_of(expected, pseudo, progress),
            throw=False,
        )
    content = {
        **_of_test(found, read, pseudo),
        "mu": mu,
        "statistic": statistic.value,
        "cls": found.cls,
        "cls_expected": found.cls_expected,
        "cl_sb": found.cl_sb,
        "cl_b": found.cl_b,
    }
    if pseudo.toys:
        content |= {
            "cls_error": found.cls_error,
            "cls_expected_error": found.cls_expected_error,
            "cl_sb_error": found.cl_sb_error,
            "cl_b_error": found.cl_b_error,
        }
    else:
        content |= {
            "log_cls": found.log_cls,
            "log_cls_expected": found.log_cls_expected,
            "log_cl_sb": found.log_cl_sb,
            "log_cl_b": found.log_cl_b,
        }

    def human(content: dict[str, Any]) -> None:
        show.line(
            f"CLs of {content['poi']} = {content['mu']:g} ({content['statistic']}, "
            f"{way(content)})"
        )
        errors = (content.get("cls_error"), content.get("cls_expected_error"))
        print_band(content["cls"], content["cls_expected"], *errors)
        show.line()
        cl_sb, cl_b = content["cl_sb"], content["cl_b"]
        show.line(f"CLs+b {show.number(cl_sb)}, CLb {show.number(cl_b)}")

    show.answer(content, output, human)
    _require(found, "hypotest", read, mu)


def _of_test(found: Any, read: Problem, pseudo: PseudoExperiments) -> dict[str, Any]:
    """What the answers to all tests have in common."""
    content = {
        "status": "ok" if found.converged else "failed",
        "poi": read.model.poi,
        "calculator": "toys" if pseudo.toys else "asymptotics",
        "band": found.band,
        "best": found.best,
        "observed_statistic": found.statistic,
    }
    if pseudo.toys:
        content |= {
            "toys": pseudo.toys,
            "seed": pseudo.seed,
            "failed_toys": found.failed,
        }
    else:
        content["asimov_statistic"] = found.statistic_asimov
    return content


@with_options
def significance(
    given: Input,
    choice: Choice,
    settings: Settings,
    output: Output,
    expected: Expected,
    pseudo: PseudoExperiments,
) -> None:
    """The discovery p-value and significance.

    Observed, and expected for a signal of strength 1.
    """
    import fitkit

    from . import show

    read = problem(given, choice, settings)
    require_poi(read.model, "significance")
    with show.counting("testing", output) as progress:
        found = fitkit.discovery(
            read.model,
            read.data,
            calculator=calculator_of(expected, pseudo, progress),
            throw=False,
        )
    content = {
        **_of_test(found, read, pseudo),
        "p0": found.p0,
        "p0_expected": found.p0_expected,
        "significance": found.significance,
        "significance_expected": found.significance_expected,
    }
    if pseudo.toys:
        content |= {
            "p0_error": found.p0_error,
            "p0_expected_error": found.p0_expected_error,
        }
    else:
        content |= {"log_p0": found.log_p0, "log_p0_expected": found.log_p0_expected}

    def human(content: dict[str, Any]) -> None:
        show.line(f"Absence of the signal of {content['poi']} (q0, {way(content)})")
        table = show.table("", "observed", *(f"expected {s}" for s in SIGMAS))
        for name, key in (("p-value", "p0"), ("significance", "significance")):
            numbers = (content[key], *content[f"{key}_expected"])
            table.add_row(name, *map(show.number, numbers))
            if f"{key}_error" in content:
                errors = (content[f"{key}_error"], *content[f"{key}_expected_error"])
                table.add_row("±", *(show.number(error, 2) for error in errors))
        show.print_table(table)

    show.answer(content, output, human)
    _require(found, "significance", read, 0.0)


@with_options
def toys(
    given: Input,
    choice: Choice,
    settings: Settings,
    output: Output,
    n: Annotated[
        int, typer.Option("--toys", "-n", min=1, help="Of each hypothesis.")
    ] = 2000,
    seed: Seed = 0,
    mu: Tested = 1.0,
    statistic: Annotated[
        Statistic, typer.Option(help="Test statistic.")
    ] = Statistic.qtilde,
) -> None:
    """The distributions of a test statistic by pseudo-experiments.

    With --json the statistic of each of them.
    """
    import numpy as np

    import fitkit

    from . import show

    read = problem(given, choice, settings)
    require_poi(read.model, "toys")
    pseudo = PseudoExperiments(n, seed)
    with show.counting("fitting pseudo-experiments", output) as progress:
        found = fitkit.hypotest(
            read.model,
            read.data,
            mu,
            statistic=statistic_of(statistic),
            calculator=experiments(pseudo, progress),
            throw=False,
        )
    content = {
        **_of_test(found, read, pseudo),
        "mu": mu,
        "statistic": statistic.value,
        "cl_sb": found.cl_sb,
        "cl_b": found.cl_b,
        "cl_sb_error": found.cl_sb_error,
        "cl_b_error": found.cl_b_error,
        "toys_sb": found.toys_sb,
        "toys_b": found.toys_b,
    }

    def human(content: dict[str, Any]) -> None:
        tested = f"{content['poi']} = {content['mu']:g}"
        observed = show.number(content["observed_statistic"])
        show.line(f"{content['statistic']} of {tested}, observed {observed}")
        quantiles = (f"{100 * cut:g} %" for cut in _CUTS)
        table = show.table("pseudo-experiments", "fitted", "≥ observed", *quantiles)
        for name, key, tail in (
            (tested, "toys_sb", "cl_sb"),
            ("alternative", "toys_b", "cl_b"),
        ):
            values = [value for value in content[key] if value is not None]
            cuts = np.quantile(values, _CUTS) if values else [None] * len(_CUTS)
            part = f"{show.number(content[tail])} ± "
            part += show.number(content[f"{tail}_error"], 2)
            table.add_row(name, str(len(values)), part, *map(show.number, cuts))
        show.print_table(table)

    show.answer(content, output, human)
    _require(found, "toys", read, mu)
