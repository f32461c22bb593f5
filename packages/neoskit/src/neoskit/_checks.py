"""Arguments, checked: what is wrong with one, and the way out."""

from collections.abc import Collection


def check_count(argument: str, value: int, *, least: int = 1, hint: str = "") -> None:
    """Refuse a number of things that is smaller than the least that makes sense.

    Args:
        argument: the call and its argument, as `train(every=...)`.
        value: what was given.
        least: the smallest that is taken.
        hint: a sentence with the way out.

    Raises:
        ValueError: it is smaller.
    """
    if value < least:
        way_out = f" {hint}" if hint else ""
        raise ValueError(
            f"`{argument}` must be at least {least}; got {value}.{way_out}"
        )


def check_fold(call: str, fold: int, folds: int) -> None:
    """Refuse a fold that is not one of `folds`.

    Raises:
        ValueError: there are fewer than two folds, or none of this number.
    """
    check_count(f"{call}(folds=...)", folds, least=2, hint="One fold is all events.")
    if not 0 <= fold < folds:
        raise ValueError(
            f"`{call}(fold=...)` must be one of 0 … {folds - 1}; got {fold}."
        )


def wrong_name(name: str) -> str | None:
    """Why a text is no name of a channel, process or parameter; `None` if it is one.

    Names stand in tables, files and messages: one that is empty or does not print
    makes the line that it stands in a riddle.
    """
    # Blanks alone print, but cannot be seen.
    if not name.strip():
        return "is empty"
    if not name.isprintable():
        return "has a character that does not print"
    return None


def check_names(where: str, names: Collection[str]) -> None:
    """Refuse names that are empty or do not print.

    Raises:
        ValueError: naming the argument.
    """
    for name in names:
        if problem := wrong_name(name):
            raise ValueError(f"`{where}`: the name {name!r} {problem}.")
