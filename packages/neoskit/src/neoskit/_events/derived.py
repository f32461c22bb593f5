"""Columns of a piece of a file, and those that are computed from them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, final

import numpy as np

from .expressions import Expression, parse
from .nearest import near


@final
class Derived(Mapping[str, Any]):
    """What is known of some events: columns that were read or defined, by name.

    A defined column is computed when it is first asked for. One that is defined in
    terms of its own name, as `pt = "1.02 * pt"`, refers to the column that was read.

    Args:
        read: column → a value or a list per event.
        definitions: column → expression over columns.
        length: the number of events.
        replaced: columns that have other values here than those read or defined; a
            shifted column is one, and what is defined in terms of it follows.
    """

    def __init__(
        self,
        read: Mapping[str, Any],
        definitions: Mapping[str, str],
        length: int,
        replaced: Mapping[str, Any] | None = None,
    ):
        self.length = length
        self._read = read
        self._definitions = definitions
        self._done = dict(replaced or {})
        self._defining: list[str] = []

    def __getitem__(self, name: str) -> Any:
        if name in self._defining:
            return self._read[name]
        if name in self._done:
            return self._done[name]
        if name not in self._definitions:
            return self._read[name]
        self._defining.append(name)
        values = self.value(self._definitions[name])
        self._defining.remove(name)
        self._done[name] = values
        return values

    def __iter__(self) -> Iterator[str]:
        return iter({**self._read, **self._definitions, **self._done})

    def __len__(self) -> int:
        return len(list(iter(self)))

    def value(self, text: str) -> np.ndarray:
        """An expression's value for each event."""
        return resolve(text, self)(self, self.length)

    def shifted(self, columns: Mapping[str, str]) -> "Derived":
        """The same events with some columns replaced by expressions over these here."""
        if not columns:
            return self
        replaced = {name: self.value(text) for name, text in columns.items()}
        return Derived(self._read, self._definitions, self.length, replaced)


def resolve(text: str, known: Iterable[str]) -> Expression:
    """The expression that a text is; the name of a column is one, whatever it is.

    Raises:
        ValueError: it is neither a column's name nor an expression.
    """
    name = text.strip()
    known = known if isinstance(known, Mapping | set | dict) else set(known)
    if name in known:
        return Expression(text, "c0", {"c0": name})
    return parse(text)


def needed(
    texts: Iterable[str],
    definitions: Mapping[str, str],
    known: Iterable[str],
    place: str,
) -> list[str]:
    """The columns that must be read for expressions to be computed.

    Args:
        texts: the expressions.
        definitions: column → expression, of columns that are not read.
        known: the columns that there are to read.
        place: what has them, for a message.

    Raises:
        ValueError: a column is neither there nor defined (near ones are named), or one
            is defined in terms of itself by way of others.
    """
    there = dict.fromkeys(known)
    every = {**there, **dict.fromkeys(definitions)}
    wanted: dict[str, None] = {}
    checked: set[str] = set()

    def follow(text: str, within: tuple[str, ...]) -> None:
        try:
            expression = resolve(text, every)
        except ValueError as error:
            near_columns = near(text, every) if len(text) < 40 else ""
            raise ValueError(f"{error}{near_columns}") from None
        for name in expression.columns:
            if name in definitions and name not in within[-1:]:
                if name in within:
                    loop = " → ".join([*within[within.index(name) :], name])
                    raise ValueError(
                        f"The column {name!r} is defined in terms of itself: {loop}."
                    )
                if name not in checked:
                    follow(definitions[name], (*within, name))
                    checked.add(name)
            elif name in there:
                wanted[name] = None
            elif name in definitions:
                raise ValueError(
                    f"The column {name!r} is defined in terms of one of its own name, "
                    f"and {place} has none."
                )
            else:
                inside = "" if name == text.strip() else f" (in {text!r})"
                raise ValueError(
                    f"No column {name!r}{inside} in {place}.{near(name, every)}"
                )

    for text in texts:
        follow(text, ())
    return list(wanted)
