"""From a Combine datacard to a HistFactory workspace, where both are one model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..._histfactory.model import Model
from ..._histfactory.modifiers import (
    AbstractModifier,
    HistoSys,
    NormFactor,
    NormSys,
    ShapeSys,
)
from ..._histfactory.modifiers.shape import Floor
from ..._histfactory.spec import Channel, ParameterSettings, Sample
from ..._workspace.error import WorkspaceError
from ..._workspace.write import workspace_document
from .card import Card, Systematic, fault
from .read import read_with

_WHY = {
    "lnU": "its parameter has no constraint, and a normsys has one",
    "gmM": "a gamma-distributed factor is no modifier of HistFactory",
    "trG": "a factor 1 + k*x is no modifier of HistFactory",
    "unif": "a factor 1 + k*x is no modifier of HistFactory",
    "shapeN": "logarithms of templates are interpolated, a histosys is additive",
    "shapeU": "its parameter has no constraint, and a histosys has one",
}


def combine_card_to_workspace(
    path: str | Path,
    *,
    mass: float | str | None = None,
    poi_map: Mapping[str, str] | None = None,
    keywords: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The HistFactory JSON document of a Combine datacard, as pyhf reads it.

    The likelihood is the same with the interpolation code "1" of normsys, which the
    format cannot say: readers are told it. `lnN` with one number becomes a normsys,
    `shape` whose histograms have the nominal integral a histosys, `gmN` of one process
    in one bin a shapesys, `rateParam` with a number a normfactor.

    Args:
        path, mass, poi_map, keywords: as of `read_combine_card`.

    Returns:
        The decoded document.

    Raises:
        WorkspaceError: for a card that cannot be read; and for one whose model is not
            HistFactory, naming the first line that prevents it.

    Example:
        >>> import fitkit, pathlib, tempfile
        >>> text = '''bin SR
        ... observation 6
        ... bin      SR   SR
        ... process  ggH  WW
        ... process  0    1
        ... rate     1.0  5.5
        ... xs  lnN  -    1.1
        ... '''
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     card = pathlib.Path(folder) / "card.txt"
        ...     _ = card.write_text(text)
        ...     document = fitkit.combine_card_to_workspace(card)
        >>> model, data = fitkit.read_workspace(document, normsys_code="1")
        >>> model.parameter_names
        ('r', 'xs')
    """
    built = read_with(path, mass, poi_map, keywords or {})
    try:
        _check(built.card)
        channels = [_channel(channel, built.card) for channel in built.channels]
        settings = {
            name: ParameterSettings(
                init=each.init, bounds=each.bounds, fixed=each.fixed
            )
            for name, each in built.settings.items()
            if _counts(built.card, name) is None
        }
    except WorkspaceError as error:
        raise WorkspaceError(f"{path}, {error}") from None
    model = Model(channels, poi=built.poi, settings=settings, normsys_code="1")
    return workspace_document(model, model.data(built.counts))


def _prevented(line: int, name: str, why: str) -> WorkspaceError:
    return fault(
        line,
        f"{name!r} prevents a workspace: {why}. Fit the card itself, with "
        "`read_combine_card`.",
    )


def _check(card: Card) -> None:
    """Look for the first line that HistFactory cannot express."""
    for each in sorted(card.systematics, key=lambda each: each.line):
        kind = each.kind.removesuffix("?").replace("shapeN2", "shapeN")
        if kind in _WHY and each.effects:
            raise _prevented(each.line, each.name, _WHY[kind])
        if each.kind == "gmN" and len(each.effects) > 1:
            why = "a gmN of several processes shares one count; a shapesys is of one"
            raise _prevented(each.line, each.name, why)
        if each.kind == "gmN" and each.arguments[0] == 0:
            why = "a shapesys needs a count above zero"
            raise _prevented(each.line, each.name, why)
    for rate in card.rates:
        if rate.arguments is not None:
            raise _prevented(rate.line, rate.name, "a formula is no modifier")
    for name, constraint in card.constraints.items():
        raise _prevented(constraint.line, name, "a normfactor has no constraint")
    for channel, flags in card.statistics.items():
        if flags.threshold >= 0:
            why = (
                "the errors of templates follow the normalisations, those of a "
                "staterror do not"
            )
            raise _prevented(flags.line, f"{channel} autoMCStats", why)


def _systematic(card: Card, name: str) -> Systematic:
    return next(each for each in card.systematics if each.name == name)


def _counts(card: Card, name: str) -> float | None:
    """The count of a gmN of this name."""
    for each in card.systematics:
        if each.name == name and each.kind == "gmN":
            return each.arguments[0]
    return None


def _channel(channel: Channel, card: Card) -> Channel:
    samples = []
    for sample in channel.samples:
        yields, modifiers = sample.yields, []
        for modifier in sample.modifiers:
            if (count := _counts(card, modifier.name)) is not None:
                yields = yields * count
        for modifier in sample.modifiers:
            modifiers += _modifiers(modifier, yields, card)
        samples.append(Sample(sample.name, yields, modifiers))
    return Channel(channel.name, samples)


def _modifiers(
    modifier: AbstractModifier, yields: Any, card: Card
) -> list[AbstractModifier]:
    """What HistFactory has in the place of a modifier of a card."""
    name = modifier.name
    if (count := _counts(card, name)) is not None:
        if len(yields) > 1:
            why = "a shapesys has a parameter for each bin, a gmN one for all"
            raise _prevented(_systematic(card, name).line, name, why)
        return [ShapeSys(name, np.abs(yields) / np.sqrt(count))]
    match modifier:
        case NormFactor():
            return [modifier]
        case NormSys(lo=lo, hi=hi):
            if abs(np.log(lo) + np.log(hi)) > 1e-9:
                why = (
                    "its factors are not each other's inverse, and Combine has its own "
                    "way between them"
                )
                raise _prevented(_systematic(card, name).line, name, why)
            return [NormSys(name, 1 / hi, hi)]
        case HistoSys(lo=lo, hi=hi, code=code) if code == "4p":
            return [HistoSys(name, lo, hi)]
        case Floor():  # a card with `autoMCStats -1`
            return []
    line = next((s.line for s in card.systematics if s.name == name), 0)
    why = (
        "templates may become negative, which Combine crops"
        if line == 0
        else "its histograms are of different numbers of standard deviations"
    )
    raise _prevented(line, name, why)
