"""One model for all documents of one structure: other numbers, other sample names."""

import dataclasses
from collections.abc import Hashable
from typing import final

import numpy as np

from .._histfactory.check import RULES, errors_left_out, first_broken
from .._histfactory.likelihood import HistFactoryLikelihood, derived
from .._histfactory.problem import SpecificationError, unique, warn
from .check import observed_counts
from .choices import Choices
from .schema import WorkspaceDocument
from .to_model import model_of

# What tables have where there is nothing: no yield, no variation; a factor of 1.
_NOTHING = (0.0, 1.0)
_TABLES = tuple(name for name in RULES if name not in ("init", "aux", "sigma"))


def structure_key(workspace: WorkspaceDocument) -> Hashable:
    """All about a document but the names of samples, the observations, and numbers.

    Documents of one structure declare the same parameters. Those of a measurement's
    settings are not numbers in this sense.
    """
    return (
        tuple(
            (channel.name, *(sample.content.structure for sample in channel.samples))
            for channel in workspace.channels
        ),
        tuple(each.content for each in workspace.measurements),
    )


@final
class Structure:
    """What documents of one structure have in common.

    A model is assembled from the *places* of its numbers in one long vector, in place
    of the numbers: its tables then say where each entry comes from, and the tables of a
    document are those of its numbers at these places. Where a table has 0 or 1 for
    nothing, it says place 0 or 1, which have just these.

    Attributes:
        model: of the first document of this structure, but for its templates.
        without_poi: why it has no parameter of interest, where the document names one.
    """

    def __init__(self, workspace: WorkspaceDocument, choices: Choices):
        """The structure of a document.

        Raises:
            WorkspaceError: where the document makes no model.
        """
        places, start = [], len(_NOTHING)
        for channel in workspace.channels:
            for sample in channel.samples:
                end = start + sample.content.numbers.size
                # Exact in floating point up to 2^53, far beyond any document.
                places.append(np.arange(start, end, dtype=float))
                start = end
        self._choices = choices
        self.model, self.without_poi = model_of(workspace, choices, places)
        self._places = {
            name: np.asarray(getattr(self.model.arrays, name)).astype(np.intp)
            for name in _TABLES
        }
        profiled = self.model.arrays.profiled
        self._errors = None
        if profiled is not None:
            self._errors = np.asarray(profiled.uncertainty).astype(np.intp)

    def likelihood(self, workspace: WorkspaceDocument) -> HistFactoryLikelihood:
        """That of a document of this structure, at its counts, nominal otherwise.

        Raises:
            WorkspaceError: for a name that comes twice, or a number that no model can
                have.
        """
        for channel in workspace.channels:
            try:
                unique([sample.name for sample in channel.samples], "sample", ())
            except SpecificationError:
                model_of(workspace, self._choices)  # which says where
        numbers = [s.content.numbers for c in workspace.channels for s in c.samples]
        side_by_side = np.concatenate([_NOTHING, *numbers])
        tables = {name: side_by_side[at] for name, at in self._places.items()}
        # Tables are checked as in `Model`, whose rules saw places for numbers.
        factors, checked = self.model.arrays.profiled, [tables]
        if factors is not None:
            errors = {"uncertainty": side_by_side[self._errors]}
            factors = dataclasses.replace(factors, **errors)
            checked.append(errors)
        if any(first_broken(each) is not None for each in checked):
            model_of(workspace, self._choices)  # which says where
        arrays = dataclasses.replace(self.model.arrays, **tables, profiled=factors)
        if lost := errors_left_out(self.model.layout, arrays):
            warn(lost)
        constraints, interpolation = derived(arrays)
        counts = observed_counts(workspace, self.model)
        aux = constraints.all_nominal_aux
        return HistFactoryLikelihood(arrays, counts, aux, constraints, interpolation)
