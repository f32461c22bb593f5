"""The second part of a card: systematics, free rates, groups, statistics, edits."""

import fnmatch
from collections.abc import Callable, Iterator

from ..._histfactory.expression import nearest
from .card import (
    Card,
    Cell,
    Constraint,
    Effect,
    Extra,
    RateParameter,
    Statistics,
    Systematic,
    fault,
)
from .edits import edit
from .header import Line, check_count, number

# Kinds of systematics with a column for each process, and how many numbers come first.
COLUMN_KINDS = {
    "lnN": 0,
    "lnU": 0,
    "gmN": 1,
    "gmM": 0,
    "trG": 0,
    "unif": 2,
    "shape": 0,
    "shapeN": 0,
    "shape2": 0,
    "shapeN2": 0,
    "shapeU": 0,
    "shape?": 0,
    "shapeN?": 0,
    "shape2?": 0,
    "shapeN2?": 0,
}
# Of models that no card of counts and histograms has, and why they cannot be read.
_ELSEWHERE = {
    "flatParam": "a free parameter of a RooWorkspace",
    "discrete": "a choice between functions of a RooWorkspace",
    "constr": "a term of regularisation",
    "dFD": "a double Fermi function as prior",
    "dFD2": "a double Fermi function as prior",
}


def read_body(lines: Iterator[Line], card: Card, counts: dict[str, Line]) -> None:
    """Read all lines after the rates.

    Args:
        lines: those.
        card: is filled.
        counts: the lines that count, of `read_header`.

    Raises:
        WorkspaceError: naming the line.
    """
    readers: dict[str, Callable[[int, list[str], Card], None]] = {
        "param": _read_constraint,
        "rateParam": _read_rate,
        "extArg": _read_extra,
        "group": _read_group,
        "autoMCStats": _read_statistics,
    }
    edited = False
    for line, words in lines:
        if len(words) < 2:
            raise fault(
                line,
                f"{words[0]!r:.60} stands alone. A systematic has a name, a kind and "
                "one entry for each column; write # before a comment.",
            )
        kind = words[1]
        if words[:2] == ["nuisance", "edit"]:
            edit(line, words[2:], card)
            edited = True
        elif kind in readers:
            readers[kind](line, words, card)
        elif kind in COLUMN_KINDS:
            card.systematics.append(_systematic(line, words, card))
        elif kind in _ELSEWHERE:
            raise fault(
                line,
                f"{words[0]!r} is {_ELSEWHERE[kind]} ({kind}), which fitkit does not "
                "read: cards of counts and histograms (TH1) it does.",
            )
        else:
            known = (*COLUMN_KINDS, *readers)
            raise fault(
                line,
                f"{words[0]!r:.60} is of a kind {kind!r:.60} that there is not. "
                f"{nearest(kind, known)}",
            )
    at, declared = counts.get("kmax", (0, ["*"]))
    if not edited:
        have = len(card.systematics) + len(card.constraints)
        check_count("kmax", at, declared, have)


def _systematic(line: int, words: list[str], card: Card) -> Systematic:
    name, kind = words[0].removesuffix("[nofloat]"), words[1]
    first = 2 + COLUMN_KINDS[kind]
    if len(words) < first + len(card.columns):
        raise fault(
            line,
            f"{name!r} has {max(0, len(words) - first)} entries, but there are "
            f"{len(card.columns)} columns. Give one for each, `-` for no effect.",
        )
    arguments = tuple(
        number(word, line, f"a number of {name!r}") for word in words[2:first]
    )
    if kind == "gmN" and (arguments[0] < 0 or arguments[0] != int(arguments[0])):
        raise fault(
            line,
            f"{name!r} counts {words[2]} events in its control region; it must be a "
            "whole number that is not negative.",
        )
    if kind == "unif" and not arguments[0] < arguments[1]:
        raise fault(line, f"{name!r}: the range {words[2]} to {words[3]} is empty.")
    effects: dict[Cell, Effect] = {}
    for column, word in zip(card.columns, words[first:], strict=False):
        effect = read_effect(line, name, kind, word)
        if effect is not None:
            effects[column.cell] = effect
    if words[0].endswith("[nofloat]"):
        card.frozen.add(name)
    return Systematic(line, name, kind, arguments, effects)


def read_effect(line: int, name: str, kind: str, word: str) -> Effect | None:
    """An entry of a systematic; None where it has no effect.

    Raises:
        WorkspaceError: naming the line.
    """
    if not word.strip("-"):
        return None
    what = f"an entry of {name!r}"
    down, slash, up = word.partition("/")
    if slash:
        if kind not in ("lnN", "lnU") and not kind.endswith("?"):
            raise fault(
                line,
                f"{what} is {word!r}, but only lnN and lnU have one number for each "
                f"side, not {kind}.",
            )
        pair = number(down, line, what), number(up, line, what)
        if min(pair) <= 0:
            raise fault(line, f"{what} is {word!r}; factors must be positive.")
        return pair
    value = number(word, line, what)
    if value < 0 and kind != "trG":
        raise fault(line, f"{what} is {word!r}; it must not be negative.")
    no_effect = value == 0 or (value == 1 and kind in ("lnN", "lnU"))
    return None if no_effect else value


def _bounds(line: int, name: str, word: str) -> tuple[float, float]:
    inside = word.removeprefix("[").removesuffix("]").split(",")
    if not (word.startswith("[") and word.endswith("]") and len(inside) == 2):
        raise fault(line, f"the range of {name!r} must be [min,max]; got {word!r}.")
    low, high = (number(each, line, f"the range of {name!r}") for each in inside)
    if not low < high:
        raise fault(line, f"the range {word} of {name!r} is empty.")
    return low, high


def _read_constraint(line: int, words: list[str], card: Card) -> None:
    name = words[0]
    if not 4 <= len(words) <= 5:
        raise fault(
            line, f"a `param` line is `{name} param mean error [range]`, in words."
        )
    if (before := card.constraints.get(name)) is not None:
        raise fault(line, f"{name!r} is constrained at line {before.line} too.")
    down, slash, up = words[3].partition("/")
    if slash and (down[:1] != "-" or up[:1] != "+"):
        raise fault(line, f"two errors of {name!r} are written -down/+up.")
    errors = [
        number(each.lstrip("+"), line, f"the error of {name!r}")
        for each in ([down[1:], up] if slash else [down, down])
    ]
    if min(errors) <= 0:
        raise fault(line, f"the error of {name!r} must be positive; got {words[3]}.")
    bounds = _bounds(line, name, words[4]) if len(words) == 5 else None
    mean = number(words[2], line, f"the mean of {name!r}")
    card.constraints[name] = Constraint(line, mean, *errors, bounds)


def _read_rate(line: int, words: list[str], card: Card) -> None:
    if not 5 <= len(words) <= 6:
        raise fault(
            line,
            "a `rateParam` line is `name rateParam channel process value [min,max]` or "
            f"`name rateParam channel process formula arguments`; got {len(words)} "
            "words. A formula is written without spaces.",
        )
    name, _, channel, process, value = words[:5]
    if ".root" in value and ":" in value:
        raise fault(
            line,
            f"{name!r} is a function of a RooWorkspace ({value}), which fitkit does "
            "not read. Give a number, or a formula.",
        )
    cells = [
        column.cell
        for column in card.columns
        if fnmatch.fnmatchcase(column.channel, channel)
        and fnmatch.fnmatchcase(column.process, process)
    ]
    if not cells:
        known = {column.process for column in card.columns}
        hint = nearest(process, known)
        if channel not in card.channels and "*" not in channel:
            hint = nearest(channel, card.channels)
        raise fault(
            line,
            f"{name!r} scales process {process!r} in channel {channel!r}, which the "
            f"card does not have. {hint}",
        )
    bounds: tuple[float, float] | None = None
    arguments: tuple[str, ...] | None = None
    start: float | str = value
    if len(words) == 6 and not words[5].startswith("["):
        arguments = tuple(words[5].split(","))
    else:
        start = number(value, line, f"the value of {name!r}")
        bounds = _bounds(line, name, words[5]) if len(words) == 6 else None
    card.rates += [
        RateParameter(line, name, cell, start, bounds, arguments) for cell in cells
    ]


def _read_extra(line: int, words: list[str], card: Card) -> None:
    name = words[0]
    if ":" in "".join(words[2:]):
        raise fault(
            line,
            f"{name!r} is taken from a RooWorkspace, which fitkit does not read. Give "
            "a number.",
        )
    if not 3 <= len(words) <= 4:
        raise fault(line, f"an `extArg` line is `{name} extArg value [min,max]`.")
    if name in card.extras:
        raise fault(line, f"{name!r} stands at line {card.extras[name].line} too.")
    bounds = _bounds(line, name, words[3]) if len(words) == 4 else None
    value = number(words[2], line, f"the value of {name!r}")
    card.extras[name] = Extra(line, value, bounds)


def _read_group(line: int, words: list[str], card: Card) -> None:
    name = words[0]
    if len(words) < 4 or words[2] not in ("=", "+="):
        raise fault(line, f"a group is `{name} group = names`, or += to add some.")
    if words[2] == "+=" and name not in card.groups:
        raise fault(line, f"group {name!r} is not there yet. Write = the first time.")
    if words[2] == "=" and name in card.groups:
        raise fault(line, f"group {name!r} is there already. Write += to add names.")
    members = card.groups.setdefault(name, [])
    members += [word for word in words[3:] if word not in members]


def _read_statistics(line: int, words: list[str], card: Card) -> None:
    if not 3 <= len(words) <= 5:
        raise fault(
            line,
            "an `autoMCStats` line is `channel autoMCStats threshold [include-signal] "
            "[hist-mode]`.",
        )
    channels = [c for c in card.channels if fnmatch.fnmatchcase(c, words[0])]
    if not channels:
        raise fault(
            line,
            f"there is no channel {words[0]!r}. {nearest(words[0], card.channels)}",
        )
    threshold, signal, mode = (
        number(word, line, "a number of autoMCStats")
        for word in [*words[2:], *("0", "1")[len(words) - 3 :]]
    )
    if mode != 1:
        raise fault(
            line,
            f"hist-mode {mode:g}, by which normalisations follow the bins, is not "
            "read; 1, the default, is.",
        )
    for channel in channels:
        card.statistics[channel] = Statistics(line, threshold, bool(signal))
