"""From a decoded document to the models of its format."""

import itertools
from collections.abc import Mapping
from typing import Any

import pydantic

from . import foreign
from .document import plain
from .error import WorkspaceError, explain
from .schema import WorkspaceDocument


def parse(
    document: Any, known: Mapping[int, pydantic.BaseModel] | None = None
) -> WorkspaceDocument:
    """Check a decoded document against the format.

    Args:
        document: the document, perhaps with NumPy arrays, or tuples for lists.
        known: what an earlier call made of some of its parts, see `parts`, by their
            identity; they are taken as they are.

    Raises:
        WorkspaceError: names the first place that does not fit and what to do.
    """
    try:
        return WorkspaceDocument.model_validate(_with_known(document, known or {}))
    except pydantic.ValidationError as error:
        if known:  # whose parts would stand in the message
            return parse(document)
        if what := foreign.of_document(document):
            raise WorkspaceError(f"the document is {what}.") from None
        # Only now: most documents come from files, and to look at all of one for
        # arrays takes a tenth of the time that reading it takes.
        if (as_json := _plain(document)) is not document:
            return parse(as_json)
        raise WorkspaceError(explain(error)) from None


def parts(document: Any, workspace: WorkspaceDocument) -> dict[int, pydantic.BaseModel]:
    """What `parse` made of the parts of a document, by their identity.

    For use as long as the document is there and does not change.
    """
    pairs = itertools.chain(
        zip(document["observations"], workspace.observations, strict=True),
        zip(document["measurements"], workspace.measurements, strict=True),
        *(
            zip(raw["samples"], channel.samples, strict=True)
            for raw, channel in zip(
                document["channels"], workspace.channels, strict=True
            )
        ),
    )
    return {id(raw): part for raw, part in pairs}


def _with_known(document: Any, known: Mapping[int, pydantic.BaseModel]) -> Any:
    """The document with known parts in the place of what they were made of."""
    if not known:
        return document

    def some(listed: list[Any]) -> list[Any]:
        return [known.get(id(each), each) for each in listed]

    try:
        return {
            **document,
            "observations": some(document["observations"]),
            "measurements": some(document["measurements"]),
            "channels": [
                {**each, "samples": some(each["samples"])}
                for each in document["channels"]
            ],
        }
    # What it is instead, nobody can foresee: it may come from anywhere.
    except (KeyError, TypeError):  # no workspace: the schema says why
        return document


def _plain(document: Any) -> Any:
    try:
        return plain(document)
    except RecursionError:  # nested far deeper than any workspace
        return document
