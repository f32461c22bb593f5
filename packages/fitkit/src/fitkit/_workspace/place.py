"""From a fault of a specification to its place in the document that it was made of."""

from typing import Any

from .._histfactory.problem import Key, SpecificationError, written
from .error import WorkspaceError
from .schema import WorkspaceDocument
from .settings import listed_order, parameter_types, staterror_bins

# What documents call the fields of `ParameterSettings`.
_SETTINGS = {"init": "inits", "aux": "auxdata", "sigma": "sigmas"}


def placed(
    error: SpecificationError, workspace: WorkspaceDocument, measurement: int = 0
) -> WorkspaceError:
    """The same fault, as one of the document.

    Args:
        error: what is wrong with the specification.
        workspace: what it was made of.
        measurement: the one whose settings were used.
    """
    config: tuple[Key, ...] = ("measurements", measurement, "config")
    reason = error.reason
    match error.keys:
        case ("channels", *_):
            keys = _in_channels(error.keys, workspace)
        case ("settings", str(name), "no width"):
            keys = (*config, "parameters")
            reason = (
                f"{name!r} has no `sigmas`. Add its relative uncertainty, as in "
                f'{{"name": "{name}", "auxdata": [1.0], "sigmas": [0.02]}}.'
            )
        case ("settings", str(name), str(field), *index):
            number, setting = next(
                (number, each)
                for number, each in enumerate(
                    workspace.measurements[measurement].config.parameters
                )
                if each.name == name
            )
            # Settings give a Poisson constraint's width as the count behind it.
            if field == "sigma" and setting.sigmas is None:
                field = "factors"
            # A model has its values in the order of its channels, a document by name.
            if index and parameter_types(workspace)[name] == "staterror":
                order = listed_order(staterror_bins(workspace, name)).tolist()
                index = [order.index(index[0])]
            if field == "fixed":  # one for all values
                index = []
            keys = (*config, "parameters", number, _SETTINGS.get(field, field), *index)
        case ("observations" | "measurements", *_):
            keys = error.keys
        case ("poi",):
            keys = (*config, "poi")
        case ("main", str(name), "missing"):
            names = [channel.name for channel in workspace.channels]
            keys = ("channels", names.index(name), "name")
            reason = f"{name!r} has no entry in observations. Add its counts there."
        case ("main", str(name), *index):
            names = [each.name for each in workspace.observations]
            keys = ("observations", names.index(name), "data", *index)
        case _:
            return WorkspaceError(str(error))
    # Fields and bins are at the end of the path already.
    words = [each for each in error.words if not each.startswith(("`", "bin "))]
    names_of = f" ({', '.join(words)})" if words else ""
    return WorkspaceError(f"{written(*keys)}{names_of}: {reason}")


def _in_channels(
    keys: tuple[Key, ...], workspace: WorkspaceDocument
) -> tuple[Key, ...]:
    """The way to a part of a channel, by the names that documents use."""
    modifier: Any = None
    match keys:
        case ("channels", int(c), "samples", int(s), "modifiers", int(m), *_):
            modifiers = workspace.channels[c].samples[s].modifiers
            if m >= len(modifiers):  # of the reader's own types, which are elsewhere
                return keys[:4]
            modifier = modifiers[m]
    way: list[Key] = []
    for key in keys:
        match key:
            case "yields" | "uncertainty":
                way.append("data")
            case "lo" | "hi":
                both = modifier.type == "histosys"
                way += ["data", f"{key}_data" if both else key]
            case _:
                way.append(key)
    return tuple(way)
