"""A channel of HistFactory XML: its samples, their modifiers, its counts.

Defaults are those of ROOT's `ConfigParser.cxx`, not pyhf's: a sample is normalised by
theory (scales with the luminosity) unless it says otherwise, a `ShapeSys` has a normal
constraint, a `StatError` a Poisson one, and bins below 5 % relative error have none.
"""

from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float

from ..._histfactory.modifiers import (
    AbstractModifier,
    HistoSys,
    Lumi,
    NormFactor,
    NormSys,
    ShapeFactor,
    ShapeSys,
    StatError,
)
from ..._histfactory.spec import Channel, ParameterSettings, Sample
from ..._model.constraints import Normal, Poisson
from .histograms import Histogram, Histograms
from .nodes import Node

_THRESHOLD = 0.05
_CONSTRAINTS = {
    "Poisson": Poisson,
    "Pois": Poisson,
    "Gaussian": Normal,
    "Gauss": Normal,
}
_MODIFIERS = "NormFactor OverallSys HistoSys ShapeSys ShapeFactor StatError"


@final
class ChannelContent(NamedTuple):
    """A channel with what else its file says.

    Attributes:
        channel: samples and modifiers.
        counts: what was observed; None where the file has no data.
        settings: of the parameters that it sets, each with its element.
    """

    channel: Channel
    counts: Float[np.ndarray, " bins"] | None
    settings: dict[str, tuple[ParameterSettings, Node]]


class _Place(NamedTuple):
    """Where histograms are unless an element says otherwise."""

    file: str
    folder: str

    def of(self, node: Node, file: str = "InputFile", folder: str = "HistoPath"):
        """The same, with what an element says."""
        attributes = node.attributes
        return _Place(
            attributes.get(file, self.file), attributes.get(folder, self.folder)
        )


def channel_of(
    node: Node, histograms: Histograms, lumi: float, uncertainty: float
) -> ChannelContent:
    """The channel of a file.

    Args:
        node: its outermost element.
        histograms: reads them.
        lumi, uncertainty: the measurement's luminosity and its relative uncertainty.

    Raises:
        WorkspaceError: naming the line.
    """
    if node.tag != "Channel":
        raise node.fault("is no channel. Name files of channels in <Input>.")
    node.known("Name InputFile HistoPath HistoName", "Data StatErrorConfig Sample")
    return _Reading(node, histograms, lumi * (uncertainty or 1.0)).content()


class _Reading:
    def __init__(self, node: Node, histograms: Histograms, width: float):
        self.node, self.histograms, self.width = node, histograms, width
        self.name = node.need("Name")
        self.place = _Place("", "").of(node)
        self.settings: dict[str, tuple[ParameterSettings, Node]] = {}
        self.shapes: dict[str, Node] = {}
        self.constraint, self.threshold = self._staterror_config()
        self.total = self.variance = np.zeros(0)

    def content(self) -> ChannelContent:
        samples = [self._sample(each) for each in self.node.all("Sample")]
        if not samples:
            raise self.node.fault("has no <Sample>. Add one.")
        if self.total.size and self.threshold > 0:
            positive = (self.total > 0) & (self.variance > 0)
            with np.errstate(all="ignore"):
                relative = np.sqrt(self.variance) / self.total
            below = ~positive | (relative < self.threshold)
            if below.any():
                settings = ParameterSettings(fixed=below)
                self.settings[f"staterror_{self.name}"] = settings, self.node
        return ChannelContent(
            Channel(self.name, samples), self._counts(), self.settings
        )

    def _counts(self) -> Float[np.ndarray, " bins"] | None:
        for node in self.node.all("Data"):  # further ones are other data sets
            node.known("Name InputFile HistoName HistoPath")
            return self._histogram(node, self.place.of(node), "HistoName").values
        return None

    def _staterror_config(self) -> tuple[type[Normal] | type[Poisson], float]:
        for node in self.node.all("StatErrorConfig"):
            node.known("RelErrorThreshold ConstraintType")
            threshold = node.number("RelErrorThreshold", _THRESHOLD)
            return _constraint(node, "Poisson"), threshold
        return Poisson, _THRESHOLD

    def _histogram(self, node: Node, place: _Place, name: str) -> Histogram:
        return self.histograms.get(
            node, place.file, place.folder, node.attributes.get(name, "")
        )

    def _sample(self, node: Node) -> Sample:
        node.known("Name InputFile HistoName HistoPath NormalizeByTheory", _MODIFIERS)
        place = self.place.of(node)
        nominal = self._histogram(node, place, "HistoName")
        modifiers: list[AbstractModifier] = []
        if node.truth("NormalizeByTheory", True):
            modifiers.append(Lumi("lumi", self.width))
        for child in node.children:
            modifier = self._modifier(child, place, nominal)
            if modifier is not None:
                modifiers.append(modifier)
        return Sample(node.need("Name"), nominal.values, modifiers)

    def _modifier(
        self, node: Node, place: _Place, nominal: Histogram
    ) -> AbstractModifier | None:
        match node.tag:
            case "NormFactor":
                return self._normfactor(node)
            case "OverallSys":
                node.known("Name High Low")
                return NormSys(
                    node.need("Name"), node.number("Low"), node.number("High")
                )
            case "HistoSys":
                return self._histosys(node, place, nominal)
            case "ShapeSys":
                return self._shapesys(node, place, nominal)
            case "ShapeFactor":
                return self._shapefactor(node, place, nominal)
        return self._staterror(node, place, nominal)

    def _normfactor(self, node: Node) -> NormFactor:
        node.known("Name Val Low High Const")
        name = node.need("Name")
        low, high = node.number("Low"), node.number("High")
        if not low < high:
            raise node.fault(f"Low={low:g} is not below High={high:g}. Correct one.")
        fixed = node.truth("Const", False) or None
        settings = ParameterSettings(node.number("Val"), (low, high), fixed)
        _, first = self.settings.setdefault(name, (settings, node))
        refuse_other(name, node, first)
        return NormFactor(name)

    def _histosys(self, node: Node, place: _Place, nominal: Histogram) -> HistoSys:
        sides = "HistoFileHigh HistoPathHigh HistoNameHigh "
        node.known("Name InputFile " + sides + sides.replace("High", "Low"))
        place = _Place(node.attributes.get("InputFile", place.file), place.folder)
        templates = [
            self._histogram(
                node,
                place.of(node, f"HistoFile{side}", f"HistoPath{side}"),
                f"HistoName{side}",
            )
            for side in ("Low", "High")
        ]
        for side, each in zip(("Low", "High"), templates, strict=True):
            _same_bins(node, each, nominal, f"HistoName{side}")
        return HistoSys(node.need("Name"), *(each.values for each in templates))

    def _shapesys(
        self, node: Node, place: _Place, nominal: Histogram
    ) -> ShapeSys | StatError:
        node.known("Name HistoName HistoPath InputFile ConstraintType")
        name = node.need("Name")
        if (first := self.shapes.setdefault(name, node)) is not node:
            raise node.fault(
                f"{name!r} is the shapesys at line {first.line} too. One that samples "
                "share is not read: rename one of them."
            )
        relative = self._histogram(node, place.of(node), "HistoName")
        _same_bins(node, relative, nominal, "HistoName")
        errors = relative.values * np.abs(nominal.values)
        # With a normal constraint it is the staterror of this sample alone.
        if _constraint(node, "Gaussian") is Normal:
            return StatError(name, errors, Normal)
        return ShapeSys(name, errors)

    def _shapefactor(
        self, node: Node, place: _Place, nominal: Histogram
    ) -> ShapeFactor:
        node.known("Name Const HistoName InputFile HistoPath")
        name, init = node.need("Name"), None
        if "HistoName" in node.attributes:
            initial = self._histogram(node, place.of(node), "HistoName")
            _same_bins(node, initial, nominal, "HistoName")
            init = initial.values
        if node.truth("Const", False) or init is not None:
            fixed = node.truth("Const", False) or None
            settings = ParameterSettings(init, fixed=fixed)
            _, first = self.settings.setdefault(name, (settings, node))
            refuse_other(name, node, first)
        return ShapeFactor(name)

    def _staterror(
        self, node: Node, place: _Place, nominal: Histogram
    ) -> StatError | None:
        node.known("Activate HistoName InputFile HistoPath")
        node.need("Activate")
        if not node.truth("Activate", False):
            return None
        errors = nominal.errors
        if node.attributes.get("HistoName"):
            relative = self._histogram(node, place.of(node), "HistoName")
            _same_bins(node, relative, nominal, "HistoName")
            errors = relative.values * np.abs(nominal.values)
        if not self.total.size:
            self.total = self.variance = np.zeros(nominal.values.size)
        if (
            self.total.size == nominal.values.size
        ):  # else the channel says what is wrong
            self.total = self.total + nominal.values
            self.variance = self.variance + errors**2
        return StatError(f"staterror_{self.name}", errors, self.constraint)


def refuse_other(name: str, node: Node, first: Node) -> None:
    """Refuse another setting of a parameter.

    Raises:
        WorkspaceError: naming both.
    """
    ours, theirs = dict(node.attributes), dict(first.attributes)
    if ours != theirs:
        raise node.fault(
            f"{name!r} is set otherwise at line {first.line} of {first.file}. Set the "
            "parameter alike wherever it comes."
        )


def _constraint(node: Node, default: str) -> type[Normal] | type[Poisson]:
    text = node.attributes.get("ConstraintType", default)
    if text not in _CONSTRAINTS:
        raise node.fault(
            f"ConstraintType={text!r} is neither Gaussian nor Poisson. Correct it."
        )
    return _CONSTRAINTS[text]


def _same_bins(node: Node, one: Histogram, nominal: Histogram, name: str) -> None:
    if one.values.shape != nominal.values.shape:
        raise node.fault(
            f"{name}={node.attributes[name]!r} has {one.values.size} bins, but the "
            f"sample has {nominal.values.size}. Give one with the same."
        )
