"""What a document leaves to its reader: which measurement, which POI, which codes."""

import enum
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, final

from .._histfactory.modifiers import AbstractModifier
from .._model.constraints import Normal, Poisson
from .error import WorkspaceError
from .schema import WorkspaceDocument


@final
class Unset(enum.Enum):
    """The type of `UNSET`: an argument that was not given, where None has a meaning."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset.UNSET


class Choices(NamedTuple):
    """What the format leaves open; see `read_workspace`, which takes the same.

    `extra` are modifiers that the format does not have, see `custom.py`.
    """

    measurement: str | int | None = None
    poi: str | Sequence[str] | Literal[Unset.UNSET] | None = UNSET
    normsys_code: str | Mapping[str, str] = "4"
    histosys_code: str | Mapping[str, str] = "4p"
    staterror_constraint: type[Normal] | type[Poisson] = Normal
    mc_statistics: Literal["parameters", "profiled"] = "parameters"
    extra: Mapping[tuple[int, int], Sequence[AbstractModifier]] | None = None


def chosen_measurement(workspace: WorkspaceDocument, wanted: str | int | None) -> int:
    """The index of a measurement that is wanted by name or index; None is the first.

    Raises:
        WorkspaceError: where there is none such.
    """
    names = [each.name for each in workspace.measurements]
    if wanted is None:
        return 0
    if isinstance(wanted, str) and wanted in names:
        return names.index(wanted)
    # -1 is no index here: the last of a list that grows by patches is a trap.
    if isinstance(wanted, int) and 0 <= wanted < len(names):
        return wanted
    raise WorkspaceError(
        f"measurements: there is none called {wanted!r}. Choose one of "
        f"{', '.join(map(repr, names))}, or an index from 0 to {len(names) - 1}."
    )


def chosen_poi(
    documented: str | Sequence[str],
    where: str,
    wanted: str | Sequence[str] | Literal[Unset.UNSET] | None,
    types: Collection[str],
) -> tuple[str | Sequence[str] | None, str]:
    """The parameter of interest, and why the document's own is none.

    Args:
        documented: the document's.
        where: the place that says so.
        wanted: the reader's.
        types: the parameters that the document has.

    Raises:
        WorkspaceError: where the reader wants one that is not there.
    """
    chosen = documented if wanted is UNSET else wanted
    if chosen is None or not chosen:  # pyhf writes "" for none
        return None, ""
    several = [chosen] if isinstance(chosen, str) else [*chosen]
    missing = [name for name in several if name not in types]
    if not missing:
        return chosen, ""
    poi = missing[0]
    # Background-only documents name the signal's parameter that their patches bring.
    if wanted is UNSET:
        return None, (
            f"{where}: {poi!r} is no parameter of the model, which is therefore read "
            "without one. Apply the signal's patch, or choose with `poi=...` (None: no "
            "warning)."
        )
    raise WorkspaceError(
        f"`poi={poi!r}` is no parameter of the model. It has: "
        f"{', '.join(sorted(types))}."
    )


def check_codes(choices: Choices, workspace: WorkspaceDocument) -> None:
    """Refuse interpolation codes of modifiers that the document does not have.

    Raises:
        WorkspaceError: naming the modifier.
    """
    by_type = {"normsys": choices.normsys_code, "histosys": choices.histosys_code}
    for kind, code in by_type.items():
        if isinstance(code, str):  # `Model` knows which codes there are
            continue
        names = {
            modifier.name
            for channel in workspace.channels
            for sample in channel.samples
            for modifier in sample.modifiers
            if modifier.type == kind
        }
        for name in code:
            if name not in names:
                raise WorkspaceError(
                    f"`{kind}_code` names {name!r}, but the document has no {kind} of "
                    f"that name. It has: {', '.join(sorted(names)) or 'none'}."
                )
