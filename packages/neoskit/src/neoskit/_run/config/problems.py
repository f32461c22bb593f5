"""What is wrong with a description, in the words of its author."""

import difflib
import math
import typing
from collections.abc import Sequence
from typing import Any

from .run import RunConfig
from .table import Table


def place(problem: Any, document: dict[str, Any]) -> tuple[Any, ...]:
    """What tells one problem from another: its kind and its key."""
    return (problem["type"], *_written(problem, document))


def explain(problem: Any, document: dict[str, Any]) -> str:
    """One problem in one line, without the name of the file."""
    keys = _written(problem, document)
    name = ".".join(map(str, keys))
    match problem["type"]:
        case "extra_forbidden":
            return f"unknown key `{name}`.{_nearest(keys)}"
        # An item of a list: pydantic tells where it should be, the author wrote fewer.
        case "missing" if isinstance(problem["loc"][-1], int):
            got = _shorten(_at(keys, document))
            least = problem["loc"][-1] + 1
            return f"`{name}`: needs at least {least} items; got {got}."
        case "missing":
            return f"the key `{name}` is missing."
        case "too_short":
            least = problem["ctx"]["min_length"]
            got = _shorten(problem["input"])
            return (
                f"`{name}`: needs at least {least} item{'s'[: least > 1]}; got {got}."
            )
        case "union_tag_not_found":
            return f"the key `{name}.kind` is missing; it is one of " + (
                f"{problem['ctx'].get('expected_tags', _tags(keys))}."
            )
        case "union_tag_invalid":
            context = problem["ctx"]
            return (
                f"`{name}.kind` is {context['tag']!r}; "
                f"it is one of {context['expected_tags']}."
            )
        case "value_error":
            # What concerns the whole description names its keys itself.
            where = f"`{name}`: " if name else ""
            said = f"{where}{problem['ctx']['error']}"
            return said if said.endswith(("?", ".")) else f"{said}."
    message = problem["msg"][0].lower() + problem["msg"][1:]
    got = _shorten(problem["input"])
    return f"`{name}`: {message}; got {got}."


def _written(problem: Any, document: Any) -> list[Any]:
    """The part of pydantic's location that the author of the file wrote.

    Pydantic also names the member of a union in which an error lies; such
    names are no keys of the document.
    """
    keys, loc = [], problem["loc"]
    # Followed down the document, as far as it leads.
    for position, step in enumerate(loc):
        inside = (isinstance(document, dict) and step in document) or (
            isinstance(document, list)
            and isinstance(step, int)
            and step < len(document)
        )
        if inside:
            document = document[step]
            keys.append(step)
        # What is missing cannot be there.
        elif (
            problem["type"] == "missing"
            and position == len(loc) - 1
            and isinstance(document, dict)
        ):
            keys.append(step)
    return keys


def _at(keys: Sequence[Any], document: Any) -> Any:
    for key in keys:
        document = document[key]
    return document


def _nearest(keys: Sequence[Any]) -> str:
    # Of every table that may stand there: of two kinds of source, the keys of both.
    known = sorted({name for table in _tables(keys[:-1]) for name in table})
    near = difflib.get_close_matches(str(keys[-1]), known, n=1)
    if near:
        return f" Did you mean `{near[0]}`?"
    return f" Known here: {', '.join(known)}."


def _tables(keys: Sequence[Any]) -> list[dict[str, Any]]:
    """The fields of every table that may stand at `keys`."""
    tables: list[Any] = [RunConfig]
    for key in keys:
        annotations = [
            table.model_fields[key].annotation
            for table in tables
            if not isinstance(key, int) and key in table.model_fields
        ]
        # A position in a list leads to the tables that the list is of.
        if annotations:
            tables = [m for annotation in annotations for m in _models(annotation)]
    return [table.model_fields for table in tables]


def _models(annotation: Any) -> list[type[Table]]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return [annotation]
    return [m for a in typing.get_args(annotation) for m in _models(a)]


def _tags(keys: Sequence[Any]) -> str:
    kinds = [table["kind"].annotation for table in _tables(keys) if "kind" in table]
    return ", ".join(repr(tag) for kind in kinds for tag in typing.get_args(kind))


def _shorten(value: Any, most: int = 60) -> str:
    text = "nan" if isinstance(value, float) and math.isnan(value) else repr(value)
    return text if len(text) <= most else text[:most] + " …"
