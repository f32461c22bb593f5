"""The page of a recorded run: its ratios beside the aims, then all that was printed."""

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
Table = dict[str, list]
Row = dict[str, Any]


class Aim(NamedTuple):
    """A ratio that we aim at, and where a script's tables have it."""

    what: str
    against: str
    aim: str
    script: str
    of: Callable[[Row], tuple[str, float] | None]  # the case, and its ratio
    several: bool = False  # the least and the geometric mean of all cases


def rows(measurement: dict[str, Any]) -> Iterator[Row]:
    """Each row of each table, by column; a column's second namesake is `name 2`."""
    for table in measurement["tables"]:
        seen: dict[str, int] = {}
        names = []
        for name in table["head"]:
            seen[name] = seen.get(name, 0) + 1
            names.append(name if seen[name] == 1 else f"{name} {seen[name]}")
        for row in table["rows"]:
            yield dict(zip(names, row, strict=True))


def fits(side: str, column: str, published: bool) -> Callable:
    def of(row: Row) -> tuple[str, float] | None:
        if row.get("side") != side or not isinstance(row.get(column), float):
            return None
        generated = row["model"] in ("S", "M", "L", "XL")
        if generated is published or (published and row["params"] <= 60):
            return None
        return row["model"], row[column]

    return of


def where(column: str, named: str = "model", **wanted: str) -> Callable:
    """Rows in which the columns have these values; `_` stands for the nameless one."""
    cells = {"" if name == "_" else name: value for name, value in wanted.items()}

    def of(row: Row) -> tuple[str, float] | None:
        if not isinstance(row.get(column), float) or named not in row:
            return None
        if any(row.get(name) != value for name, value in cells.items()):
            return None
        return str(row[named]), row[column]

    return of


AIMS = [
    Aim(
        *("warm fit, published models above 60 parameters", "pyhf jax+scipy"),
        *("≥ 10 each, ≥ 20 in the mean", "fits"),
        fits("pyhf jax+scipy", "/ jit", published=True),
        several=True,
    ),
    Aim(
        *("the same, on NumPy", "pyhf numpy+scipy", "≥ 50 in the mean", "fits"),
        fits("pyhf numpy+scipy", "/ NumPy", published=True),
        several=True,
    ),
    Aim(
        *("warm fit, generated", "pyhf jax+scipy", "≥ 50 for L and XL", "fits"),
        fits("pyhf jax+scipy", "/ jit", published=False),
    ),
    Aim(
        *("warm fit, generated, on NumPy", "pyhf numpy+scipy", "", "fits"),
        fits("pyhf numpy+scipy", "/ NumPy", published=False),
    ),
    Aim(
        *("fit and gradient with respect to all templates", "the fit alone"),
        *("≤ 2", "fits"),
        where("grad / fit", side="fitkit in jit"),
    ),
    Aim(
        *("a whole process, `fitkit fit`", "`pyhf fit`", "≤ 1.5 for S", "cold"),
        where("fitkit fit / pyhf", seconds="processor"),
    ),
    Aim(
        *("hypothesis test with band, on NumPy", "pyhf's default", "", "hypotests"),
        where("pyhf: NumPy", _="hypotest, ms"),
    ),
    Aim(
        *("the same inside `jax.jit`", "pyhf's default", "≥ 1000 for M", "hypotests"),
        where("in jit 3", _="hypotest, ms"),
    ),
    Aim(
        *("upper limit with band, on NumPy", "pyhf's default", "", "hypotests"),
        where("pyhf: NumPy", _="upper limit, ms"),
    ),
    Aim(
        *("the same inside `jax.jit`", "pyhf's default", "≥ 3000 for M", "hypotests"),
        where("in jit 3", _="upper limit, ms"),
    ),
    Aim(
        *("pseudo-experiments per second, inside `jax.jit`", "pyhf's default"),
        *("≥ 100 for S, ≥ 1000 for M", "hypotests"),
        where("in jit 3", _="toys / s"),
    ),
    Aim(
        *("CLs with band of all points of a grid", "pyhf's default", "≥ 100", "grids"),
        where("pyhf / fitkit", named="grid", _="warm"),
    ),
    Aim(
        *("soft histogram with gradient", "relaxed 0.4.0", "≥ 10", "histogram"),
        where("0.4.0/ours", named="events x bins", _="gradient"),
    ),
    Aim(
        *("the same, its memory", "relaxed 0.4.0", "≥ 20", "histogram"),
        where("0.4.0/ours 2", named="events x bins", _="gradient"),
    ),
    Aim(
        *("soft histogram", "`np.histogram`", "≤ 3 for 10⁶ × 10", "histogram"),
        where("ours/numpy", named="events x bins", _="forward"),
    ),
    Aim(
        *("training step on CLs", "on cross entropy", "≤ 1.1", "training_step"),
        where("CLs / BCE", named="problem"),
    ),
]


def found(aim: Aim, result: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Case, ratio and command for each ratio of the run that the aim is about."""
    for measurement in result["measurements"]:
        if measurement["script"] != aim.script:
            continue
        cases = [case for row in rows(measurement) if (case := aim.of(row))]
        cases = [(name, ratio) for name, ratio in cases if math.isfinite(ratio)]
        command = f"`{measurement['command']}`"
        if not aim.several:
            for name, ratio in cases:
                yield name, f"{ratio:.3g}", command
        elif cases:
            ratios = [ratio for _, ratio in cases]
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            said = f"{min(ratios):.3g} at least, {mean:.3g} in the mean"
            yield f"{len(cases)} models", said, command


def question(script: str) -> str:
    """The first line of a script's docstring."""
    text = (HERE / f"{script}.py").read_text().removeprefix('"""')
    return text.partition("\n")[0].strip()


def page(result: dict[str, Any]) -> str:
    """The page as Markdown, all of it from the record."""
    machine, versions = result["machine"], result["versions"]
    lines = [
        "---",
        "orphan: true",
        "---",
        "",
        "# Benchmarks",
        "",
        f"The last recorded run: {result['date']}, commit `{result['commit']}`,",
        f"`{result['asked']}`. This page is written by that command with `--record`.",
        "",
        "Ratios are of both sides measured in turn in one run; times are this",
        "machine's, and noisy by a fifth. What each script compares, and by which",
        "rules, stands in the `README.md` of `benchmarks/`.",
        "",
        "## Ratios",
        "",
        "| what | against | case | ratio | aim | measured by |",
        "|---|---|---|---|---|---|",
    ]
    for aim in AIMS:
        for case, ratio, command in found(aim, result):
            cells = (aim.what, aim.against, case, ratio, aim.aim, command)
            lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "≥: how many times faster, or less memory, we are; ≤: how many times longer we",
        "take.",
        "",
        "## Machine and versions",
        "",
        "| | |",
        "|---|---|",
        *(f"| {what} | {value} |" for what, value in machine.items()),
        *(f"| {name} | {version} |" for name, version in versions.items()),
        "",
        "## All tables",
        "",
    ]
    for measurement in result["measurements"]:
        seconds = f"{measurement['seconds']:.0f} s"
        failed = f", ended with {measurement['status']}" * bool(measurement["status"])
        lines += [
            f"### {measurement['script']}",
            "",
            question(measurement["script"]),
            "",
            f"`{measurement['command']}`, {seconds}{failed}:",
            "",
            "```text",
            *(line.rstrip() for line in measurement["printed"].rstrip().splitlines()),
            "```",
            "",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    record = Path(sys.argv[1])
    record.with_suffix(".md").write_text(page(json.loads(record.read_text())))
