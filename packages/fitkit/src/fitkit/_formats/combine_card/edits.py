"""`nuisance edit` lines: what a card changes about its own systematics."""

import math
import re
from collections.abc import Callable

from ..._histfactory.expression import nearest
from .card import Card, Cell, Effect, Systematic, fault
from .header import number

_SYNTAX = {
    "add": "process channel name kind value [addq|overwrite]",
    "drop": "process channel name [ifexists]",
    "rename": "process channel old new [ifexists], or old new",
    "changepdf": "name kind",
    "freeze": "name [ifexists]",
    "merge": "process channel name1 name2 [ifexists]",
    "split": "process channel old new1 new2 value1 value2 [ifexists]",
    "flip": "process channel name p2n|n2p [ifexists]",
}


def edit(line: int, words: list[str], card: Card) -> None:
    """Apply one edit to the systematics read so far.

    Args:
        line: its number.
        words: those after `nuisance edit`.
        card: is changed.

    Raises:
        WorkspaceError: naming the line.
    """
    if not words or words[0] not in _EDITS:
        said = words[0] if words else ""
        raise fault(
            line, f"there is no edit {said!r:.60}. {nearest(said, tuple(_EDITS))}"
        )
    verb, rest = words[0], words[1:]
    needed = {"changepdf": 2, "freeze": 1, "rename": 2, "add": 5, "split": 7}
    needed |= {"drop": 3, "merge": 4, "flip": 4}
    if len(rest) < needed[verb]:
        raise fault(line, f"`nuisance edit {verb}` needs {_SYNTAX[verb]}.")
    _EDITS[verb](line, rest, card)


def _pattern(line: int, text: str) -> re.Pattern[str]:
    if text == "*":
        return re.compile(".*")
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise fault(line, f"{text!r:.60} is no regular expression: {error}.") from None


def _cells(line: int, process: str, channel: str, card: Card) -> list[Cell]:
    """The processes in channels that two patterns mean."""
    of_process = _pattern(line, process)
    of_channel = _pattern(line, channel.replace("+", r"\+"))
    return [
        column.cell
        for column in card.columns
        if of_process.fullmatch(column.process) and of_channel.fullmatch(column.channel)
    ]


def _named(
    line: int, name: str, card: Card, options: list[str], *, pattern: bool = True
) -> list[Systematic]:
    """The systematics that a name means, at least one unless `ifexists` is said."""
    match = _pattern(line, name).fullmatch if pattern else name.__eq__
    found = [each for each in card.systematics if match(each.name)]
    if not found and "ifexists" not in options:
        names = {each.name for each in card.systematics}
        raise fault(
            line,
            f"no systematic is called {name!r}. {nearest(name, names)} Write "
            "`ifexists` at the end where it may be missing.",
        )
    return found


def _value(line: int, name: str, word: str) -> Effect:
    parts = [number(each, line, f"the value of {name!r}") for each in word.split("/")]
    if len(parts) > 2 or (len(parts) == 2 and min(parts) <= 0):
        raise fault(line, f"the value of {name!r} is {word!r}; write one, or down/up.")
    return parts[0] if len(parts) == 1 else (parts[0], parts[1])


def _add(line: int, words: list[str], card: Card) -> None:
    process, channel, name, kind, value = words[:5]
    if kind not in ("lnN", "lnU", "trG", "gmM", "shape", "shapeN", "shape?"):
        raise fault(line, f"an edit cannot add a systematic of kind {kind!r:.60}.")
    _give(
        line,
        _found_or_new(line, name, kind, card),
        _cells(line, process, channel, card),
        _value(line, name, value),
        words[5:],
    )


def _found_or_new(line: int, name: str, kind: str, card: Card) -> Systematic:
    same = [each for each in card.systematics if each.name == name]
    for each in same:
        if each.kind == kind:
            return each
    if same:
        raise fault(line, f"{name!r} is of kind {same[0].kind} at line {same[0].line}.")
    made = Systematic(line, name, kind, (), {})
    card.systematics.append(made)
    return made


def _give(
    line: int, to: Systematic, cells: list[Cell], value: Effect, options: list[str]
) -> None:
    if to.kind in ("lnN", "lnU", "gmM") and min(np_values(value)) < 0:
        raise fault(line, f"the value of {to.name!r} must not be negative.")
    if value in (0.0, 1.0) and to.kind in ("lnN", "lnU"):
        return
    for cell in cells:
        before = to.effects.get(cell)
        if before is None or "overwrite" in options:
            to.effects[cell] = value
        elif "addq" in options:
            to.effects[cell] = _in_quadrature(line, to, before, value)
        else:
            raise fault(
                line,
                f"{to.name!r} already has an effect on {cell[1]!r} in {cell[0]!r}. "
                "Write `overwrite`, or `addq` to add in quadrature.",
            )


def np_values(value: Effect) -> tuple[float, ...]:
    """The one or two numbers of an effect."""
    return value if isinstance(value, tuple) else (value,)


def _in_quadrature(line: int, of: Systematic, one: Effect, other: Effect) -> Effect:
    """Two factors as one, their logarithms added in quadrature."""
    if of.kind not in ("lnN", "lnU"):
        raise fault(line, f"{of.name!r} is {of.kind}; only lnN and lnU can be added.")
    if isinstance(one, tuple) or isinstance(other, tuple):
        pairs = [
            each if isinstance(each, tuple) else (1 / each, each)
            for each in (one, other)
        ]
        return (
            _of_numbers(line, of, pairs[0][0], pairs[1][0]),
            _of_numbers(line, of, pairs[0][1], pairs[1][1]),
        )
    return _of_numbers(line, of, one, other)


def _of_numbers(line: int, of: Systematic, one: float, other: float) -> float:
    if min(one, other) <= 0:
        raise fault(line, f"factors of {of.name!r} must be positive.")
    logs = math.log(one), math.log(other)
    if logs[0] * logs[1] < 0:
        raise fault(
            line,
            f"{of.name!r}: {one:g} and {other:g} go in different directions and cannot "
            "be added in quadrature.",
        )
    return math.exp(math.copysign(math.hypot(*logs), sum(logs)))


def _drop(line: int, words: list[str], card: Card) -> None:
    process, channel, name, *options = words
    cells = _cells(line, process, channel, card)
    for each in _named(line, name, card, options):
        for cell in cells:
            each.effects.pop(cell, None)


def _rename(line: int, words: list[str], card: Card) -> None:
    everywhere = len(words) == 2
    if not everywhere and len(words) < 4:
        raise fault(line, f"`nuisance edit rename` needs {_SYNTAX['rename']}.")
    process, channel, old, new, *options = ["*", "*", *words] if everywhere else words
    cells = _cells(line, process, channel, card)
    if everywhere and old in card.constraints:
        card.constraints[new] = card.constraints.pop(old)
        return
    for each in _named(line, old, card, options, pattern=False):
        if each.kind in ("trG", "gmN"):
            raise fault(line, f"{old!r} is {each.kind}, which cannot be renamed.")
        to = Systematic(each.line, new, each.kind, each.arguments, {})
        same = (s for s in card.systematics if s.name == new and s.kind == each.kind)
        if (known := next(same, None)) is None:
            card.systematics.append(to)
        else:
            to = known
        for cell in cells:
            if cell in each.effects:
                to.effects[cell] = each.effects.pop(cell)
                to.shapes[cell] = each.shapes.get(cell, old)


def _changepdf(line: int, words: list[str], card: Card) -> None:
    name, kind = words[:2]
    logarithmic, linear = ("lnN", "lnU"), ("trG",)
    for each in _named(line, name, card, words[2:]):
        shapes = each.kind.startswith("shape") and kind in (
            "shape",
            "shapeN",
            "shapeU",
        )
        both_logarithmic = each.kind in logarithmic and kind in logarithmic
        to_linear = each.kind in logarithmic and kind in linear
        from_linear = each.kind in linear and kind in logarithmic
        if not (shapes or both_logarithmic or to_linear or from_linear):
            raise fault(
                line, f"{each.name!r} is {each.kind} and cannot become {kind!r:.60}."
            )
        change = math.log if to_linear else math.exp
        if to_linear or from_linear:
            for cell, effect in each.effects.items():
                if isinstance(effect, tuple):
                    raise fault(
                        line,
                        f"{each.name!r} has one number for each side and cannot become "
                        f"{kind}.",
                    )
                each.effects[cell] = change(effect)
        each.kind = kind


def _freeze(line: int, words: list[str], card: Card) -> None:
    names = {each.name for each in card.systematics}
    names |= {each.name for each in card.rates} | {*card.constraints} | {*card.extras}
    match = _pattern(line, words[0]).fullmatch
    found = {name for name in names if match(name)}
    if not found and "ifexists" not in words[1:]:
        raise fault(
            line, f"no parameter is called {words[0]!r}. {nearest(words[0], names)}"
        )
    card.frozen |= found


def _merge(line: int, words: list[str], card: Card) -> None:
    process, channel, first, second, *options = words
    cells = _cells(line, process, channel, card)
    for each in _named(line, second, card, options):
        to = _found_or_new(line, first, each.kind, card)
        for cell in cells:
            if cell in each.effects:
                _give(line, to, [cell], each.effects.pop(cell), ["addq"])


def _split(line: int, words: list[str], card: Card) -> None:
    process, channel, old, *new = words[:7]
    options = words[7:]
    cells = _cells(line, process, channel, card)
    for each in _named(line, old, card, options):
        of = [cell for cell in cells if each.effects.pop(cell, None) is not None]
        for name, value in ((new[0], new[2]), (new[1], new[3])):
            to = _found_or_new(line, name, each.kind, card)
            _give(line, to, of, _value(line, name, value), ["overwrite"])


def _flip(line: int, words: list[str], card: Card) -> None:
    process, channel, name, *options = words
    if not {"p2n", "n2p"} & {*options}:
        raise fault(line, "`nuisance edit flip` needs p2n, n2p or both at its end.")
    cells = _cells(line, process, channel, card)
    for each in _named(line, name, card, options):
        if each.kind != "lnN":
            raise fault(line, f"{each.name!r} is {each.kind}; only lnN is flipped.")
        for cell in cells:
            if (effect := each.effects.get(cell)) is None:
                continue
            if ("p2n" if np_values(effect)[0] > 1 else "n2p") not in options:
                continue
            if isinstance(effect, tuple):
                each.effects[cell] = 1 / effect[0], 1 / effect[1]
            else:
                each.effects[cell] = 1 / effect


_EDITS: dict[str, Callable[[int, list[str], Card], None]] = {
    "add": _add,
    "drop": _drop,
    "rename": _rename,
    "changepdf": _changepdf,
    "freeze": _freeze,
    "merge": _merge,
    "split": _split,
    "flip": _flip,
}
