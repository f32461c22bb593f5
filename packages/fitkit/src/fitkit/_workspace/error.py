"""What is wrong with a document: the place, the reason, the way out."""

from collections.abc import Mapping
from typing import Any

import pydantic

from .._histfactory.problem import Key, written


class WorkspaceError(ValueError):
    """A document that cannot be used: says where in it, why, and the way out."""


# What to do about it, by pydantic's error type; the reason is pydantic's own.
_WAY_OUT = {
    "bool_type": "Write true or false without quotes.",
    "extra_forbidden": "Remove it: the format has no such key.",
    "finite_number": "Replace the NaN or infinity by a number.",
    "float_type": "Write a plain number, without quotes.",
    "greater_than": "Correct the value, or remove what it belongs to.",
    "list_type": "Write a list: [...].",
    "literal_error": "Write what is expected.",
    "missing": "Add it: the format requires it.",
    "null": "Leave it out where the default is meant.",
    "none_required": "Write null: this kind of modifier has no data of its own.",
    "string_type": "Write a string in double quotes.",
    "too_long": "Remove what is too much.",
    "too_short": "Add what is missing, or remove the empty list's owner.",
    "union_tag_invalid": "Use one of these kinds, or remove the modifier.",
    "union_tag_not_found": "Give the modifier its `type`.",
}


def explain(
    error: pydantic.ValidationError, within: tuple[Key, ...] = (), part: Any = None
) -> str:
    """The first problem that pydantic names: its place, the reason, the way out.

    Args:
        error: what pydantic says.
        within: the way to the part that it looked at.
        part: that part, where it is not a whole workspace.
    """
    problems = error.errors(include_url=False, include_context=False)
    problem = problems[0]
    keys = problem["loc"]
    inner = _without_tags(keys) if part is None else _that_lead_on(keys, part)
    where = written(*within, *inner) or "the document"
    reason = problem["msg"].rstrip(".")
    got = "" if problem["type"] == "missing" else f"; got {_short(problem['input'])}"
    way_out = _WAY_OUT.get(problem["type"], "Correct it.")
    # One at a time: what is wrong first often causes the others.
    others = len(problems) - 1
    more = f" ({others} more problem{'s' * (others > 1)} after this one.)" * bool(
        others
    )
    return f"{where}: {reason}{got}. {way_out}{more}"


def _without_tags(keys: tuple[str | int, ...]) -> list[str | int]:
    # pydantic adds the modifier's type after its index: a step that JSON lacks.
    return [
        key
        for place, key in enumerate(keys)
        if not (place >= 2 and keys[place - 2] == "modifiers")
    ]


def _that_lead_on(keys: tuple[str | int, ...], part: Any) -> list[str | int]:
    """The way to a fault without the kinds that pydantic puts between its steps."""
    way: list[str | int] = []
    for number, key in enumerate(keys):
        listed = isinstance(key, int) and isinstance(part, list)
        if listed or (isinstance(part, Mapping) and key in part):
            part = part[key]
        elif number < len(keys) - 1:  # the last may be what is missing
            continue
        way.append(key)
    return way


def _short(value: Any, length: int = 60) -> str:
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # too deep, or an integer too long to print
        text = f"a {type(value).__name__}"
    return text if len(text) <= length else text[: length - 1] + "…"
