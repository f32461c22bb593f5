"""How a test is made, and what is printed of it: statistic, calculator, band."""

from collections.abc import Sequence
from typing import Any

from .options import Band, Expected, PseudoExperiments
from .problem import Problem

SIGMAS = ("-2σ", "-1σ", "median", "+1σ", "+2σ")


def experiments(pseudo: PseudoExperiments, progress: Any) -> Any:
    """The pseudo-experiments that the options ask for, or None.

    Args:
        pseudo: the options.
        progress: told how many of how many are done, or None.
    """
    if pseudo.toys is None:
        return None
    import jax

    import fitkit

    return fitkit.Toys(jax.random.key(pseudo.seed), pseudo.toys, progress=progress)


def statistic_of(name: str) -> Any:
    """The test statistic of a name."""
    import fitkit

    return {
        "qtilde": fitkit.QMuTilde(),
        "q": fitkit.QMu(),
        "t": fitkit.TMu(),
        "ttilde": fitkit.TMuTilde(),
    }[name]


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


def made(pseudo: PseudoExperiments, band: str) -> dict[str, Any]:
    """How a test was made, as the answers to all tests tell it."""
    calculator = "toys" if pseudo.toys else "asymptotics"
    return {"calculator": calculator, "band": band}


def way(content: dict[str, Any]) -> str:
    """How the answer was worked out, in words."""
    if content["calculator"] != "toys":
        return f"band {content['band']}"
    failed = content["failed_toys"]
    note = f", {failed[0]} and {failed[1]} of them failed" if any(failed) else ""
    return f"2 x {content['toys']} pseudo-experiments{note}"


def reasons(problem: Problem, *values: float) -> str:
    """Why a test has no result: what is wrong with the fits that it is made of.

    Args:
        problem: what is tested.
        values: of the parameter of interest, at which it is fixed.

    Returns:
        A message; empty where the fits to the data are all right.
    """
    import fitkit

    # Fits take milliseconds: made once more they say why, which a test cannot.
    model, data = problem.model, problem.data
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
