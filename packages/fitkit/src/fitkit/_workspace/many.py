"""Many documents that have much in common, each part of it read once.

The signal points of an analysis are patches of one document, and nearly all of a
patched document is the same as before. `SeriesReader` validates only what is new, and
builds one model for all documents of one structure: the same channels, modifiers and
settings, whatever the numbers and the names of samples.
"""

from collections.abc import Hashable
from typing import Any, final

import pydantic

from .._histfactory.likelihood import HistFactoryLikelihood
from .choices import Choices
from .error import WorkspaceError
from .parse import parse, parts
from .patching import patched
from .structure import Structure, structure_key


@final
class SeriesReader:
    """Reads documents as `read_workspace` does, but what they have in common once.

    Args:
        choices: what `read_workspace` is told beside the document.
    """

    def __init__(self, choices: Choices):
        self._choices = choices
        self._structures: dict[Hashable, Structure] = {}
        # The document that patches are for: its parts are known by identity, so it must
        # live as long as they are.
        self._shared: Any = None
        self._known: dict[int, pydantic.BaseModel] = {}

    def __call__(
        self, document: Any, patch: Any
    ) -> tuple[Structure, HistFactoryLikelihood]:
        """The structure of a document, and its likelihood at the observed counts.

        Args:
            document: decoded; must not change while this reader is in use.
            patch: as in `read_workspace`.

        Raises:
            WorkspaceError: as `read_workspace`.
        """
        if patch is not None:
            self._share(document)
            document = patched(document, patch)
        workspace = parse(document, self._known)
        key = structure_key(workspace)
        structure = self._structures.get(key)
        if structure is None:
            structure = Structure(workspace, self._choices)
            self._structures[key] = structure
        return structure, structure.likelihood(workspace)

    def _share(self, document: Any) -> None:
        if document is self._shared:
            return
        self._shared = document
        try:
            self._known = parts(document, parse(document))
        except WorkspaceError:  # which the patches may mend
            self._known = {}
