"""Files that are no JSON workspaces, but that a model can be read from."""

import abc
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, final


class AbstractForeign(abc.ABC):
    """A file of another format, read as the commands read a workspace.

    Attributes:
        name: as it was typed, for messages.
        kind: of the file, for messages.
    """

    name: str
    kind: str

    @abc.abstractmethod
    def read(self, measurement: str | None, poi: Any) -> tuple[Any, Any]:
        """The model and the data.

        Args:
            measurement: what `--measurement` says.
            poi: what `--poi` says, or `fitkit.UNSET`.

        Raises:
            WorkspaceError: for a file that cannot be used, with its name.
        """

    @abc.abstractmethod
    def measurements(self) -> list[dict[str, str]]:
        """What `--measurement` can choose, each with its parameter of interest."""


@final
@dataclasses.dataclass(frozen=True)
class Hs3(AbstractForeign):
    """An HS3 document: its analyses are its measurements."""

    name: str
    document: Any
    kind: str = "an HS3 document"

    def read(self, measurement: str | None, poi: Any) -> tuple[Any, Any]:
        import fitkit

        try:
            return fitkit.read_hs3(self.document, analysis=measurement, poi=poi)
        except fitkit.WorkspaceError as error:
            raise fitkit.WorkspaceError(f"{self.name}: {error}") from None

    def measurements(self) -> list[dict[str, str]]:
        from .._formats.hs3.document import Hs3Document, analyses_of

        return [
            {"name": name, "poi": ", ".join(pois)}
            for name, pois in analyses_of(Hs3Document(self.document))
        ]


@final
@dataclasses.dataclass(frozen=True)
class Xml(AbstractForeign):
    """HistFactory XML, a file or its folder."""

    name: str
    kind: str = "HistFactory XML"

    def read(self, measurement: str | None, poi: Any) -> tuple[Any, Any]:
        import fitkit

        return fitkit.read_histfactory_xml(self.name, measurement=measurement, poi=poi)

    def measurements(self) -> list[dict[str, str]]:
        from .._formats.histfactory_xml.read import measurements_of

        return [
            {"name": name, "poi": ", ".join(pois)}
            for name, pois in measurements_of(self.name)
        ]


def foreign_path(path: str) -> AbstractForeign | None:
    """What a path leads to, where its content need not be decoded to know."""
    for fits, kind in _BY_PATH:
        if fits(Path(path)):
            return kind(path)
    return None


def foreign_document(name: str, document: Any) -> AbstractForeign | None:
    """What a decoded document is, where it is no workspace."""
    from .._formats.hs3.document import is_hs3

    return Hs3(name, document) if is_hs3(document) else None


def _is_xml(path: Path) -> bool:
    if path.is_dir():
        return any(path.glob("*.xml")) or any(path.glob("*/*.xml"))
    return path.suffix.lower() == ".xml"


_BY_PATH: list[tuple[Callable[[Path], bool], Callable[[str], AbstractForeign]]] = [
    (_is_xml, Xml)
]
