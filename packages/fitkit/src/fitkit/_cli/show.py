"""What the commands print: tables for people, one document for machines."""

import contextlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import Output

# rich is imported where something is printed with it: an answer in JSON needs none.
if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# A file or a pipe has no width: wide enough there for every table.
_PIPE = 10_000
# Columns whose texts may go over several lines.
_TEXTS = ("", "samples", "types", "status", "where", "what")
_NARROWEST = 16  # of such a column, in characters
_PADDING = 2


def out(width: int | None = None) -> "Console":
    """Standard output; made when used, for tests and shells redirect it."""
    from rich.console import Console

    # Names are the user's: `[fb]` is no markup, and `:pi:` no emoji.
    return Console(highlight=False, markup=False, emoji=False, width=width)


def err() -> "Console":
    """Standard error."""
    from rich.console import Console

    return Console(
        stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True
    )


def width() -> int:
    """How many characters a line of standard output may have."""
    return out().width if sys.stdout.isatty() else _PIPE


def line(text: str = "") -> None:
    """One line of output, as it is."""
    out().print(text, soft_wrap=True)


def error(text: str) -> None:
    """One message about what went wrong."""
    _message("error", "bold red", text)


def warning(text: str) -> None:
    """One message about what may be wrong."""
    _message("warning", "bold yellow", text)


def _message(kind: str, style: str, text: str) -> None:
    from rich.text import Text

    err().print(Text(kind, style) + Text(f": {text}"))


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
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

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
    # JSON has no NaN and no infinity; Python's own `NaN` is no JSON.
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
    if path is None or str(path) == "-":
        sys.stdout.write(text)
    else:
        path.write_text(text)


def table(*columns: str, title: str | None = None) -> "Table":
    """A table: names to the left, numbers to the right."""
    from rich.table import Table

    made = Table(title=title, title_justify="left", title_style="bold", box=None)
    for i, column in enumerate(columns):
        text = i == 0 or column in _TEXTS
        made.add_column(
            column,
            justify="left" if text else "right",
            overflow="fold",
            header_style="dim",
            no_wrap=not text,
        )
    return made


def print_table(made: "Table") -> None:
    """Print a table with every number whole, on a narrow terminal too."""
    from rich.cells import cell_len

    least = 0
    for column in made.columns:
        longest = max((cell_len(str(cell)) for cell in column.cells), default=0)
        if not column.no_wrap:
            longest = min(longest, _NARROWEST)
        column.min_width = max(longest, cell_len(str(column.header)))
        least += column.min_width + _PADDING
    # rich cuts what has no place: 1234 would become 12. The terminal breaks the line.
    out(max(width(), least)).print(made)


def with_status(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None
) -> None:
    """Print a table with a last column `status`, if any row has one to tell."""
    # A column without a word only takes place.
    told = any(row[-1] for row in rows)
    made = table(*columns, *["status"] * told, title=title)
    for row in rows:
        made.add_row(*(row if told else row[:-1]))
    print_table(made)


def number(value: float | None, digits: int = 4) -> str:
    """A number for people; a dash where there is none."""
    return "–" if value is None else f"{value + 0.0:.{digits}g}"  # no "-0"


def fixed(value: float | None, places: int) -> str:
    """A number with so many decimal places; a dash where there is none."""
    return "–" if value is None else rounded(value, places)


def change(value: float | None) -> str:
    """A number with its sign."""
    return "–" if value is None else f"{value:+.3g}"


def measured(value: float | None, error: float | None) -> str:
    """A value and its error, to three digits of the error."""
    if value is None or error is None:
        return number(value, 6)
    if not 1e-6 < error < 1e6:
        return f"{value:.6g} ± {error:.3g}"
    places = max(0, 2 - math.floor(math.log10(error)))
    return f"{rounded(value, places)} ± {error:.{places}f}"


def rounded(value: float, places: int) -> str:
    """A number with so many decimal places, and never "-0.00"."""
    return f"{round(value, places) + 0.0:.{places}f}"
