"""One name for the parameters of many bins, which HS3 lists one by one."""

import re
from collections.abc import Sequence
from typing import NamedTuple, final

_NUMBERED = re.compile(r"(.+?)(?:_bin_|_bin|_|\[)(\d+)\]?", re.DOTALL)


@final
class PerBin(NamedTuple):
    """Parameters of the bins of one channel, as modifiers list them.

    Attributes:
        channel: its number.
        entries: a name for each bin.
        otherwise: what to call them together where their names do not tell.
    """

    channel: int
    entries: tuple[str, ...]
    otherwise: str


def numbered(entry: str) -> tuple[str, int] | None:
    """The common part of names such as `gamma_stat_SR_bin_3`, and the number."""
    match = _NUMBERED.fullmatch(entry)
    return None if match is None else (match[1], int(match[2]))


def vector_names(
    lists: Sequence[PerBin], taken: set[str]
) -> dict[tuple[str, ...], str]:
    """A name for each list of entries; that of several channels' where they go on.

    Args:
        lists: in the order of the channels; a list that comes again is the same.
        taken: names that others have; those given here are added.

    Returns:
        By entries.
    """
    distinct = {each.entries: each for each in reversed(lists)}
    ordered = [each for each in lists if distinct.pop(each.entries, None)]
    by_prefix: dict[str, list[PerBin]] = {}
    for each in ordered:
        if (prefix := _common_prefix(each.entries)) is not None:
            by_prefix.setdefault(prefix, []).append(each)
    names: dict[tuple[str, ...], str] = {}
    for prefix, group in by_prefix.items():
        numbers = [numbered(entry) for each in group for entry in each.entries]
        goes_on = [n for _, n in filter(None, numbers)] == list(range(len(numbers)))
        one_each = len({each.channel for each in group}) == len(group)
        if goes_on and one_each and prefix not in taken:
            names |= dict.fromkeys((each.entries for each in group), prefix)
            taken.add(prefix)
    for each in ordered:
        if each.entries not in names:
            name, count = each.otherwise, 2
            while name in taken:
                name, count = f"{each.otherwise}_{count}", count + 1
            names[each.entries] = name
            taken.add(name)
    return names


def _common_prefix(entries: tuple[str, ...]) -> str | None:
    found = [numbered(entry) for entry in entries]
    prefixes = {each[0] for each in found if each is not None}
    return prefixes.pop() if None not in found and len(prefixes) == 1 else None


def entry_names_of(name: str, size: int, taken: set[str]) -> list[str]:
    """The names of the entries of a parameter of many bins, as `vector_names` reads.

    Args:
        name: of the parameter.
        size: how many.
        taken: names that others have; those given here are added.
    """
    for middle in ("_", "_bin_", "_bin"):
        entries = [f"{name}{middle}{i}" for i in range(size)]
        if not taken.intersection(entries) and numbered(entries[0]) == (name, 0):
            break
    else:
        entries = [f"{name}[{i}]" for i in range(size)]
    taken.update(entries)
    return entries
