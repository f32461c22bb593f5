"""What a grid is made of: models, documents, or one document and its patches."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, final

from .._model.model import AbstractModel, Data
from .._workspace import Patch, PatchSet, WorkspaceError
from .._workspace.document import load

Document: TypeAlias = str | Path | Mapping[str, Any]
ModelAndData: TypeAlias = tuple[AbstractModel, Data]
"""What every reader gives, whatever the format."""


@final
@dataclasses.dataclass(frozen=True)
class Point:
    """One point of a grid, as contents and no longer as paths.

    Attributes:
        name: for the result.
        values: its coordinates; empty where it has none.
        document: the decoded document.
        patch: the operations of its JSON Patch, or None.
        model: the model and its data, where it was read before; there is no document.
        problem: why it could not be loaded; empty where it was.
    """

    name: str
    values: tuple[int | float | str, ...] = ()
    document: Any = dataclasses.field(default=None, repr=False)
    patch: Any = dataclasses.field(default=None, repr=False)
    model: ModelAndData | None = dataclasses.field(default=None, repr=False)
    problem: str = ""


def points_of(
    documents: Document | Sequence[Document] | Mapping[str, ModelAndData],
    patches: PatchSet | Iterable[Patch] | Mapping[str, Any] | None,
) -> tuple[tuple[str, ...], list[Point]]:
    """The labels of the coordinates, and the points in the caller's order.

    Raises:
        WorkspaceError: where the one document that all points share cannot be loaded.
        ValueError: for no point, or a name that comes twice.
    """
    labels: tuple[str, ...] = ()
    # Names are made here, once: results and files on disk go by them.
    if models := _models(documents):
        if patches is not None:
            raise ValueError("`grid(patches=...)` are for a document, not for models.")
        points = [Point(name, model=pair) for name, pair in models.items()]
    elif patches is None:
        points = _documents(documents)
    else:
        if isinstance(documents, Sequence) and not isinstance(documents, str):
            raise ValueError(
                f"`grid` got {len(documents)} documents and patches. Give the one "
                "document that the patches are for, or patched documents alone."
            )
        shared = load(documents)
        if isinstance(patches, PatchSet):
            labels = patches.labels
        points = [_patched(shared, each) for each in _named(patches)]
    if not points:
        raise ValueError("`grid` needs at least one point; `patches` is empty.")
    names = [point.name for point in points]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two points of `grid` have the name {twice!r}. Rename one.")
    return labels, points


def _models(documents: Any) -> Mapping[str, ModelAndData] | None:
    """The models by name, if these are some and no document."""
    if not isinstance(documents, Mapping) or not documents:
        return None
    pairs = [isinstance(each, tuple) for each in documents.values()]
    return documents if all(pairs) else None


def _documents(documents: Document | Sequence[Document]) -> list[Point]:
    if not isinstance(documents, Sequence) or isinstance(documents, str):
        # As everywhere: a single document that cannot be read raises.
        return [Point(_name(documents, 0), document=load(documents))]
    return [_loaded(_name(each, i), each) for i, each in enumerate(documents)]


def _name(document: Document, number: int) -> str:
    if isinstance(document, (str, Path)):
        return str(document)
    return f"document {number}"


def _loaded(name: str, document: Document) -> Point:
    try:
        return Point(name, document=load(document))
    except WorkspaceError as error:
        return Point(name, problem=str(error))


def _named(patches: Iterable[Patch] | Mapping[str, Any]) -> Iterable[Patch]:
    if isinstance(patches, Mapping):
        return [Patch(name, (), patch) for name, patch in patches.items()]
    return patches


def _patched(shared: Any, patch: Patch) -> Point:
    operations: Any = patch.operations
    try:
        if isinstance(operations, (str, Path)):
            operations = load(operations)
    except WorkspaceError as error:
        return Point(patch.name, patch.values, problem=str(error))
    return Point(patch.name, patch.values, shared, operations)
