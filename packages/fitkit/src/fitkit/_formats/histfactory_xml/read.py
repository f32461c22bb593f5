"""From HistFactory XML to a model and its data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..._histfactory.model import Model
from ..._histfactory.problem import SpecificationError, warn
from ..._histfactory.spec import ParameterSettings
from ..._model.model import Data
from ..._workspace.choices import UNSET, Unset, chosen_poi
from ..._workspace.error import WorkspaceError
from .channel import ChannelContent, channel_of, refuse_other
from .histograms import Histograms
from .measurement import Measurement, chosen_measurement, meant
from .nodes import Node, read_node


def read_histfactory_xml(
    source: str | Path,
    *,
    measurement: str | int | None = None,
    poi: str | Sequence[str] | Literal[Unset.UNSET] | None = UNSET,
    folder: str | Path | None = None,
    normsys_code: str = "4",
    histosys_code: str = "4p",
    mc_statistics: Literal["parameters", "profiled"] = "parameters",
) -> tuple[Model, Data]:
    """The model and the observed data of HistFactory XML with its ROOT files.

    What is not said is as in ROOT's `hist2workspace`, which differs from `pyhf
    xml2json`: samples scale with the luminosity unless `NormalizeByTheory="False"`, a
    `ShapeSys` has a normal constraint unless it names Poisson, a `StatError` a Poisson
    one unless `StatErrorConfig` names Gaussian, and its bins below `RelErrorThreshold`
    (5 %) are fixed. Without `<Data>` the data are what the model expects.

    Args:
        source: the XML file of the combination, or its folder.
        measurement: name or index of the measurement; by default the first.
        poi: the parameter of interest: by default the measurement's, all of them where
            it has several; a name for another, or several; None for none.
        folder: where relative paths in the files start; by default the folder that is
            given, that of the file, or the one above, whichever has them.
        normsys_code: interpolation of `OverallSys`, "4" (as ROOT) or "1".
        histosys_code: interpolation of `HistoSys`, "4p" (as ROOT), "2" or "0".
        mc_statistics: whether `StatError` and `ShapeSys` are `"parameters"` or
            `"profiled"` in closed form; see `Model`.

    Returns:
        `(model, data)`: a `Model`, and `Data` with the observations and the nominal
        auxiliary measurements. Parameters have the names in the files; MC statistics
        are `staterror_CHANNEL`, the luminosity is `lumi`.

    Raises:
        WorkspaceError: for what cannot be used, whatever the reason; the message names
            the file and the line.

    Example:
        `model, data = fitkit.read_histfactory_xml("analysis/config/example.xml")`

    References:
        CERN-OPEN-2012-016, section 5; ROOT's `ConfigParser.cxx`.
    """
    path = Path(source)
    top = _combination(path)
    starts = [Path(folder)] if folder is not None else []
    if not starts:
        starts = [top.file.parent, top.file.parent.parent]
        starts = [path, *starts] if path.is_dir() else starts
    for function in top.all("Function"):
        raise function.fault(
            "makes a parameter of others, which is not read. Write the model in Python."
        )
    top.known("OutputFilePrefix Mode", "Input Measurement Function")
    about = chosen_measurement(top, measurement)
    with Histograms(starts) as histograms:
        channels = _channels(top, histograms, about)
    settings = _settings(channels, about, top)
    interest, without = chosen_poi(
        about.pois,
        f"{top.file}: <POI>",
        poi,
        settings,
    )
    options = {
        "normsys_code": normsys_code,
        "histosys_code": histosys_code,
        "mc_statistics": mc_statistics,
    }
    model = _model(channels, interest, settings, options, top)
    if without:
        warn(without)
    counts = {each.channel.name: each.counts for each in channels}
    if untold := [name for name, of in counts.items() if of is None]:
        expected = model.expected_data(model.init).main
        counts |= {name: expected[name] for name in untold}
        warn(
            f"{top.file}: no <Data> in {', '.join(untold)}: what the model expects "
            "takes their place."
        )
    try:
        return model, model.data(counts)
    except SpecificationError as error:
        raise WorkspaceError(f"{top.file}: {error}") from None


def measurements_of(source: str | Path) -> list[tuple[str, tuple[str, ...]]]:
    """The measurements of HistFactory XML, each with its parameters of interest."""
    return [
        (
            node.need("Name"),
            tuple(word for poi in node.all("POI") for word in poi.words),
        )
        for node in _combination(Path(source)).all("Measurement")
    ]


def _combination(path: Path) -> Node:
    """The combination of a file, or the only one of a folder."""
    try:
        in_folder = path.is_dir()
        files = (
            sorted([*path.glob("*.xml"), *path.glob("*/*.xml")]) if in_folder else []
        )
    except (OSError, ValueError) as error:
        raise WorkspaceError(f"cannot read {str(path)!r}: {error}.") from None
    if in_folder:
        nodes = [read_node(file) for file in files]
        found = [node for node in nodes if node.tag == "Combination"]
        if len(found) != 1:
            names = ", ".join(str(node.file) for node in found)
            raise WorkspaceError(
                f"{path} has {len(found)} files with a <Combination>. Give the path of "
                + (f"one: {names}." if found else "one; it may be elsewhere.")
            )
        return found[0]
    node = read_node(path)
    if node.tag == "Channel":
        raise node.fault("is one channel. Give the file with the <Combination>.")
    if node.tag != "Combination":
        raise node.fault("is no HistFactory XML. Give the file with a <Combination>.")
    return node


def _channels(
    top: Node, histograms: Histograms, about: Measurement
) -> list[ChannelContent]:
    channels = []
    for each in top.all("Input"):
        if len(each.words) != 1:
            raise each.fault("needs the path of one channel's file. Write it into it.")
        node = read_node(histograms.path(each.words[0], each))
        try:
            channels.append(channel_of(node, histograms, about.lumi, about.uncertainty))
        # TypeError: what is no number, as a histogram may hold.
        except (SpecificationError, TypeError) as error:
            raise WorkspaceError(f"{node.file}: {error}") from None
        name = channels[-1].channel.name
        if name in [each.channel.name for each in channels[:-1]]:
            raise node.fault(f"{name!r} is already the name of a channel. Rename it.")
    if not channels:
        raise top.fault("has no <Input>. Name the files of its channels.")
    return channels


def _settings(
    channels: list[ChannelContent], about: Measurement, top: Node
) -> dict[str, ParameterSettings]:
    """The settings of all parameters, those of the measurement over those of files."""
    sizes: dict[str, int | None] = {}
    for each in channels:
        for sample in each.channel.samples:
            for modifier in sample.modifiers:
                per_bin = type(modifier).__name__ in ("ShapeSys", "StatError")
                per_bin |= type(modifier).__name__ == "ShapeFactor"
                sizes[modifier.name] = each.channel.bins if per_bin else None
    said: dict[str, dict[str, Any]] = {name: {} for name in sizes}
    nodes: dict[str, Node] = {}
    for each in channels:
        for name, (settings, node) in each.settings.items():
            if name in nodes:
                refuse_other(name, node, nodes[name])
            nodes[name] = node
            for field in ("init", "bounds", "fixed"):
                value = getattr(settings, field)
                if value is not None and name in said:
                    said[name][field] = value
    if "lumi" in said:
        # ROOT's range: ten times the luminosity.
        said["lumi"] = {
            "init": about.lumi,
            "aux": about.lumi,
            "bounds": (0.0, 10.0 * about.lumi),
        }
        if about.uncertainty == 0:
            said["lumi"]["fixed"] = True
    for name, (value, node) in about.values.items():
        _set(said, sizes, name, "init", value, 1.0, node)
    for name, (constant, node) in about.constant.items():
        _set(said, sizes, name, "fixed", constant, False, node)
    return {name: ParameterSettings(**fields) for name, fields in said.items()}


def _set(
    said: dict[str, dict[str, Any]],
    sizes: dict[str, int | None],
    name: str,
    field: str,
    value: float | bool,
    default: float | bool,
    node: Node,
) -> None:
    """Set a parameter, or one of its values."""
    found = meant(name, sizes, node)
    if found is None:
        return
    if found.entry is None:
        said[found.name][field] = value
        return
    size = sizes[found.name]
    array = np.array(np.broadcast_to(said[found.name].get(field, default), (size,)))
    array[found.entry] = value
    said[found.name][field] = array


def _model(
    channels: list[ChannelContent],
    poi: str | Sequence[str] | None,
    settings: dict[str, ParameterSettings],
    options: dict[str, Any],
    top: Node,
) -> Model:
    try:
        return Model([each.channel for each in channels], poi, settings, **options)
    except SpecificationError as error:
        raise WorkspaceError(f"{top.file}: {error}") from None
    except ValueError as error:  # a code that does not exist
        raise WorkspaceError(str(error)) from error
