"""Walking over a specification: every modifier declares itself once."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from .._numerics.namespace import traced, xp
from .expression import nearest
from .functions import AbstractFunction
from .modifiers import ParameterKind
from .modifiers.base import ParameterDeclaration, Place
from .poi import names_of
from .problem import Key, SpecificationError, written
from .spec import Channel, ParameterSettings

Variation: TypeAlias = tuple[str, str]
"""An interpolation code and the parameter that has it; one may have several codes."""

_PER_CHANNEL = (ParameterKind.MC_STAT, ParameterKind.POISSON_STAT)
_STATISTICAL = (*_PER_CHANNEL, ParameterKind.POISSON, ParameterKind.SHIFT)


@dataclasses.dataclass
class Collected:
    """One parameter while modifiers declare themselves.

    Attributes:
        declaration: of the modifier that came first.
        bins: the number of its values in each channel. Only a staterror has values of
            its own in each; any other counts for the channel that comes first.
        modifier: the type of the modifier that came first.
        where: the place of that modifier in the specification.
    """

    declaration: ParameterDeclaration
    bins: dict[str, int]
    modifier: str
    where: str

    @property
    def size(self) -> int:
        """The number of its values."""
        return sum(self.bins.values())


class Collector:
    """Fills the tables as modifiers declare themselves (`modifiers.base.Tables`)."""

    def __init__(self, normsys_code: str, histosys_code: str) -> None:
        self.parameters: dict[str, Collected] = {}
        # (slot, row, bins, parameter, entries of the parameter, uncertainty)
        self.factors: list[tuple[int, int, slice, str, np.ndarray | int, Any]] = []
        self.factors_of: dict[tuple[int, int], int] = {}
        # (code, parameter), row, place in the row, lo, hi
        self.normsys_entries: list[tuple[Variation, int, int, Any, Any]] = []
        self.histosys_entries: list[tuple[Variation, int, slice, Any, Any]] = []
        # place of the sample, function, arguments, keys of the modifier
        self.functions: list[
            tuple[Place, AbstractFunction, tuple[str, ...], tuple[Key, ...]]
        ] = []
        self.floors: list[tuple[Place, float]] = []
        # The modifier that declares itself now: its type, and its place.
        self.modifier = ""
        self.keys: tuple[Key, ...] = ()
        self.normsys_code, self.histosys_code = normsys_code, histosys_code

    def parameter(
        self, name: str, place: Place, declaration: ParameterDeclaration
    ) -> int:
        known = self.parameters.get(name)
        if known is None:
            self.parameters[name] = Collected(
                declaration,
                {place.channel: declaration.size},
                self.modifier,
                written(*self.keys),
            )
            return 0
        if known.declaration is declaration:  # thousands of systematics share one
            return 0
        self._check_shared(known, declaration)
        # Each channel has bins of its own; its samples share their factors.
        if declaration.kind in _PER_CHANNEL:
            if place.channel not in known.bins:
                known.bins[place.channel] = declaration.size
            channels = list(known.bins)
            before = channels[: channels.index(place.channel)]
            return sum(known.bins[channel] for channel in before)
        if declaration.sigma is not None:
            self._merge_widths(known, declaration.sigma)
        return 0

    def _check_shared(
        self, known: Collected, declaration: ParameterDeclaration
    ) -> None:
        """Check that a modifier may share a parameter that is known."""
        # Start and constraint are the parameter's: two modifiers that want different
        # ones would each be read as the other.
        ours, other = declaration, known.declaration
        if (ours.kind, ours.scalar, ours.init) != (
            other.kind,
            other.scalar,
            other.init,
        ):
            raise SpecificationError(
                f"this name belongs to a parameter of another kind, by the "
                f"{known.modifier} at {known.where}. Rename one of them.",
                keys=("name",),
            )
        if ours.kind == ParameterKind.POISSON:
            raise SpecificationError(
                f"this name belongs to the {known.modifier} at {known.where}, and its "
                "parameters cannot be shared: each constraint is that of one sample. "
                "Rename one of them.",
                keys=("name",),
            )
        if ours.kind not in _PER_CHANNEL and ours.size != known.size:
            raise SpecificationError(
                f"has {ours.size} bins here and {known.size} at {known.where}, but one "
                "parameter for each bin is shared. Rename one of them.",
                keys=("name",),
            )

    def _merge_widths(self, known: Collected, sigma: Any) -> None:
        """Give a parameter the width that one more modifier states."""
        before = known.declaration.sigma
        if before is sigma:
            return
        if before is None:
            merged = sigma
        elif traced(before, sigma):
            merged = xp.where(before == sigma, sigma, np.nan)  # see `check`
        elif before == sigma:
            return
        else:
            raise SpecificationError(
                f"is {sigma:g} here and {before:g} at another {self.modifier} of this "
                f"name (the first is {known.where}), but there is one parameter with "
                "one width. Give it once, or the same.",
                ("`sigma`",),
                ("sigma",),
            )
        known.declaration = known.declaration._replace(sigma=merged)

    def factor(
        self,
        name: str,
        place: Place,
        entries: np.ndarray | int,
        uncertainty: Any = None,
    ) -> None:
        self._add_factor(place.row, place.bins, name, entries, uncertainty)

    def _add_factor(self, row: int, bins: slice, *rest: Any) -> None:
        # The tables have as many slots as the element with the most factors needs.
        element = (row, bins.start)
        slot = self.factors_of.get(element, 0)
        self.factors_of[element] = slot + 1
        self.factors.append((slot, row, bins, *rest))

    def take_statistical_factors(self) -> dict[str, list[tuple]]:
        """Take out statistical factors, at most one for each bin.

        Returns:
            The factors of each parameter that is none any more. Where two meet in a
            bin, a staterror goes before a shapesys and the first before the second.
        """
        of: dict[str, list[tuple]] = {}
        for factor in self.factors:
            if self.parameters[factor[3]].declaration.kind in _STATISTICAL:
                of.setdefault(factor[3], []).append(factor)
        # Each has a factor for every bin of its channels, which begin at these bins.
        taken: set[int] = set()
        poisson = ParameterKind.POISSON
        for name in sorted(
            of, key=lambda name: self.parameters[name].declaration.kind == poisson
        ):
            channels = {where.start for _, _, where, *_ in of[name]}
            if channels & taken:
                del of[name]
            else:
                taken |= channels
        left, self.factors, self.factors_of = self.factors, [], {}
        for _, row, where, name, entries, uncertainty in left:
            if name not in of:
                self._add_factor(row, where, name, entries, uncertainty)
        return of

    def normsys(
        self, name: str, place: Place, lo: Any, hi: Any, code: str | None
    ) -> None:
        key = (code or self.normsys_code, name)
        self.normsys_entries.append((key, place.row, place.channel_index, lo, hi))

    def histosys(
        self, name: str, place: Place, lo: Any, hi: Any, code: str | None
    ) -> None:
        key = (code or self.histosys_code, name)
        self.histosys_entries.append((key, place.row, place.bins, lo, hi))

    def function(
        self, place: Place, function: AbstractFunction, arguments: tuple[str, ...]
    ) -> None:
        self.functions.append((place, function, arguments, self.keys))

    def floor(self, place: Place, least: float) -> None:
        self.floors.append((place, least))


def declare(
    collector: Collector, channels: Sequence[Channel]
) -> tuple[list[Place], list[tuple[str, str, str, str]]]:
    """Walk over the specification; every modifier enters itself into the tables.

    Returns:
        The place of each sample, and (channel, sample, type, name) of each modifier.

    Raises:
        SpecificationError: where modifiers contradict their sample or each other.
    """
    places: list[Place] = []
    declared: list[tuple[str, str, str, str]] = []
    start = 0
    for c, channel in enumerate(channels):
        bins = slice(start, start + channel.bins)
        start = bins.stop
        for row, sample in enumerate(channel.samples):
            place = Place(channel.name, sample.name, row, c, bins, sample.yields)
            places.append(place)
            seen = set()
            for m, modifier in enumerate(sample.modifiers):
                key = (type(modifier).__name__, modifier.name)
                collector.modifier = key[0]
                collector.keys = ("channels", c, "samples", row, "modifiers", m)
                try:
                    if key in seen:
                        raise SpecificationError(
                            f"a second {key[0]} of this name on the same sample. "
                            "Remove one or rename it."
                        )
                    modifier.declare(collector, place)
                except SpecificationError as error:
                    # A modifier does not know where it stands.
                    raise error.inside(
                        f"channel {channel.name!r}",
                        f"sample {sample.name!r}",
                        f"{key[0]} {key[1]!r}",
                        keys=collector.keys,
                    ) from None
                seen.add(key)
                declared.append((channel.name, sample.name, *key))
    return places, declared


def declare_arguments(
    collector: Collector,
    settings: Mapping[str, ParameterSettings],
    poi: str | Sequence[str] | None,
) -> None:
    """Declare those arguments of functions that no other modifier has as parameter.

    Each is free, or normal where the settings give a width. Only the parameter of
    interest and those of the settings are taken: any other name is a misprint.

    Raises:
        SpecificationError: for a name that is no parameter, or one for each bin.
    """
    pois = names_of(poi)
    for place, _, arguments, keys in collector.functions:
        for name in arguments:
            words = (f"channel {place.channel!r}", f"sample {place.sample!r}")
            known = collector.parameters.get(name)
            if known is not None:
                if not known.declaration.scalar:
                    raise SpecificationError(
                        f"a function of {name!r} needs a single number, but that has "
                        f"one for each bin ({known.modifier} at {known.where}).",
                        words,
                        keys,
                    )
                continue
            if name not in settings and name not in pois:
                names = {*collector.parameters, *settings, *pois}
                raise SpecificationError(
                    f"{name!r} is no parameter of the model. {nearest(name, names)} A "
                    f"parameter that no other modifier has must be in `settings`, as "
                    f"`settings={{{name!r}: ParameterSettings(init=...)}}`.",
                    words,
                    keys,
                )
            collector.parameters[name] = Collected(
                _argument(settings.get(name)),
                {place.channel: 1},
                "function",
                written(*keys),
            )


def _argument(setting: ParameterSettings | None) -> ParameterDeclaration:
    """A parameter that only functions have."""
    free = ParameterDeclaration(1, True, ParameterKind.FREE, 1.0, -np.inf, np.inf)
    if setting is None or setting.sigma is None:
        return free
    middle: Any = 0.0 if setting.aux is None else setting.aux
    return free._replace(kind=ParameterKind.NORMAL, init=middle, aux=middle)
