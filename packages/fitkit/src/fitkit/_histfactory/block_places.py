"""Where the pieces of a model stand in the whole: parameters, factors, settings."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np
from jaxtyping import Int

from .._model.parameters import ParameterShapes
from .._numerics.namespace import take
from .model import Model
from .modifiers import ParameterKind
from .problem import SpecificationError
from .spec import Channel, ParameterSettings
from .split import Piece


@final
class PartPlace(NamedTuple):
    """Where a part stands in the whole.

    Attributes:
        channel: its number.
        bins: of that channel.
        entries: of the parameter vector, for each of the part's own.
        factors: for each profiled factor of the part, by name, the bins of the whole
            factor.
    """

    channel: int
    bins: slice
    entries: Int[np.ndarray, " own"]
    factors: Mapping[str, Int[np.ndarray, " bins"]]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Whole:
    """Names and places: all about a model that is no number.

    Attributes:
        shapes: of the parameters.
        channels: (name, bins, sample names) of each channel, in order.
        factors: how many values each profiled factor has, by name.
        places: of the parts.
    """

    shapes: ParameterShapes
    channels: tuple[tuple[str, int, tuple[str, ...]], ...]
    factors: Mapping[str, int]
    places: tuple[PartPlace, ...]


@final
class PerBin:
    """The bins of a parameter, or factor, that has one value for each.

    Attributes:
        size: how many values it has.
        starts: of each channel that has it, the place of the channel's first bin.
    """

    def __init__(self) -> None:
        self.size, self.starts = 0, dict[int, int]()

    def of(self, piece: Piece) -> Int[np.ndarray, " bins"]:
        """The values of a piece of a channel."""
        return self.starts[piece.number] + np.arange(piece.bins.start, piece.bins.stop)


def sizes_of(channels: Sequence[Channel]) -> dict[str, PerBin]:
    """What has one value for each bin, by name, as `Collector` counts them."""
    found: dict[str, PerBin] = {}
    for number, channel in enumerate(channels):
        for sample in channel.samples:
            for modifier in sample.modifiers:
                kind = _KIND_OF.get(type(modifier).__name__)
                if kind is None:
                    continue
                own = found.setdefault(modifier.name, PerBin())
                if number in own.starts:
                    continue
                # Only a staterror has values of its own in each channel.
                own.starts[number] = own.size if kind == ParameterKind.MC_STAT else 0
                own.size = own.starts[number] + channel.bins
    return found


_KIND_OF = {
    "StatError": ParameterKind.MC_STAT,
    "ShapeSys": ParameterKind.POISSON,
    "ShapeFactor": ParameterKind.FREE,
}


def settings_of_piece(
    settings: Mapping[str, ParameterSettings],
    piece: Piece,
    whole: Mapping[str, PerBin],
) -> dict[str, ParameterSettings]:
    """What settings say of a piece of a channel."""
    names = {m.name for sample in piece.channel.samples for m in sample.modifiers}
    own = {}
    for name, setting in settings.items():
        if name not in names:
            continue
        if name in whole:
            index = whole[name].of(piece)

            def of_bins(value: Any, index: np.ndarray = index) -> Any:
                return value if value is None or value.ndim == 0 else take(value, index)

            bounds = setting.bounds
            setting = ParameterSettings(
                of_bins(setting.init),
                None if bounds is None else tuple(map(of_bins, bounds)),
                of_bins(setting.fixed),
                of_bins(setting.aux),
                of_bins(setting.sigma),
            )
        own[name] = setting
    return own


def shapes_of(
    cut: Sequence[Piece], parts: Sequence[Model], per_bin: Mapping[str, PerBin]
) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """The shape of each parameter, and the size of each profiled factor.

    Raises:
        SpecificationError: where parts contradict each other.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    factors: dict[str, int] = {}
    for piece, part in zip(cut, parts, strict=True):
        per_bins = [n for n, shape in part.parameter_shapes.items() if shape]
        for name in (*per_bins, *part.profiled_names):
            if name not in per_bin:
                raise SpecificationError(
                    f"{name!r} has one value for each bin by a modifier that only "
                    "`Model` knows."
                )
        for name, shape in part.parameter_shapes.items():
            full = shape if shape == () else (per_bin[name].size,)
            if shapes.setdefault(name, full) != full:
                raise SpecificationError(
                    f"parameter {name!r} is one number elsewhere, and one for each bin "
                    f"in channel {piece.channel.name!r}. Rename one of them."
                )
        factors |= {name: per_bin[name].size for name in part.profiled_names}
    if twice := [name for name in factors if name in shapes]:
        raise SpecificationError(
            f"the factors of {twice[0]!r} are profiled in one channel and meet those "
            "of another modifier in a second one. Rename one of them, or build the "
            'model with `mc_statistics="parameters"`.'
        )
    return shapes, factors


def place_of(
    piece: Piece,
    part: Model,
    shapes: ParameterShapes,
    per_bin: Mapping[str, PerBin],
) -> PartPlace:
    """Where a part stands in the whole."""
    entries = [np.zeros(0, int)]
    for name, shape in part.parameter_shapes.items():
        own = np.zeros(1, int) if shape == () else per_bin[name].of(piece)
        entries.append(shapes.places[name].start + own)
    factors = {name: per_bin[name].of(piece) for name in part.profiled_names}
    return PartPlace(piece.number, piece.bins, np.concatenate(entries), factors)
