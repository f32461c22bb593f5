"""Modifiers of a document whose types are not of the format, but of its reader."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from .._histfactory.modifiers import AbstractModifier
from .error import WorkspaceError

Makers: TypeAlias = Mapping[str, Callable[[str, Any], AbstractModifier]]
"""By type: what makes a modifier of its name and data."""

Extra: TypeAlias = dict[tuple[int, int], list[AbstractModifier]]
"""Modifiers by the numbers of the channel and the sample that they belong to."""


def taken_out(document: Any, makers: Makers) -> tuple[Any, Extra]:
    """Take the modifiers of some types out of a document, and make them.

    Args:
        document: decoded; what is formally wrong is left for the schema to tell.
        makers: of each type.

    Returns:
        The document without them, and what they are.

    Raises:
        WorkspaceError: naming the place of one that cannot be made.
    """
    extra: Extra = {}

    def modifiers(c: int, s: int, listed: Any) -> Any:
        kept = []
        for m, each in enumerate(_items(listed)):
            kind = each.get("type") if isinstance(each, Mapping) else None
            if not isinstance(kind, str) or kind not in makers:
                kept.append(each)
                continue
            where = f"channels[{c}].samples[{s}].modifiers[{m}]"
            extra.setdefault((c, s), []).append(_made(where, each, makers[kind]))
        return kept

    def samples(c: int, listed: Any) -> Any:
        return [
            {**each, "modifiers": modifiers(c, s, each["modifiers"])}
            if isinstance(each, Mapping) and _is_list(each.get("modifiers"))
            else each
            for s, each in enumerate(listed)
        ]

    if not isinstance(document, Mapping) or not _is_list(document.get("channels")):
        return document, extra
    channels = [
        {**each, "samples": samples(c, each["samples"])}
        if isinstance(each, Mapping) and _is_list(each.get("samples"))
        else each
        for c, each in enumerate(document["channels"])
    ]
    return {**document, "channels": channels}, extra


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _items(value: Any) -> Any:
    return value if _is_list(value) else ()


def _made(
    where: str,
    modifier: Mapping[str, Any],
    make: Callable[[str, Any], AbstractModifier],
) -> AbstractModifier:
    name = modifier.get("name")
    if not isinstance(name, str):
        raise WorkspaceError(f"{where}.name: must be a string; got {name!r:.60}.")
    try:
        made = make(name, modifier.get("data"))
    # Whatever the reader's own function raises of data that it does not expect.
    except Exception as error:
        raise WorkspaceError(
            f"{where}: the function for {modifier['type']!r} cannot make it: "
            f"{type(error).__name__}: {error!s:.300}"
        ) from error
    if not isinstance(made, AbstractModifier):
        raise WorkspaceError(
            f"{where}: the function for {modifier['type']!r} must return a modifier, "
            f"as `ExpressionFactor`; got {made!r:.60}."
        )
    return made


def parameters_of(extra: Extra) -> dict[str, str]:
    """The parameters of such modifiers, each with the type that it is like."""
    return {
        name: "normfactor"
        for listed in extra.values()
        for modifier in listed
        for name in getattr(modifier, "arguments", (modifier.name,))
    }
