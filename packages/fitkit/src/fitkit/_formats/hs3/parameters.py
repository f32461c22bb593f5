"""Which parameters the modifiers of an HS3 likelihood name."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, final

from ..._histfactory.problem import Key, written
from ..._workspace.error import WorkspaceError
from .channels import ChannelPart
from .document import Hs3Document
from .names import PerBin, vector_names
from .schema import OneParameterPart, PerBinPart


@final
class Vector(NamedTuple):
    """A parameter of many bins.

    Attributes:
        name: of the model's parameter.
        kind: "shapefactor", "shapesys" or "staterror".
        entries: the document's parameters, in the model's order.
        where: of its first modifier.
    """

    name: str
    kind: str
    entries: list[str]
    where: str


@final
class Parameters:
    """The parameters of a likelihood's modifiers.

    Attributes:
        channels: the likelihood's.
        scalars: by name, the type of the first modifier and its place.
        vectors: by name, those of many bins.
        entries_at: of the modifiers of many bins, by channel, sample and modifier.
        names: the vector that a list of entries belongs to.
        owners: of each of the document's parameters, the model's.
    """

    def __init__(self, document: Hs3Document, channels: Sequence[ChannelPart]):
        """Look at all modifiers.

        Raises:
            WorkspaceError: for one whose parameters cannot be those of a model.
        """
        self.channels = channels
        self._document = document
        self.scalars: dict[str, tuple[str, str]] = {}
        lists: list[PerBin] = []
        self.entries_at: dict[tuple[int, int, int], tuple[str, ...]] = {}
        for c, s, m, part in self.modifiers():
            where = self.place(c, s, m)
            if isinstance(part, PerBinPart):
                entries = self._entries_of(part, c, where)
                self.entries_at[c, s, m] = entries
                lists.append(PerBin(c, entries, self._together(part, c)))
            else:
                name = parameter_of(part, where)
                self._refuse_function(name, where)
                self.scalars.setdefault(name, (part.type, where))
        self.names = vector_names(lists, {*self.scalars})
        self.vectors = self._vectors()
        self.owners = {n: n for n in self.scalars}
        for vector in self.vectors.values():
            for entry in vector.entries:
                if self.owners.setdefault(entry, vector.name) != vector.name:
                    raise WorkspaceError(
                        f"{vector.where}: the parameter {entry!r} is one of another "
                        "modifier too, which has others beside it. Rename one of them."
                    )

    def modifiers(self) -> Iterator[tuple[int, int, int, Any]]:
        """Every modifier, with the numbers of its channel, its sample and its own."""
        for c, channel in enumerate(self.channels):
            for s, sample in enumerate(channel.content.samples):
                for m, part in enumerate(sample.modifiers):
                    yield c, s, m, part

    def place(self, c: int, s: int, m: int, *keys: Key) -> str:
        """A place in a modifier, as messages name it."""
        where = (*self.channels[c].where, "samples", s, "modifiers", m)
        return written(*where, *keys)

    def _entries_of(self, part: PerBinPart, c: int, where: str) -> tuple[str, ...]:
        channel = self.channels[c]
        entries = part.parameters
        if not entries:
            stem = part.parameter or f"gamma_{part.name or channel.name}"
            if part.type == "staterror":
                stem = part.parameter or f"gamma_stat_{channel.name}"
            entries = [f"{stem}_bin_{i}" for i in range(channel.bins)]
        if len(entries) != channel.bins:
            raise WorkspaceError(
                f"{where}.parameters: has {len(entries)} names, but the channel has "
                f"{channel.bins} bins. Give one for each."
            )
        if len({*entries}) < len(entries):
            raise WorkspaceError(
                f"{where}.parameters: has a name twice. Give each bin its own."
            )
        for entry in entries:
            self._refuse_function(entry, where)
        return tuple(entries)

    def _together(self, part: PerBinPart, c: int) -> str:
        name = part.parameter or part.name or part.type
        several = len(self.channels) > 1
        return f"{name}_{self.channels[c].name}" if several else name

    def _refuse_function(self, name: str, where: str) -> None:
        if name in self._document.named("functions"):
            raise WorkspaceError(
                f"{where}: {name!r} is a function of parameters, which is not read. "
                "Give the modifier a parameter."
            )
        try:
            float(name)
        except ValueError:
            return
        raise WorkspaceError(
            f"{where}: the parameter {name!r} is a number. Multiply the yields by it, "
            "and remove the modifier."
        )

    def _vectors(self) -> dict[str, Vector]:
        vectors: dict[str, Vector] = {}
        seen: set[tuple[str, ...]] = set()
        for (c, s, m), entries in self.entries_at.items():
            part = self.channels[c].content.samples[s].modifiers[m]
            name, where = self.names[entries], self.place(c, s, m)
            vector = vectors.setdefault(name, Vector(name, part.type, [], where))
            if vector.kind != part.type:
                raise WorkspaceError(
                    f"{where}: a {part.type} has the parameters of the {vector.kind} "
                    f"at {vector.where}. Rename one of them."
                )
            if entries not in seen:
                vector.entries.extend(entries)
            elif part.type == "shapesys":
                raise WorkspaceError(
                    f"{where}: has the parameters of another shapesys, at "
                    f"{vector.where}, whose constraint is that of one sample. Rename "
                    "one of them."
                )
            seen.add(entries)
        return vectors


def parameter_of(part: OneParameterPart, where: str) -> str:
    """The parameter of a modifier: named, or after the modifier as ROOT does it."""
    if part.parameter:
        return part.parameter
    if part.name:
        return part.name if part.type == "normfactor" else f"alpha_{part.name}"
    raise WorkspaceError(f"{where}: names no `parameter`. Add it.")
