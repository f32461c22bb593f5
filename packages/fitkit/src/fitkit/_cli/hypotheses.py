"""Commands that test the parameter of interest: hypotest, significance, toys."""

from typing import Annotated, Any

import typer

from .calculator import (
    SIGMAS,
    calculator_of,
    experiments,
    made,
    print_band,
    reasons,
    statistic_of,
    way,
)
from .options import (
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
from .problem import Problem, read_problem, require_poi
from .signature import with_options

_CUTS = (0.5, 0.84, 0.95, 0.99)  # quantiles of the distributions that toys lists


def _require(result: Any, command: str, problem: Problem, *values: float) -> None:
    """Raise where a fit found no minimum; after the answer, which says so too."""
    import fitkit

    if not result.converged:
        reason = reasons(problem, *values)
        raise fitkit.FitError(
            f"{command}: a fit found no minimum. "
            + (reason or "It is one to the expected data (Asimov data) of the test.")
        )


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
    from . import show

    problem = read_problem(given, choice, settings)
    require_poi(problem.model, "hypotest")
    with show.counting("testing", output) as progress:
        calculator = calculator_of(expected, pseudo, progress)
        result = _tested(problem, mu, statistic, calculator)
    # The keys are the attributes of the library's result.
    content = {
        **_of_test(result, problem, pseudo),
        "mu": mu,
        "statistic": statistic.value,
        "cls": result.cls,
        "cls_expected": result.cls_expected,
        "cl_sb": result.cl_sb,
        "cl_b": result.cl_b,
    }
    if pseudo.toys:
        content |= {
            "cls_error": result.cls_error,
            "cls_expected_error": result.cls_expected_error,
            "cl_sb_error": result.cl_sb_error,
            "cl_b_error": result.cl_b_error,
        }
    else:
        # Tails as small as 1e-400 are 0 as numbers, and differ as logarithms.
        content |= {
            "log_cls": result.log_cls,
            "log_cls_expected": result.log_cls_expected,
            "log_cl_sb": result.log_cl_sb,
            "log_cl_b": result.log_cl_b,
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
    _require(result, "hypotest", problem, mu)


def _tested(problem: Problem, mu: float, statistic: Statistic, calculator: Any) -> Any:
    """The library's test of one value."""
    import fitkit

    return fitkit.hypotest(
        problem.model,
        problem.data,
        mu,
        statistic=statistic_of(statistic),
        calculator=calculator,
        throw=False,
    )


def _of_test(
    result: Any, problem: Problem, pseudo: PseudoExperiments
) -> dict[str, Any]:
    """What the answers to all tests have in common."""
    content = {
        "status": "ok" if result.converged else "failed",
        "poi": problem.model.poi,
        **made(pseudo, result.band),
        "best": result.best,
        "observed_statistic": result.statistic,
    }
    if pseudo.toys:
        content |= {
            "toys": pseudo.toys,
            "seed": pseudo.seed,
            "failed_toys": result.failed,
        }
    else:
        content["asimov_statistic"] = result.statistic_asimov
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

    problem = read_problem(given, choice, settings)
    require_poi(problem.model, "significance")
    with show.counting("testing", output) as progress:
        result = fitkit.discovery(
            problem.model,
            problem.data,
            calculator=calculator_of(expected, pseudo, progress),
            throw=False,
        )
    content = {
        **_of_test(result, problem, pseudo),
        "p0": result.p0,
        "p0_expected": result.p0_expected,
        "significance": result.significance,
        "significance_expected": result.significance_expected,
    }
    if pseudo.toys:
        content |= {
            "p0_error": result.p0_error,
            "p0_expected_error": result.p0_expected_error,
        }
    else:
        content |= {"log_p0": result.log_p0, "log_p0_expected": result.log_p0_expected}

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
    _require(result, "significance", problem, 0.0)


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

    from . import show

    problem = read_problem(given, choice, settings)
    require_poi(problem.model, "toys")
    pseudo = PseudoExperiments(n, seed)
    with show.counting("fitting pseudo-experiments", output) as progress:
        result = _tested(problem, mu, statistic, experiments(pseudo, progress))
    content = {
        **_of_test(result, problem, pseudo),
        "mu": mu,
        "statistic": statistic.value,
        "cl_sb": result.cl_sb,
        "cl_b": result.cl_b,
        "cl_sb_error": result.cl_sb_error,
        "cl_b_error": result.cl_b_error,
        "toys_sb": result.toys_sb,
        "toys_b": result.toys_b,
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
    _require(result, "toys", problem, mu)
