"""Archives as HEPData ships them: many documents in one tar or zip file."""

import dataclasses
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, final

from . import foreign
from .document import MAX_BYTES, decode, in_folder
from .error import WorkspaceError

# A full release with hundreds of signal points stays below 1 GB; a few kilobytes that
# unpack to more are an attack.
_MAX_TOTAL_BYTES = 2 * 1024**3


@final
@dataclasses.dataclass(frozen=True)
class Archive(Mapping[str, Any]):
    """The JSON documents of an archive by member name, decoded when asked for.

    Attributes:
        path: the archive.
        contents: the text of each member.
    """

    path: str
    contents: Mapping[str, bytes] = dataclasses.field(repr=False)

    # Decoded anew each time: a release of hundreds of points would fill the memory.
    def __getitem__(self, name: str) -> Any:
        """The decoded member.

        Raises:
            WorkspaceError: where there is none of that name, or it is not JSON.
        """
        if name not in self.contents:
            some = ", ".join(list(self.contents)[:5])
            raise WorkspaceError(
                f"{self.path} has no member {name!r} among {len(self)}. It has: {some}"
                + ("." if len(self) <= 5 else ", ….")
            )
        return decode(self.contents[name], f"{self.path}:{name}")

    # A mapping's own ask for a member and wait for a `KeyError`.
    def __contains__(self, name: object) -> bool:
        return name in self.contents

    def get(self, name: str, default: Any = None) -> Any:
        """The decoded member, or a default where there is none of that name."""
        return self[name] if name in self.contents else default

    def __iter__(self) -> Iterator[str]:
        return iter(self.contents)

    def __len__(self) -> int:
        return len(self.contents)


def read_archive(path: str | Path) -> Archive:
    """The JSON documents in a tar (also compressed) or zip archive.

    Nothing is unpacked onto the disk. Members that are no JSON files, by their names,
    are left out.

    Args:
        path: the archive.

    Returns:
        A mapping from member names to decoded documents, which `read_workspace`,
        `read_patchset` and the argument `patch` take.

    Raises:
        WorkspaceError: for what is no archive, or has an absolute path, `..`, or far
            too much in it.
    """
    path = Path(path)
    if path.is_dir():
        raise WorkspaceError(f"{str(path)!r} is a directory. {in_folder(path)}")
    try:
        if zipfile.is_zipfile(path):
            contents, others = _zip_contents(path)
        else:
            contents, others = _tar_contents(path)
    except WorkspaceError:
        raise
    except OSError as error:
        raise WorkspaceError(
            f"cannot read {str(path)!r}: {error.strerror or error}. Give the path of a "
            "tar or zip archive."
        ) from None
    except Exception as error:  # the two libraries let many others escape
        with path.open("rb") as file:
            head = file.read(foreign.HEAD)
        what = foreign.of_content(head)
        if what and "archive" not in what.partition(".")[0]:  # which then is broken
            raise WorkspaceError(f"{path} is no archive, but {what}.") from None
        if head.lstrip()[:1] in (b"{", b"["):
            raise WorkspaceError(
                f"{path} is no archive, but JSON. Give it to `read_workspace`, or to "
                "`read_patchset`."
            ) from None
        raise WorkspaceError(
            f"{path} is no tar or zip archive that can be read: {error}. Download it "
            "again, or give the path of a document to `read_workspace`."
        ) from None
    # As HEPData bundles a record; an archive without documents would be no help.
    inner = [name for name in others if _is_archive(name)]
    if inner and not contents:
        raise WorkspaceError(
            f"{path} has no JSON documents, but archives: {', '.join(inner)}. Unpack "
            "it and read these."
        )
    return Archive(str(path), contents)


def _tar_contents(path: Path) -> tuple[dict[str, bytes], list[str]]:
    """The documents of a tar archive, and the names of its other files."""
    contents, others, total = {}, [], 0
    with tarfile.open(path) as archive:
        for member in archive:
            _check_name(path, member.name)
            total = _check_size(path, member.name, member.size, total)
            if not member.isreg():
                continue
            file = archive.extractfile(member)
            if file is not None and _is_document(member.name):
                contents[_plain(member.name)] = file.read()
            else:
                others.append(member.name)
    return contents, others


def _zip_contents(path: Path) -> tuple[dict[str, bytes], list[str]]:
    """The documents of a zip archive, and the names of its other files."""
    contents, others, total = {}, [], 0
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            _check_name(path, member.filename)
            total = _check_size(path, member.filename, member.file_size, total)
            if member.is_dir():
                continue
            if _is_document(member.filename):
                with archive.open(member) as file:
                    # the header's size may lie: read no more than is allowed
                    contents[_plain(member.filename)] = file.read(MAX_BYTES + 1)
            else:
                others.append(member.filename)
    return contents, others


def _plain(name: str) -> str:
    return str(PurePosixPath(name))


def _is_document(name: str) -> bool:
    # macOS adds files such as "._BkgOnly.json" that are no JSON
    plain = PurePosixPath(name)
    return plain.suffix == ".json" and not plain.name.startswith("._")


def _is_archive(name: str) -> bool:
    return name.endswith((".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".zip"))


def _check_name(path: Path, name: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts:
        raise WorkspaceError(
            f"{path}: member {name!r} points outside the archive. Do not trust "
            "this file; get it from where it was published."
        )


def _check_size(path: Path, name: str, size: int, total: int) -> int:
    if size > MAX_BYTES or total + size > _MAX_TOTAL_BYTES:
        raise WorkspaceError(
            f"{path}: member {name!r} has {size} bytes; members above {MAX_BYTES} and "
            f"archives above {_MAX_TOTAL_BYTES} are not read. Unpack it yourself if it "
            "is what you expect."
        )
    return total + size
