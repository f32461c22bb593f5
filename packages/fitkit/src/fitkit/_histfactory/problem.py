"""What is wrong with a specification, and where: in words, and as keys."""

import sys
import warnings
from typing import Self, TypeAlias

Key: TypeAlias = str | int


class SpecificationError(ValueError):
    """Channels, samples, modifiers or settings that make no model.

    Whoever finds the fault knows only a part of the way to it, as a modifier does not
    know its sample: those around it put theirs in front, see `inside`.

    Attributes:
        reason: the rule, what came, and the way out.
        words: the way to the fault as people say it: "channel 'SR'", "sample 'signal'".
        keys: the same way as keys of nested lists and dicts, "channels", 0, "samples",
            1, by which a reader of documents finds the place in its file.
    """

    def __init__(
        self, reason: str, words: tuple[str, ...] = (), keys: tuple[Key, ...] = ()
    ):
        where = ", ".join(words)
        super().__init__(f"{where}: {reason}" if where else reason)
        self.reason, self.words, self.keys = reason, words, keys

    def inside(self, *words: str, keys: tuple[Key, ...]) -> Self:
        """The same fault, seen from further out."""
        return type(self)(self.reason, words + self.words, keys + self.keys)


def unique(
    names: list[str], what: str, keys: tuple[Key, ...], words: tuple[str, ...] = ()
) -> None:
    """Check that no name comes twice.

    Args:
        names: in their order.
        what: has them, such as "sample".
        keys, words: the way to the list.

    Raises:
        SpecificationError: for the first that does.
    """
    if len(set(names)) == len(names):  # as nearly always
        return
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        if name in first:
            raise SpecificationError(
                f"{name!r} is already the name of {written(*keys, first[name])}. "
                "Rename or merge one of them.",
                (*words, f"{what} {name!r}"),
                (*keys, number, "name"),
            )
        first[name] = number


def written(*keys: Key) -> str:
    """A way through nested lists and dicts as people write it.

    Example:
        >>> written("channels", 0, "samples", 1, "name")
        'channels[0].samples[1].name'
    """
    path = ""
    for key in keys:
        if isinstance(key, int):
            path += f"[{key}]"
        else:
            path += f".{key}" if path else key
    return path


def warn(message: str) -> None:
    """Warn at the line that called fitkit, however deep below this is noticed."""
    level, frame = 1, sys._getframe(0)
    # A model is made through the metaclass of `equinox.Module`.
    while frame.f_back and frame.f_globals["__name__"].startswith(
        ("fitkit.", "equinox.")
    ):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
