"""Patch sets: the signal points of an analysis, as patches of its background model."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, final

import pydantic
from pydantic import ConfigDict, Field

from . import foreign
from .digest import digest
from .document import copied, load
from .error import WorkspaceError, explain
from .patching import patched


class _PatchMetadata(pydantic.BaseModel):
    # As in pyhf's schema, releases may add keys to metadata, and to nothing else.
    model_config = ConfigDict(strict=True, extra="allow")
    name: str
    values: list[int | float | str]


class _PatchDocument(pydantic.BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    metadata: _PatchMetadata
    patch: list[dict[str, Any]]


class _SetMetadata(pydantic.BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")
    references: dict[str, str]
    digests: Annotated[dict[str, str], Field(min_length=1)]
    labels: Annotated[list[str], Field(min_length=1)]
    description: str


class _PatchSetDocument(pydantic.BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    metadata: _SetMetadata
    patches: Annotated[list[_PatchDocument], Field(min_length=1)]
    version: str


@final
@dataclasses.dataclass(frozen=True)
class Patch:
    """One signal point.

    Attributes:
        name: as the patch set calls it.
        values: its coordinates, one for each of the patch set's labels.
        operations: the JSON Patch (RFC 6902).
    """

    name: str
    values: tuple[int | float | str, ...]
    operations: Sequence[Mapping[str, Any]] = dataclasses.field(repr=False)

    def apply(self, document: Mapping[str, Any]) -> Any:
        """The document with the operations applied; the given one stays as it is.

        Raises:
            WorkspaceError: where one does not apply; says which.
        """
        # Parts that no operation touches are the given document's own up to here.
        return copied(patched(document, self.operations))


@final
@dataclasses.dataclass(frozen=True)
class PatchSet:
    """Signal points, to choose by name or by values.

    Attributes:
        description: what the analysis says of it.
        labels: the names of the coordinates.
        references: where it comes from.
        digests: of the background-only document that it was made for, by algorithm.
        patches: the signal points, in the document's order.
    """

    description: str
    labels: tuple[str, ...]
    references: Mapping[str, str]
    digests: Mapping[str, str]
    patches: tuple[Patch, ...] = dataclasses.field(repr=False)

    def __iter__(self) -> Iterator[Patch]:
        return iter(self.patches)

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, key: str | Sequence[int | float | str]) -> Patch:
        """The signal point of a name, or of values such as `(1300, 205)`.

        Raises:
            WorkspaceError: where there is none; names the closest.
        """
        # Values that come from JSON are a list.
        wanted = key if isinstance(key, str) else tuple(key)
        for patch in self.patches:
            if wanted in (patch.name, patch.values):
                return patch
        some = ", ".join(f"{p.name} {p.values}" for p in self.patches[:3])
        raise WorkspaceError(
            f"no signal point {key!r} among {len(self)}. Names and values look like "
            f"{some}, …"
        )

    def verify(self, document: Mapping[str, Any]) -> None:
        """Check that this patch set was made for this document.

        Raises:
            WorkspaceError: where the digest of the document is another.
        """
        for algorithm, expected in self.digests.items():
            own = digest(document, algorithm)
            if own != expected:
                raise WorkspaceError(
                    f"the document's {algorithm} digest is {own}, but the patch set "
                    f"was made for {expected}. Use the background-only document of the "
                    "same release, or apply with `verify=False`."
                )

    def apply(
        self,
        document: Mapping[str, Any],
        key: str | Sequence[int | float | str],
        *,
        verify: bool = True,
    ) -> Any:
        """The document with a signal point applied; the given one stays as it is.

        Args:
            document: the decoded background-only document.
            key: name or values of the signal point.
            verify: check the digest first. Some published digests are stale.

        Raises:
            WorkspaceError: for an unknown point, another digest, or a patch that does
                not apply.
        """
        if verify:
            self.verify(document)
        return self[key].apply(document)


def _parsed(document: Any, name: str) -> _PatchSetDocument:
    try:
        return _PatchSetDocument.model_validate(document)
    except pydantic.ValidationError as error:
        if what := foreign.of_patchset(document):
            raise WorkspaceError(f"{name}the document is {what}.") from None
        raise WorkspaceError(name + explain(error)) from None


def read_patchset(source: str | Path | Mapping[str, Any]) -> PatchSet:
    """The signal points of a patch set document (pyhf's schema 1.0.0).

    Args:
        source: path of the file, or the decoded document.

    Returns:
        The patch set; `read_workspace(..., patch=patchset["name"])` takes its entries.

    Raises:
        WorkspaceError: for a document that cannot be used; names the place in it.

    Example:
        >>> import fitkit
        >>> patchset = fitkit.read_patchset({
        ...     "metadata": {"labels": ["m1", "m2"], "description": "two masses",
        ...         "references": {"hepdata": "ins1234567"}, "digests": {"md5": "0"}},
        ...     "patches": [{"metadata": {"name": "A_300_50", "values": [300, 50]},
        ...         "patch": [{"op": "remove", "path": "/channels/1"}]}],
        ...     "version": "1.0.0"})
        >>> patchset[(300, 50)].name
        'A_300_50'
    """
    name = f"{source}: " if isinstance(source, (str, Path)) else ""
    document = _parsed(load(source), name)
    metadata = document.metadata
    patches = tuple(
        Patch(each.metadata.name, tuple(each.metadata.values), each.patch)
        for each in document.patches
    )
    # Points are chosen by either; two of one name would hide each other.
    seen: dict[Any, int] = {}
    for number, patch in enumerate(patches):
        where = f"{name}patches[{number}].metadata"
        if len(patch.values) != len(metadata.labels):
            raise WorkspaceError(
                f"{where}.values has {len(patch.values)} entries, but metadata.labels "
                f"has {len(metadata.labels)}. Give one value for each label."
            )
        for key, what in ((patch.name, "name"), (patch.values, "values")):
            if key in seen:
                raise WorkspaceError(
                    f"{where}.{what}: {key!r} is already that of patches[{seen[key]}]. "
                    "Remove or rename one of them."
                )
            seen[key] = number
    return PatchSet(
        metadata.description,
        tuple(metadata.labels),
        metadata.references,
        metadata.digests,
        patches,
    )
