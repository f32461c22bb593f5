"""Files that are no JSON workspaces, but that a model can be read from."""

import abc
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

from .names import Mistake


class AbstractForeign(abc.ABC):
    """A file of another format, read as the commands read a workspace.

    Attributes:
        name: as it was typed, for messages.
        kind: of the file, for messages.
    """

    name: str
    kind: str

    @abc.abstractmethod
    def read(
        self, measurement: str | None, poi: Any, options: Mapping[str, str]
    ) -> tuple[Any, Any]:
        """The model and the data.

        Args:
            measurement: what `--measurement` says.
            poi: what `--poi` says, or `fitkit.UNSET`.
            options: for the reader, those that all formats have.

        Raises:
            WorkspaceError: for a file that cannot be used, with its name.
        """

    def document(self) -> Any:
        """The workspace that is the same model, decoded.

        Raises:
            WorkspaceError: where there is none.
        """
        import fitkit

        from .._workspace.write import workspace_document

        return workspace_document(*self.read(None, fitkit.UNSET, {}))

    @abc.abstractmethod
    def measurements(self) -> list[dict[str, str]]:
        """What `--measurement` can choose, each with its parameter of interest."""


@final
@dataclasses.dataclass(frozen=True)
class Hs3(AbstractForeign):
    """An HS3 document: its analyses are its measurements."""

    name: str
    content: Any
    kind: str = "an HS3 document"

    def read(
        self, measurement: str | None, poi: Any, options: Mapping[str, str]
    ) -> tuple[Any, Any]:
        import fitkit

        try:
            return fitkit.read_hs3(
                self.content, analysis=measurement, poi=poi, **options
            )
        except fitkit.WorkspaceError as error:
            raise fitkit.WorkspaceError(f"{self.name}: {error}") from None

    def measurements(self) -> list[dict[str, str]]:
        from .._formats.hs3.document import Hs3Document, analyses_of

        return [
            {"name": name, "poi": ", ".join(pois)}
            for name, pois in analyses_of(Hs3Document(self.content))
        ]


@final
@dataclasses.dataclass(frozen=True)
class Xml(AbstractForeign):
    """HistFactory XML, a file or its folder."""

    name: str
    kind: str = "HistFactory XML"

    def read(
        self, measurement: str | None, poi: Any, options: Mapping[str, str]
    ) -> tuple[Any, Any]:
        import fitkit

        return fitkit.read_histfactory_xml(
            self.name, measurement=measurement, poi=poi, **options
        )

    def measurements(self) -> list[dict[str, str]]:
        from .._formats.histfactory_xml.read import measurements_of

        return [
            {"name": name, "poi": ", ".join(pois)}
            for name, pois in measurements_of(self.name)
        ]


@final
@dataclasses.dataclass(frozen=True)
class Card(AbstractForeign):
    """A datacard of CMS Combine.

    Attributes:
        mass: what `--mass` says.
        poi_map: what `--poi-map` says, by pattern.
    """

    name: str
    mass: str | None = None
    poi_map: Mapping[str, str] | None = None
    kind: str = "a datacard of CMS Combine"

    def read(
        self, measurement: str | None, poi: Any, options: Mapping[str, str]
    ) -> tuple[Any, Any]:
        import fitkit

        if measurement is not None:
            raise Mistake("--measurement: a datacard has no measurements.")
        return fitkit.read_combine_card(
            self.name, mass=self.mass, poi_map=self.poi_map, poi=poi, **options
        )

    def document(self) -> Any:
        import fitkit

        return fitkit.combine_card_to_workspace(
            self.name, mass=self.mass, poi_map=self.poi_map
        )

    def measurements(self) -> list[dict[str, str]]:
        from .._formats.combine_card.read import read_card
        from .._formats.combine_card.strengths import strengths

        names = strengths(read_card(self.name), self.poi_map).names
        return [{"name": Path(self.name).stem, "poi": ", ".join(names)}]

    def with_options(self, mass: str | None, poi_map: list[str] | None) -> "Card":
        """The same with the options that are for cards alone.

        Raises:
            Mistake: for a map that cannot be split.
        """
        if not poi_map:
            return dataclasses.replace(self, mass=mass)
        pairs: dict[str, str] = {}
        for text in poi_map:
            # A pattern may hold a colon, a target does not.
            pattern, colon, target = text.removeprefix("map=").rpartition(":")
            if not colon:
                raise Mistake(
                    f"--poi-map {text!r}: write CHANNEL/PROCESS:STRENGTH, as "
                    "'.*/ggH:r_ggH' or '.*/qqH:r_qqH[1,0,10]'."
                )
            pairs[pattern] = target
        return dataclasses.replace(self, mass=mass, poi_map=pairs)


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


def _is_card(path: Path) -> bool:
    if path.suffix.lower() in (".json", ".xml") or not path.is_file():
        return False
    from .._workspace.foreign import HEAD, of_content

    with path.open("rb") as file:
        return of_content(file.read(HEAD)).startswith(Card.kind)


_BY_PATH: list[tuple[Callable[[Path], bool], Callable[[str], AbstractForeign]]] = [
    (_is_xml, Xml),
    (_is_card, Card),
]
