"""What the commands print: tables for people, one document for machines."""

import contextlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from .options import Output

# A file or a pipe has no width: wide enough there for every table.
_PIPE = 160


def out() -> Console:
    """Standard output; made when used, for tests and shells redirect it."""
    width = None if sys.stdout.isatty() else _PIPE
    return Console(highlight=False, width=width)


def err() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def line(text: str = "") -> None:
    """One line of output, as it is."""
    out().print(text, markup=False, soft_wrap=True)


def error(text: str) -> None:
    """One message about what went wrong."""
    err().print(Text("error", "bold red") + Text(f": {text}"))


def warning(text: str) -> None:
    """One message about what may be wrong."""
    err().print(Text("warning", "bold yellow") + Text(f": {text}"))


@contextlib.contextmanager
def working(what: str, output: Output) -> Iterator[None]:
    """Shows on a terminal that something goes on, and what."""
    if output.quiet or not sys.stderr.isatty():
        yield
        return
    with err().status(f"{what} …"):
        yield


@contextlib.contextmanager
def counting(what: str, output: Output) -> Iterator[Callable[[int, int], None] | None]:
    """Shows on a terminal how many of how many are done; None where none looks."""
    if output.quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    progress = Progress(*columns, TimeRemainingColumn(), console=err(), transient=True)
    with contextlib.ExitStack() as shown:
        shown.enter_context(err().status(f"{what} …"))

        def report(done: int, total: int) -> None:
            if not progress.tasks:  # nothing to count until now
                shown.pop_all().close()
                shown.enter_context(progress)
                progress.add_task(f"{what} …")
            progress.update(progress.tasks[0].id, completed=done, total=total)

        yield report


def answer(content: dict[str, Any], output: Output, human: Callable[..., None]) -> None:
    """The answer of a command, for a machine or for people.

    Args:
        content: plain values and arrays.
        output: what was asked for.
        human: prints the content as a table.
    """
    content = plain(content)
    if output.as_json:
        sys.stdout.write(json.dumps(content, allow_nan=False) + "\n")
    else:
        human(content)


def plain(value: Any) -> Any:
    """Arrays as lists, numbers not rounded, None for what is not finite."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def document(content: Any, path: Path | None) -> None:
    """A document that was made, into a file or onto standard output."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    if path is None:
        sys.stdout.write(text)
    else:
        path.write_text(text)


def table(*columns: str, title: str | None = None) -> Table:
    """A table: names to the left, numbers to the right."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None)
    for i, column in enumerate(columns):
        left = i == 0 or column in ("", "samples", "types", "status", "where", "what")
        made.add_column(
            column,
            justify="left" if left else "right",
            overflow="fold",
            header_style="dim",
            no_wrap=i > 0 and not left,
        )
    return made


def with_status(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None
) -> None:
    """Print a table with a last column `status`, if any row has one to tell."""
    told = any(row[-1] for row in rows)
    made = table(*columns, *["status"] * told, title=title)
    for row in rows:
        made.add_row(*(row if told else row[:-1]))
    out().print(made)


def number(value: float | None, digits: int = 4) -> str:
    """A number for people; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}g}"


def change(value: float | None) -> str:
    """A number with its sign."""
    return "–" if value is None else f"{value:+.3g}"


def measured(value: float, error: float | None) -> str:
    """A value and its error, to three digits of the error."""
    if error is None or not 1e-6 < error < 1e6:
        return number(value, 6) if error is None else f"{value:.6g} ± {error:.3g}"
    places = max(0, 2 - math.floor(math.log10(error)))
    return f"{value:.{places}f} ± {error:.{places}f}"


def band(values: Sequence[float | None]) -> list[str]:
    """The five numbers of an expected band."""
    return [number(value) for value in values]
