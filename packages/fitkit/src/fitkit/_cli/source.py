"""From what was typed to documents: files, archives, patches, signal points."""

import dataclasses
import sys
import warnings
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, final

from .foreign import AbstractForeign, Card, foreign_document, foreign_path
from .names import Mistake, known
from .options import Input

if TYPE_CHECKING:
    import fitkit

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")


def is_archive(path: str) -> bool:
    """Whether the name is that of an archive."""
    return path.lower().endswith(_ARCHIVES)


@final
@dataclasses.dataclass(frozen=True)
class Folder:
    """One analysis region of an archive: a workspace and the patches beside it.

    Attributes:
        name: of the folder, empty at the archive's root.
        workspaces: member names of documents with channels.
        patchsets: member names of patch sets.
        patches: member names of JSON Patches, by the name of their signal point.
    """

    name: str
    workspaces: list[str]
    patchsets: list[str]
    patches: dict[str, str]


def folders(archive: "fitkit.Archive") -> list[Folder]:
    """The regions of an archive; decodes no patch."""
    import fitkit

    regions: dict[str, Folder] = {}
    # A release has hundreds of patches of a megabyte: their first bytes are enough.
    for member, text in archive.contents.items():
        path = PurePosixPath(member)
        name = "" if str(path.parent) == "." else str(path.parent)
        folder = regions.setdefault(name, Folder(name, [], [], {}))
        if text[:64].lstrip()[:1] == b"[":  # a list of operations
            folder.patches[path.stem.removeprefix("patch.")] = member
            continue
        try:
            document = archive[member]
        except fitkit.WorkspaceError as error:  # the others can still be used
            warnings.warn(f"left out: {error}", stacklevel=2)
            continue
        if isinstance(document, dict):
            if "channels" in document:
                folder.workspaces.append(member)
            elif "patches" in document:
                folder.patchsets.append(member)
    return [regions[name] for name in sorted(regions)]


def read_json(path: str) -> Any:
    """The decoded document of a file or, for `-`, of standard input.

    Raises:
        Mistake: for what cannot be a JSON document.
        WorkspaceError: for a file that cannot be read, or is none.
    """
    from .._workspace.document import decode, load

    if is_archive(path):
        raise Mistake(f"{path} is an archive; a JSON document is needed here.")
    if path != "-":
        return load(path)
    if text := sys.stdin.buffer.read():
        return decode(text, "standard input")
    raise Mistake("standard input is empty; it can be read only once.")


@final
@dataclasses.dataclass(frozen=True)
class Source:
    """A workspace as it was published, and the signal points that go with it.

    Attributes:
        name: for messages.
        document: decoded, without any patch.
        patches: operations of each `--patch`.
        points: the signal points by name.
        labels: what their coordinates are, where a patch set says it.
        foreign: the file, where it is of another format; it has no document then.
    """

    name: str
    document: Any
    patches: list[Any]
    points: Mapping[str, "fitkit.Patch"]
    labels: tuple[str, ...] = ()
    foreign: AbstractForeign | None = None

    def patched(self, point: "fitkit.Patch | None") -> Any:
        """The document with its patches and a signal point applied.

        Of a file of another format the one that `write_workspace` makes of its model.
        """
        import fitkit

        if self.foreign is not None:
            return self.foreign.document()
        document = self.document
        for operations in self.patches:
            document = fitkit.Patch("patch", (), operations).apply(document)
        return document if point is None else point.apply(document)


def read_source(given: Input) -> Source:
    """Read what the options name.

    Raises:
        Mistake: for an option that does not fit.
        WorkspaceError: for a file that cannot be used.
    """
    import fitkit

    if not is_archive(given.workspace):
        if given.member is not None:
            raise Mistake("--member is for archives; this is a JSON document.")
        foreign = foreign_path(given.workspace)
        _check_for_cards(foreign, given)
        if foreign is not None:
            return _foreign(foreign, given)
        document = read_json(given.workspace)
        if (foreign := foreign_document(given.workspace, document)) is not None:
            return _foreign(foreign, given)
        patches = [read_json(path) for path in given.patch or ()]
        patchset = None if given.patchset is None else read_json(given.patchset)
        points = _points(patchset, document, given)
        return Source(given.workspace, document, patches, *points)
    archive = fitkit.read_archive(given.workspace)
    folder, member = _member(archive, given.member)
    document = archive[member]

    def beside(path: str) -> Any:
        # a member's name, whole or inside the folder; else a file on the disk
        for name in (path, f"{folder.name}/{path}"):
            if name in archive.contents:
                return archive[name]
        return read_json(path)

    patches = [beside(path) for path in given.patch or ()]
    # Beside a workspace there is one patch set at most, which is the one for it.
    patchset = given.patchset or (folder.patchsets[0] if folder.patchsets else None)
    name = f"{given.workspace}:{member}"
    if patchset is None:
        return Source(name, document, patches, _Members(archive, folder.patches))
    return Source(name, document, patches, *_points(beside(patchset), document, given))


def _check_for_cards(foreign: AbstractForeign | None, given: Input) -> None:
    """See that options of datacards are given for one."""
    for option, value in (("--mass", given.mass), ("--poi-map", given.poi_map)):
        if value and not isinstance(foreign, Card):
            raise Mistake(f"{option} is for datacards; {given.workspace} is none.")


def _foreign(foreign: AbstractForeign, given: Input) -> Source:
    """A file of another format, for which there are no patches."""
    for option in ("patch", "patchset", "point"):
        if getattr(given, option):
            raise Mistake(
                f"--{option} is for JSON workspaces; {given.workspace} is "
                f"{foreign.kind}."
            )
    if isinstance(foreign, Card):
        foreign = foreign.with_options(given.mass, given.poi_map)
    return Source(given.workspace, None, [], {}, foreign=foreign)


def _member(archive: "fitkit.Archive", wanted: str | None) -> tuple[Folder, str]:
    """The one workspace that is meant, and its folder."""
    workspaces = {name: f for f in folders(archive) for name in f.workspaces}
    if not workspaces:
        raise Mistake(f"{archive.path} holds no workspace.")
    if wanted is not None:
        chosen = [n for n, f in workspaces.items() if wanted.rstrip("/") in (n, f.name)]
        if not chosen:
            known(
                "--member",
                wanted,
                [*workspaces, *(f.name for f in workspaces.values())],
                "workspace of the archive",
            )
    else:
        chosen = list(workspaces)
    if len(chosen) > 1:
        raise Mistake(
            f"{archive.path} holds {len(chosen)} workspaces: choose with --member "
            f"among {', '.join(chosen)}."
        )
    return workspaces[chosen[0]], chosen[0]


def _points(
    patchset: Any, document: Any, given: Input
) -> tuple[Mapping[str, "fitkit.Patch"], tuple[str, ...]]:
    """The signal points of a patch set by name, and what their coordinates are."""
    import fitkit

    if patchset is None:
        return {}, ()
    read = fitkit.read_patchset(patchset)
    # Of a document without any patch: that is what a patch set is made for.
    if given.verify:
        read.verify(document)
    return {patch.name: patch for patch in read}, read.labels


@final
class _Members(Mapping[str, "fitkit.Patch"]):
    """The patches beside a workspace, decoded when asked for."""

    def __init__(self, archive: "fitkit.Archive", members: Mapping[str, str]):
        self.archive = archive
        self.members = members

    def __getitem__(self, name: str) -> "fitkit.Patch":
        import fitkit

        return fitkit.Patch(name, (), self.archive[self.members[name]])

    def __iter__(self):
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)


def chosen_point(source: Source, wanted: str | None) -> "fitkit.Patch | None":
    """The signal point of a name, or of values such as `900,400`; None for none."""
    return None if wanted is None else point_of(source, wanted)


def point_of(source: Source, wanted: str) -> "fitkit.Patch":
    """The signal point of a name, or of values such as `900,400`.

    Raises:
        Mistake: where there is none, with the closest name.
    """
    if not source.points:
        raise Mistake(
            f"--point {wanted}: {source.name} comes without signal points. Give "
            "--patchset."
        )
    if wanted in source.points:
        return source.points[wanted]
    if source.labels:  # else files, which have no values
        for point in source.points.values():
            if ",".join(map(str, point.values)) == wanted.replace(" ", ""):
                return point
    return source.points[known("--point", wanted, source.points, "signal point")]


def names_in(document: Any, what: str) -> list[str]:
    """The names of the channels, samples, parameters or measurements of a document.

    Of one that may be formally wrong: what is no name is passed over.
    """
    if what == "measurement":
        return _names(_items([document], "measurements"))
    items = _items([document], "channels")
    for inner in {"channel": (), "sample": ("samples",)}.get(
        what, ("samples", "modifiers")
    ):
        items = _items(items, inner)
    return _names(items)


def _items(values: list[Any], key: str) -> list[Any]:
    return [
        item
        for value in values
        if isinstance(value, dict) and isinstance(value.get(key), list)
        for item in value[key]
    ]


def _names(items: list[Any]) -> list[str]:
    names = (item.get("name") for item in items if isinstance(item, dict))
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def check_name(option: str, name: str, document: Any, what: str) -> None:
    """See that a document has what an option names.

    Raises:
        WorkspaceError: for a document that is formally wrong.
        Mistake: for an unknown name, with the closest that there are.
    """
    names = names_in(document, what)
    if name not in names:
        from .._workspace.parse import parse

        # Of a document that is formally wrong the place is told, not that names lack.
        parse(document)
        known(option, name, names, what)
