"""Names and values that were typed: parsed, matched, and corrected where misspelt."""

import math
from collections.abc import Collection, Iterator


class Mistake(ValueError):
    """An option's value that cannot be used."""


def known(option: str, name: str, names: Collection[str], what: str) -> str:
    """The name, where it is among `names`.

    Args:
        option: which was given, for the message.
        name: what was typed.
        names: what there is.
        what: what one of them is.

    Raises:
        Mistake: with the closest of them.
    """
    if name in names:
        return name
    # Imported where it is needed: jax comes with it.
    from .._model.parameters import hint

    raise Mistake(f"{option}: no {what} is called {name!r}. {hint(name, names)}")


def of_interest(poi: str | list[str] | None) -> list[str]:
    """The names of one parameter of interest, of several, or of none."""
    return [poi] if isinstance(poi, str) else list(poi or ())


def matching(
    option: str, patterns: Collection[str] | None, names: Collection[str], what: str
) -> list[str]:
    """The names that some names or shell patterns mean, each once.

    Args:
        option, names, what: as of `known`.
        patterns: what was typed; an exact name comes before a pattern, for a name may
            hold brackets and stars itself.

    Raises:
        Mistake: where one means none.
    """
    if not patterns:
        return []
    from .._model.parameters import matching as meant

    try:
        every = [name for each in patterns for name in meant(each, names, option, what)]
    except ValueError as error:
        # The library quotes the name of a call where an option stands here.
        raise Mistake(str(error).replace(f"`{option}`", option)) from None
    return list(dict.fromkeys(every))


def splits(text: str) -> Iterator[tuple[str, str]]:
    """Both sides of each `=` with something on either side, the last `=` first."""
    end = len(text)
    while (end := text.rfind("=", 0, end)) > 0:
        if end + 1 < len(text):
            yield text[:end], text[end + 1 :]


def split(option: str, text: str, way: str) -> tuple[str, str]:
    """Both sides of the last `=`: a name may hold one itself.

    Raises:
        Mistake: where there is none.
    """
    for sides in splits(text):
        return sides
    raise Mistake(f"{option} {text!r}: write {option} {way}.")


def number(option: str, text: str, way: str) -> float:
    """The number that was typed.

    Raises:
        Mistake: where it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan  # as wrong here as a NaN that was typed
    if math.isnan(value):
        raise Mistake(f"{option}: {text!r} is no number. Write {option} {way}.")
    return value


def finite(option: str, text: str, way: str) -> float:
    """The same, where it may not be infinite.

    Raises:
        Mistake: where it is none, or infinite.
    """
    value = number(option, text, way)
    if math.isinf(value):
        raise Mistake(f"{option}: {text!r} is not finite. Write {option} {way}.")
    return value


def interval(option: str, text: str, way: str) -> tuple[float, float]:
    """Both ends of `LOW:HIGH`.

    Raises:
        Mistake: where they are no two numbers in order.
    """
    ends = [number(option, end, way) for end in text.split(":")]
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise Mistake(f"{option}: {text!r} is no interval. Write {option} {way}.")
    return ends[0], ends[1]
