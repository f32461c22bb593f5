"""Commands that compare the model with the data: yields, gof."""

from typing import Annotated, Any

import typer

from .calculator import experiments
from .names import Mistake
from .options import (
    Choice,
    Files,
    Input,
    Output,
    PseudoExperiments,
    Settings,
    Stored,
)
from .pictures import prepare, write
from .problem import read_problem, stored_fit
from .signature import with_options

_CELL = 11  # characters of a number in a table, with the space before it
_TOTALS = {"expected": "total", "±": "error", "data": "observed"}


@with_options
def yields(
    given: Input,
    choice: Choice,
    settings: Settings,
    output: Output,
    files: Files,
    prefit: Annotated[
        bool, typer.Option("--prefit", help="Before the fit, not after it.")
    ] = False,
    stored: Stored = None,
) -> None:
    """Expected yields by channel, sample and bin.

    Uncertainties are correlated between bins.
    """
    import fitkit

    from . import show

    prepare(files)
    problem = read_problem(given, choice, settings)
    if prefit and stored is not None:
        raise Mistake("--prefit is before any fit: leave out --fit.")
    best = stored_fit(stored, problem)
    with show.working("fitting", output):
        data = None if prefit else problem.data
        result = fitkit.predicted_yields(problem.model, data, best=best)
    content = {
        "prefit": prefit,
        "channels": [
            {
                "name": name,
                "observed": problem.data.main[name],
                "total": total,
                "error": result.error[name],
                "sum": result.channel_total[name],
                "sum_error": result.channel_error[name],
                "samples": result.samples[name],
            }
            for name, total in result.total.items()
        ],
    }
    show.answer(content, output, _print)
    write(
        files,
        lambda plot: plot.yields(result, problem.data),
        lambda hepdata: hepdata.yields(result, problem.data),
    )


def _print(content: dict[str, Any]) -> None:
    from . import show

    for channel in content["channels"]:
        rows = list(channel["samples"].items())
        rows += [(name, channel[key]) for name, key in _TOTALS.items()]
        sums = [_sum(counts) for counts in channel["samples"].values()]
        sums += [channel["sum"], channel["sum_error"], _sum(channel["observed"])]
        bins = len(channel["total"])
        # As many bins side by side as the terminal has place for.
        place = show.width() - max(len(name) for name, _ in rows) - _CELL
        step = max(1, min(bins, place // _CELL))
        for start in range(0, bins, step):
            part = range(start, min(start + step, bins))
            table = show.table(
                "sample",
                *([] if start else ["sum"]),
                *map(str, part),
                title=channel["name"] if start == 0 else None,
            )
            for i, ((name, counts), total) in enumerate(zip(rows, sums, strict=True)):
                if i == len(channel["samples"]):
                    table.add_section()
                cells = ([] if start else [total]) + [counts[b] for b in part]
                table.add_row(name, *map(show.number, cells))
            show.print_table(table)
        show.line()


def _sum(counts: list[float | None]) -> float | None:
    """None where a channel is masked."""
    return None if None in counts else sum(counts)


@with_options
def gof(
    given: Input,
    choice: Choice,
    settings: Settings,
    output: Output,
    pseudo: PseudoExperiments,
) -> None:
    """How well the model describes the data: saturated model."""
    import fitkit

    from . import show

    problem = read_problem(given, choice, settings)
    with show.counting("fitting", output) as progress:
        toys = experiments(pseudo, progress)
        result = fitkit.goodness_of_fit(problem.model, problem.data, toys=toys)
    content: dict[str, Any] = {
        "statistic": result.statistic,
        "degrees_of_freedom": result.degrees_of_freedom,
        "p_value": result.p_value,
    }
    if pseudo.toys:
        content |= {
            "p_value_error": result.p_value_error,
            "toys": pseudo.toys,
            "seed": pseudo.seed,
            "failed_toys": result.failed,
        }

    def human(content: dict[str, Any]) -> None:
        way = ""
        if pseudo.toys:
            failed = content["failed_toys"]
            way = f" ± {show.number(content['p_value_error'], 2)}"
            way += f" ({pseudo.toys} pseudo-experiments"
            way += f", {failed} of them failed)" if failed else ")"
        show.line(
            f"saturated model: {show.fixed(content['statistic'], 4)} for "
            f"{content['degrees_of_freedom']} degrees of freedom, p = "
            f"{show.number(content['p_value'])}{way}"
        )

    show.answer(content, output, human)
