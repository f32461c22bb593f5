"""Measurements of HistFactory XML: luminosity, constants, parameters of interest."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, final

from ..._histfactory.problem import warn
from ..._model.parameters import hint
from ..._workspace.error import WorkspaceError
from .nodes import Node

_GAMMA = re.compile(r"gamma_(.+)_bin_(\d+)", re.DOTALL)


@final
class Measurement(NamedTuple):
    """One measurement.

    Attributes:
        name: its name.
        pois: the parameters of interest.
        lumi, uncertainty: the luminosity and its relative uncertainty.
        values, constant: of the parameters that it sets, each with its element.
    """

    name: str
    pois: tuple[str, ...]
    lumi: float
    uncertainty: float
    values: Mapping[str, tuple[float, Node]]
    constant: Mapping[str, tuple[bool, Node]]


def chosen_measurement(top: Node, wanted: str | int | None) -> Measurement:
    """The measurement that is wanted by name or index; by default the first.

    Raises:
        WorkspaceError: where there is none such, or it cannot be read.
    """
    nodes = [*top.all("Measurement")]
    names = [node.need("Name") for node in nodes]
    if not nodes:
        raise top.fault("has no <Measurement>. Add one.")
    number = 0 if wanted is None else wanted
    if isinstance(number, str):
        if number not in names:
            raise WorkspaceError(
                f"{top.file}: there is no measurement {number!r}. {hint(number, names)}"
            )
        number = names.index(number)
    if not 0 <= number < len(nodes):
        raise WorkspaceError(
            f"{top.file}: there is no measurement {number}. Choose an index from 0 to "
            f"{len(nodes) - 1}, or one of {', '.join(map(repr, names))}."
        )
    return _measurement(nodes[number])


def _measurement(node: Node) -> Measurement:
    node.known(
        "Name Lumi LumiRelErr BinLow BinHigh Mode ExportOnly",
        "POI ParamSetting ConstraintTerm Asimov",
    )
    for term in node.all("ConstraintTerm"):
        raise term.fault(
            f"of {', '.join(term.words[:3])}: other constraints than HistFactory's own "
            "are not read. Remove it, or change the model in Python."
        )
    values: dict[str, tuple[float, Node]] = {}
    constant: dict[str, tuple[bool, Node]] = {}
    for setting in node.all("ParamSetting"):
        setting.known("Val Const")
        for name in setting.words:
            if "Val" in setting.attributes:
                values[name] = setting.number("Val"), setting
            if "Const" in setting.attributes:
                constant[name] = setting.truth("Const", True), setting
    lumi, uncertainty = node.number("Lumi", 1.0), node.number("LumiRelErr", 0.1)
    if not lumi > 0 or uncertainty < 0:
        raise node.fault("needs a Lumi above 0, and a LumiRelErr not below it.")
    pois = [word for poi in node.all("POI") for word in poi.words]
    return Measurement(
        node.need("Name"), tuple(pois), lumi, uncertainty, values, constant
    )


@final
class Meant(NamedTuple):
    """A parameter of the model, and which of its values; None for its only one."""

    name: str
    entry: int | None


def meant(name: str, sizes: Mapping[str, int | None], node: Node) -> Meant | None:
    """The parameter that ROOT's name means; None, with a warning, for none.

    Args:
        name: such as `alpha_jes`, `Lumi`, `gamma_stat_SR_bin_2`.
        sizes: of the model's parameters, None for a scalar.
        node: that names it.
    """
    gamma = _GAMMA.fullmatch(name)
    candidates: Iterable[tuple[str, int | None]] = [
        (name, None),
        (name.removeprefix("alpha_"), None),
        *([("lumi", None)] if name == "Lumi" else []),
    ]
    if gamma is not None:
        of_bin, number = gamma[1], int(gamma[2])
        stat = f"staterror_{of_bin.removeprefix('stat_')}"
        candidates = [*candidates, (stat, number), (of_bin, number)]
    for parameter, index in candidates:
        if parameter not in sizes:
            continue
        size = sizes[parameter]
        if index is None or (size is not None and index < size):
            return Meant(parameter, index)
    warn(
        f"{node.file}, line {node.line}: <{node.tag}> names {name!r}, which is no "
        f"parameter of the model. {hint(name, sizes)}"
    )
    return None
