"""The first part of a card: channels, observations, processes and rates."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..._histfactory.expression import nearest
from .card import Card, Cell, Column, ShapeRule, fault

Line = tuple[int, list[str]]
"""A line's number, counted from 1, and its words."""

_COUNTS = ("imax", "jmax", "kmax")


def number(word: str, line: int, what: str) -> float:
    """A finite number of the card.

    Raises:
        WorkspaceError: for a word that is none, naming the line.
    """
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise fault(line, f"{what} must be a number; got {word!r:.60}. Correct it.")
    return value


class _Table(NamedTuple):
    """The lines of which each has one word for a column."""

    bins: list[str]
    names: list[str]
    numbers: list[int]


def read_header(lines: Iterator[Line], card: Card) -> dict[str, Line]:
    """Read all lines up to the rates; free text between them is passed over.

    Args:
        lines: of the card; those after the rates are left.
        card: is filled.

    Returns:
        The lines that count channels, processes and systematics, by their names.

    Raises:
        WorkspaceError: naming the line.
    """
    counts: dict[str, Line] = {}
    bins: Line = (0, [])
    observed: Line = (0, [])
    processes: list[Line] = []
    for line, words in lines:
        match words[0]:
            case "imax" | "jmax" | "kmax":
                counts[words[0]] = line, words[1:]
            case "shapes":
                _read_rule(line, words, card)
            case "observation" | "Observation":
                if observed[0]:
                    raise fault(line, f"observations stand at line {observed[0]} too.")
                observed = line, words[1:]
                if bins[0]:
                    _unique(bins)
                    card.channels, bins = bins[1], (0, [])
            case "bin":
                bins = line, words[1:]
            case "process":
                processes.append((line, words[1:]))
            case "rate":
                table = _table(line, bins, processes)
                _read_rates(line, words[1:], table, card)
                _read_observed(observed, card)
                _check_counts(counts, card)
                return counts
    raise fault(0, "has no `rate` line. A card needs bin, process (twice) and rate.")


def _unique(bins: Line) -> None:
    for channel in bins[1]:
        if bins[1].count(channel) > 1:
            raise fault(bins[0], f"channel {channel!r} stands here twice.")


def _read_rule(line: int, words: list[str], card: Card) -> None:
    if len(words) == 4 and words[3] == "FAKE":
        rule = ShapeRule(line, "FAKE")
    elif 5 <= len(words) <= 6:
        rule = ShapeRule(line, *words[3:])
    else:
        raise fault(
            line,
            "a `shapes` line is `shapes process channel file histogram [histogram_with_"
            f"systematics]`, or ends with FAKE; got {len(words)} words.",
        )
    cell = words[2], words[1]
    if (before := card.rules.get(cell)) is not None:
        raise fault(
            line,
            f"the shapes of process {words[1]!r} in channel {words[2]!r} stand at "
            f"line {before.line} too. Remove one.",
        )
    card.rules[cell] = rule


def _table(line: int, bins: Line, processes: list[Line]) -> _Table:
    if not bins[0]:
        raise fault(line, "there is no `bin` line for the columns before the rates.")
    if len(processes) != 2:
        raise fault(
            line,
            "two `process` lines must come before the rates, one with names and one "
            f"with numbers; got {len(processes)}.",
        )
    for at, words in processes:
        if len(words) != len(bins[1]):
            raise fault(
                at,
                f"has {len(words)} entries, but line {bins[0]} has {len(bins[1])} "
                "channels. Give one for each column.",
            )
    if not bins[1]:
        raise fault(bins[0], "has no columns.")
    (_, names), (at, numbers) = processes
    if _all_whole(names) and not _all_whole(numbers):
        (at, numbers), (_, names) = processes
    whole = []
    for word in numbers:
        value = number(word, at, "the number of a process")
        if value != int(value):
            raise fault(at, f"the number of a process must be whole; got {word!r}.")
        whole.append(int(value))
    return _Table(bins[1], names, whole)


def _all_whole(words: Iterable[str]) -> bool:
    return all(word.removeprefix("-").isdecimal() for word in words)


def _read_rates(line: int, words: list[str], table: _Table, card: Card) -> None:
    if len(words) < len(table.bins):
        raise fault(
            line,
            f"has {len(words)} rates, but there are {len(table.bins)} columns. Give "
            "one for each.",
        )
    declared, signal = bool(card.channels), dict[str, bool]()
    seen: set[Cell] = set()
    for i, channel in enumerate(table.bins):
        process = table.names[i]
        if channel not in card.channels:
            if declared:
                raise fault(
                    line,
                    f"channel {channel!r} of a column has no observation. "
                    f"{nearest(channel, card.channels)}",
                )
            card.channels.append(channel)
        is_signal = table.numbers[i] <= 0
        if signal.setdefault(process, is_signal) != is_signal:
            raise fault(
                line,
                f"process {process!r} is signal in one column and background in "
                "another. Its numbers must all be positive, or none.",
            )
        rate = number(words[i], line, f"the rate of {process!r} in {channel!r}")
        if rate < 0 and rate != -1:
            raise fault(
                line,
                f"the rate of {process!r} in {channel!r} is {rate:g}. A negative one "
                "is -1, for the integral of the histogram.",
            )
        column = Column(channel, process, is_signal, rate)
        if column.cell in seen:
            raise fault(
                line, f"process {process!r} has two columns in channel {channel!r}."
            )
        seen.add(column.cell)
        card.columns.append(column)


def _read_observed(observed: Line, card: Card) -> None:
    line, words = observed
    if not line:
        raise fault(0, "has no `observation` line.")
    if len(words) < len(card.channels):
        raise fault(
            line,
            f"has {len(words)} observations, but there are {len(card.channels)} "
            f"channels: {', '.join(card.channels)}.",
        )
    for channel, word in zip(card.channels, words, strict=False):
        count = number(word, line, f"the observation of {channel!r}")
        if count < 0 and count != -1:
            raise fault(
                line,
                f"the observation of {channel!r} is {count:g}. A negative one is -1, "
                "for the histogram's.",
            )
        card.observed[channel] = count
    for channel in card.channels:
        if not any(column.channel == channel for column in card.columns):
            raise fault(line, f"channel {channel!r} has no process. Add a column.")


def _check_counts(counts: dict[str, Line], card: Card) -> None:
    processes = len({column.process for column in card.columns})
    for name, have in (("imax", len(card.channels)), ("jmax", processes - 1)):
        line, words = counts.get(name, (0, ["*"]))
        check_count(name, line, words, have)


def check_count(name: str, line: int, words: list[str], have: int) -> None:
    """Check a number that a card declares; `*` is any.

    Raises:
        WorkspaceError: where it is another.
    """
    what = {"imax": "channels", "jmax": "processes minus 1", "kmax": "systematics"}
    if not words:
        raise fault(line, f"{name} needs a number, or `*`.")
    if words[0] == "*":
        return
    declared = number(words[0], line, name)
    if declared != have:
        raise fault(
            line,
            f"{name} says {words[0]} {what[name]}, but the card has {have}. Correct "
            "it, or write `*`.",
        )
