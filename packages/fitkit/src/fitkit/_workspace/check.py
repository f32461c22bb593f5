"""What the format alone cannot say about a document, and what a model cannot either.

Most of what can be wrong with a document is wrong with the model that it describes: its
rules stand in `_histfactory`, and `placed` says where in the document they are broken.
Here are those of the format itself: lists whose entries have names, and which settings
belong to which type of modifier.
"""

from collections.abc import Mapping

import numpy as np

from .._histfactory.data import flat_counts
from .._histfactory.model import Model
from .._histfactory.problem import Key, SpecificationError, unique, written
from .error import WorkspaceError
from .place import placed
from .schema import WorkspaceDocument

_CONSTRAINED = {"normsys", "histosys", "lumi", "staterror", "shapesys"}
# Which settings of a measurement speak of a constraint, and for which types.
_OF_CONSTRAINTS = {
    "auxdata": _CONSTRAINED,
    "sigmas": {"lumi", "staterror"},
    "factors": {"shapesys"},
}


def check_settings(workspace: WorkspaceDocument, types: Mapping[str, str]) -> None:
    """Check the names of measurements, and what they set for which type of parameter.

    Args:
        workspace: the document.
        types: its `parameter_types`.

    Raises:
        WorkspaceError: naming the place.
    """
    names = [each.name for each in workspace.measurements]
    _unique(workspace, names, "measurement", "measurements")
    for m, measurement in enumerate(workspace.measurements):
        settings = measurement.config.parameters
        where = ("measurements", m, "config", "parameters")
        _unique(workspace, [each.name for each in settings], "parameter", *where)
        for number, setting in enumerate(settings):
            kind = types.get(setting.name)
            for key, allowed in _OF_CONSTRAINTS.items():
                given = getattr(setting, key) is not None
                # What no modifier has waits for a signal's patch.
                if given and kind is not None and kind not in allowed:
                    raise WorkspaceError(
                        f"{written(*where, number, key)}: {setting.name!r} has no such "
                        f"setting, for it belongs to a {kind}. Remove it."
                    )


def observed_counts(workspace: WorkspaceDocument, model: Model) -> np.ndarray:
    """The observed counts, all channels side by side.

    Observations of channels that are not there are common (a patch removed the channel)
    and harmless.

    Raises:
        WorkspaceError: where a channel has none or two, or they are no counts of its
            bins.
    """
    # Channels first: one that lacks its counts is the more telling message.
    listed = {each.name: each.data for each in workspace.observations}
    names = [each.name for each in workspace.observations]
    _unique(workspace, names, "observation", "observations")
    main = {
        channel.name: np.asarray(listed[channel.name], dtype=float)
        for channel in workspace.channels
        if channel.name in listed
    }
    try:
        return np.asarray(flat_counts(model.layout, model.arrays.counted, main))
    except SpecificationError as error:
        raise placed(error, workspace) from None


def _unique(
    workspace: WorkspaceDocument, names: list[str], what: str, *keys: Key
) -> None:
    try:
        unique(names, what, keys)
    except SpecificationError as error:
        raise placed(error, workspace) from None
