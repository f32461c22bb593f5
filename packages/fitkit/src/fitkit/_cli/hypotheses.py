"""Commands that test the parameter of interest: hypotest, limit, significance, toys."""

from typing import Annotated, Any

import typer

from .options import (
    Band,
    Choice,
    Expected,
    Fits,
    ForLimits,
    Input,
    Kept,
    Level,
    Output,
    Pseudo,
    Statistic,
    Tested,
)
from .pictures import keep, prepare
from .problem import Problem, experiments, problem
from .signature import with_options

_PANEL = "Test"
_SIGMAS = ("-2σ", "-1σ", "median", "+1σ", "+2σ")
_VALUES = 41  # of the parameter of interest, in a picture of CLs
_CUTS = (0.5, 0.84, 0.95, 0.99)  # quantiles of the distributions that toys lists


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    for command in (limit, hypotest, significance, toys):
        app.command(rich_help_panel=_PANEL)(command)


def statistic_of(name: str) -> Any:
    """The test statistic of a name."""
    import fitkit

    return {
        "qtilde": fitkit.QMuTilde(),
        "q": fitkit.QMu(),
        "t": fitkit.TMu(),
        "ttilde": fitkit.TMuTilde(),
    }[name]


def asymptotics_of(expected: Expected) -> Any:
    """The calculator whose band is the wanted one."""
    import fitkit

    return fitkit.Asymptotics(
        clipped=expected.band == Band.clipped_normal,
        quantiles=expected.band == Band.quantiles,
        nominal_aux=expected.nominal_aux,
    )


def _calculator(expected: Expected, pseudo: Pseudo, progress: Any) -> Any:
    return experiments(pseudo, progress) or asymptotics_of(expected)


def _require(good: Any, call: str, or_else: str = "") -> None:
    """Raise where a fit found no minimum; after the answer, which says so too."""
    import numpy as np

    import fitkit

    if not np.all(good):
        raise fitkit.FitError(
            f"a fit of {call} found no minimum{or_else}. `fitkit fit` on the same "
            "input, also with --fix of the parameter of interest, gives the reason."
        )


def _status(good: Any) -> str:
    return "ok" if good else "failed"


@with_options
def limit(
    given: Input,
    choice: Choice,
    fits: Fits,
    output: Output,
    kept: Kept,
    expected: Expected,
    pseudo: Pseudo,
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

    prepare(kept)
    read = problem(given, choice, fits)
    with show.counting("searching the limit", output) as progress:
        calculator = _calculator(expected, pseudo, progress)
        how = {"statistic": statistic_of(statistic), "calculator": calculator}
        how |= {"throw": False, **read.options}
        found: Any = fitkit.upper_limit(read.model, read.data, level=level, **how)
    content = {
        "status": _status(found.converged.all()),
        "poi": read.model.poi,
        "level": level,
        "statistic": statistic.value,
        "calculator": "toys" if pseudo.toys else "asymptotics",
        "band": None if pseudo.toys else found.band,
        "observed": found.observed,
        "expected": found.expected,
        "converged": found.converged,
    }
    if pseudo.toys:
        content |= {
            "toys": pseudo.toys,
            "seed": pseudo.seed,
            "failed_toys": found.failed.sum(axis=0),
            "tested": found.tested,
            "observed_error": found.observed_error,
            "expected_error": found.expected_error,
        }

    def human(content: dict[str, Any]) -> None:
        show.line(
            f"{100 * (1 - content['level']):g} % CLs upper limit on {content['poi']} "
            f"({content['statistic']}, {_way(content)})"
        )
        errors = (content.get("observed_error"), content.get("expected_error"))
        _print_band(content["observed"], content["expected"], *errors)

    show.answer(content, output, human)
    _require(found.converged, "the limit", ", or CLs does not fall to the level")
    if kept.plot or kept.hepdata:
        with show.working("testing values around the limit", output):
            tests = _around(found, read, how, pseudo)
        keep(
            kept,
            lambda plot: plot.cls_scan(tests, limit=found),
            lambda hepdata: hepdata.cls_scan(tests, poi=read.model.poi),
        )


def _around(found: Any, read: Problem, how: dict[str, Any], pseudo: Pseudo) -> Any:
    """Tests of values from zero to beyond the limits, for a picture."""
    import jax
    import numpy as np

    import fitkit

    top = 1.2 * max(float(found.observed), float(found.expected[-1]))

    def test(mu: Any) -> Any:
        return fitkit.hypotest(mu, read.model, read.data, **how)

    if pseudo.toys:  # each value takes as long as a test does
        return [test(mu) for mu in np.linspace(top / 10, top, 10)]
    return jax.vmap(test)(np.linspace(0.0, top, _VALUES))


def _print_band(
    observed: float | None,
    expected: list[float | None],
    observed_error: float | None = None,
    expected_error: list[float | None] | None = None,
) -> None:
    from . import show

    table = show.table("", "observed", *_SIGMAS)
    table.add_row("", show.number(observed), *show.band(expected))
    if expected_error is not None:
        errors = [observed_error, *expected_error]
        table.add_row("±", *(show.number(error, 2) for error in errors))
    show.out().print(table)


@with_options
def hypotest(
    given: Input,
    choice: Choice,
    fits: Fits,
    output: Output,
    expected: Expected,
    pseudo: Pseudo,
    mu: Tested = 1.0,
    statistic: Annotated[
        Statistic, typer.Option(help="Test statistic.")
    ] = Statistic.qtilde,
) -> None:
    """CLs of one value, observed and expected."""
    import fitkit

    from . import show

    read = problem(given, choice, fits)
    with show.counting("testing", output) as progress:
        found: Any = fitkit.hypotest(
            mu,
            read.model,
            read.data,
            statistic=statistic_of(statistic),
            calculator=_calculator(expected, pseudo, progress),
            throw=False,
            **read.options,
        )
    content = {
        "status": _status(found.converged),
        "poi": read.model.poi,
        "mu": mu,
        "statistic": statistic.value,
        "calculator": "toys" if pseudo.toys else "asymptotics",
        "band": None if pseudo.toys else found.band,
        "observed_statistic": found.statistic,
        "cls_observed": found.cls_observed,
        "cls_expected": found.cls_expected,
        "cl_sb": found.cl_sb,
        "cl_b": found.cl_b,
    }
    if pseudo.toys:
        content |= _of_toys(found, pseudo)
        content["cls_observed_error"] = found.cls_observed_error
    else:
        content |= {
            "log_cls_observed": found.log_cls_observed,
            "log_cls_expected": found.log_cls_expected,
            "log_cl_sb": found.log_cl_sb,
            "log_cl_b": found.log_cl_b,
            "asimov_statistic": found.statistic_asimov,
            "best": found.best,
        }

    def human(content: dict[str, Any]) -> None:
        show.line(
            f"CLs of {content['poi']} = {content['mu']:g} ({content['statistic']}, "
            + _way(content)
            + ")"
        )
        _print_band(content["cls_observed"], content["cls_expected"])
        show.line()
        cl_sb, cl_b = content["cl_sb"], content["cl_b"]
        show.line(f"CLs+b {show.number(cl_sb)}, CLb {show.number(cl_b)}")
        if pseudo.toys:
            error = show.number(content["cls_observed_error"], 2)
            show.line(f"statistical error of the observed CLs {error}")

    show.answer(content, output, human)
    _require(found.converged, "the test")


def _of_toys(found: Any, pseudo: Pseudo) -> dict[str, Any]:
    return {
        "toys": pseudo.toys,
        "seed": pseudo.seed,
        "failed_toys": [int(count) for count in found.failed],
        "cl_sb_error": found.cl_sb_error,
        "cl_b_error": found.cl_b_error,
    }


def _way(content: dict[str, Any]) -> str:
    if content["calculator"] != "toys":
        return f"band {content['band']}"
    failed = content["failed_toys"]
    note = f", {failed[0]} and {failed[1]} of them failed" if any(failed) else ""
    return f"2 x {content['toys']} pseudo-experiments{note}"


@with_options
def significance(
    given: Input,
    choice: Choice,
    fits: Fits,
    output: Output,
    expected: Expected,
    pseudo: Pseudo,
) -> None:
    """The discovery p-value and significance.

    Observed, and expected for a signal of strength 1.
    """
    import fitkit

    from . import show

    read = problem(given, choice, fits)
    with show.counting("testing", output) as progress:
        found: Any = fitkit.hypotest(
            0.0,
            read.model,
            read.data,
            statistic=fitkit.Q0(),
            calculator=_calculator(expected, pseudo, progress),
            throw=False,
            **read.options,
        )
    content = {
        "status": _status(found.converged),
        "poi": read.model.poi,
        "calculator": "toys" if pseudo.toys else "asymptotics",
        "band": None if pseudo.toys else found.band,
        "observed_statistic": found.statistic,
        "p0_observed": found.p0_observed,
        "p0_expected": found.p0_expected,
    }
    if pseudo.toys:
        content |= _of_toys(found, pseudo)
    else:
        content |= {
            "log_p0_observed": found.log_p0_observed,
            "log_p0_expected": found.log_p0_expected,
            "significance_observed": found.significance_observed,
            "significance_expected": found.significance_expected,
            "best": found.best,
        }

    def human(content: dict[str, Any]) -> None:
        show.line(f"Absence of the signal of {content['poi']} (q0, {_way(content)})")
        table = show.table(
            "", "observed", "expected", *(s for s in _SIGMAS if "σ" in s)
        )
        observed, band = content["p0_observed"], show.band(content["p0_expected"])
        others = [band[i] for i in (0, 1, 3, 4)]
        table.add_row("p-value", show.number(observed), band[2], *others)
        if not pseudo.toys:
            names = ("significance_observed", "significance_expected")
            table.add_row("significance", *(show.number(content[n]) for n in names))
        show.out().print(table)
        if pseudo.toys:
            show.line()
            error = show.number(content["cl_sb_error"], 2)
            show.line(f"statistical error of the observed p-value {error}")

    show.answer(content, output, human)
    _require(found.converged, "the test")


@with_options
def toys(
    given: Input,
    choice: Choice,
    fits: Fits,
    output: Output,
    n: Annotated[
        int, typer.Option("--toys", "-n", min=1, help="Of each hypothesis.")
    ] = 2000,
    seed: Annotated[int, typer.Option(help="Of the pseudo-experiments.")] = 0,
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

    read = problem(given, choice, fits)
    pseudo = Pseudo(n, seed)
    with show.counting("fitting pseudo-experiments", output) as progress:
        found: Any = fitkit.hypotest(
            mu,
            read.model,
            read.data,
            statistic=statistic_of(statistic),
            calculator=experiments(pseudo, progress),
            throw=False,
            **read.options,
        )
    content = {
        "status": _status(found.converged),
        "poi": read.model.poi,
        "mu": mu,
        "statistic": statistic.value,
        "observed_statistic": found.statistic,
        "cl_sb": found.cl_sb,
        "cl_b": found.cl_b,
        **_of_toys(found, pseudo),
        "toys_sb": found.toys_sb,
        "toys_b": found.toys_b,
    }

    def human(content: dict[str, Any]) -> None:
        show.line(
            f"{content['statistic']} of {content['poi']} = {content['mu']:g}, observed "
            f"{show.number(content['observed_statistic'])}"
        )
        quantiles = (f"{100 * cut:g} %" for cut in _CUTS)
        table = show.table("pseudo-experiments", "fitted", "≥ observed", *quantiles)
        for name, key, tail in (
            (f"{content['poi']} = {content['mu']:g}", "toys_sb", "cl_sb"),
            ("alternative", "toys_b", "cl_b"),
        ):
            values = [value for value in content[key] if value is not None]
            cuts = np.quantile(values, _CUTS) if values else [None] * len(_CUTS)
            part = f"{show.number(content[tail])} ± "
            part += show.number(content[f"{tail}_error"], 2)
            table.add_row(name, str(len(values)), part, *map(show.number, cuts))
        show.out().print(table)

    show.answer(content, output, human)
    _require(found.converged, "the test")
