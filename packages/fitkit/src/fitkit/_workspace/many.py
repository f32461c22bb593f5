"""Many documents that have much in common, each part of it read once.

The signal points of an analysis are patches of one document, and nearly all of a
patched document is the same as before. `SeriesReader` validates only what is new, and
builds one model for all documents of one form: the same channels, modifiers and
settings, whatever the numbers and the names of samples.
"""

from collections.abc import Hashable
from typing import Any, final

import jax
import numpy as np
import pydantic

from .._histfactory.constraint_terms import constraint_terms
from .._histfactory.likelihood import HistFactoryLikelihood
from .._histfactory.model import Model
from .._histfactory.modifiers import ParameterKind
from .patching import patched
from .check import check_names, check_references, form
from .schema import WorkspaceDocument, WorkspaceError, parse, parts
from .to_model import Choices, model_of, observed_counts

# What tables hold where there is nothing: no yield, no variation; a factor of 1.
_NOTHING = (0.0, 1.0)
_POISSON = (ParameterKind.POISSON, ParameterKind.POISSON_STAT)


@final
class Form:
    """What documents of one form have in common.

    A model is assembled from the *places* of its numbers in one long vector, in place
    of the numbers: its tables then say where each entry comes from, and the tables of a
    document are those of its numbers at these places. Where a table has 0 or 1 for
    nothing, it says place 0 or 1, which hold just these.

    Attributes:
        model: of the first document of this form, but for its templates.
        without_poi: why it has no parameter of interest, where the document names one.
    """

    def __init__(self, model: Model, without_poi: str):
        self.model, self.without_poi = model, without_poi
        arrays, counts = model.arrays, np.zeros(model.arrays.counted.shape)
        # Where no constraint is Poisson, nominal auxiliary data are settings.
        likelihood = HistFactoryLikelihood(arrays, counts, arrays.aux, None, None)
        self._leaves, self._structure = jax.tree.flatten(likelihood)
        self._poisson = bool(np.isin(arrays.kind, _POISSON).any())
        tables = (
            arrays.nominal,
            arrays.histosys_lo,
            arrays.histosys_hi,
            arrays.normsys_lo,
            arrays.normsys_hi,
            arrays.uncertainty,
        )
        of_leaf = {id(leaf): i for i, leaf in enumerate(self._leaves)}
        self._places = {of_leaf[id(t)]: np.asarray(t).astype(np.intp) for t in tables}
        self._counts = of_leaf[id(counts)]

    def likelihood(self, workspace: WorkspaceDocument) -> HistFactoryLikelihood:
        """That of a document of this form, at its counts and nominal auxiliary data."""
        numbers = [s.content.numbers for c in workspace.channels for s in c.samples]
        side_by_side = np.concatenate([_NOTHING, *numbers])
        leaves = list(self._leaves)
        for leaf, places in self._places.items():
            leaves[leaf] = side_by_side[places]
        counts = np.concatenate(list(observed_counts(workspace).values()))
        leaves[self._counts] = counts
        likelihood = jax.tree.unflatten(self._structure, leaves)
        if not self._poisson:
            return likelihood
        aux = constraint_terms(likelihood.arrays).nominal_aux
        return likelihood.at((counts, aux))


@final
class SeriesReader:
    """Reads documents as `read_workspace` does, but what they have in common once.

    Args:
        choices: what `read_workspace` is told beside the document.
    """

    def __init__(self, choices: Choices):
        self._choices = choices
        self._forms: dict[Hashable, Form] = {}
        # The document that patches are for is kept: its parts are known by identity.
        self._shared: Any = None
        self._known: dict[int, pydantic.BaseModel] = {}

    def __call__(self, document: Any, patch: Any) -> tuple[Form, HistFactoryLikelihood]:
        """The form of a document, and its likelihood at the observed counts.

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
        found = self._form(workspace)
        return found, found.likelihood(workspace)

    def _share(self, document: Any) -> None:
        if document is self._shared:
            return
        self._shared = document
        try:
            self._known = parts(document, parse(document))
        except WorkspaceError:  # which the patches may mend
            self._known = {}

    def _form(self, workspace: WorkspaceDocument) -> Form:
        key = form(workspace)
        if (known := self._forms.get(key)) is not None:
            check_names(workspace)
            return known
        places, start = [], len(_NOTHING)
        for channel in workspace.channels:
            for sample in channel.samples:
                end = start + sample.content.numbers.size
                places.append(np.arange(start, end, dtype=float))
                start = end
        declared = check_references(workspace)
        made = Form(*model_of(workspace, declared, self._choices, places))
        self._forms[key] = made
        return made
