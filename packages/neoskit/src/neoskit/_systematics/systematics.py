"""Which modifiers the variations of each process become, channel by channel."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np

import fitkit

from .._custom_types import Yields
from .._templates import ProcessTemplates, Template, Templates
from .treatment import Treatment

Place = tuple[str, str]
"""A channel and a process."""

_AS_IT_IS = Treatment()


class Normalisation(NamedTuple):
    """A factor on the yield of a process in a channel.

    Args:
        name: the parameter.
        lo: the factor at −1 σ.
        hi: the factor at +1 σ.
    """

    name: str
    lo: float
    hi: float


@final
class Systematics(eqx.Module):
    """What becomes of variations, and normalisations of one process in one channel.

    Args:
        treatments: by channel and process, what is done with the templates of each
            variation; one that is not named becomes a `HistoSys` as it is.
        normalisations: by channel and process, what scales it there alone.
        bins: groups of channels that are the bins of one variable: their templates are
            treated as one.
    """

    # Tuples and no dictionaries: they are part of what a compilation is kept by.
    _treatments: tuple[tuple[Place, tuple[tuple[str, Treatment], ...]], ...] = (
        eqx.field(static=True)
    )
    _normalisations: tuple[tuple[Place, tuple[Normalisation, ...]], ...] = eqx.field(
        static=True
    )

    bins: tuple[tuple[str, ...], ...] = eqx.field(static=True)

    def __init__(
        self,
        treatments: Mapping[Place, Mapping[str, Treatment]] | None = None,
        normalisations: Mapping[Place, Sequence[Normalisation]] | None = None,
        bins: Sequence[Sequence[str]] = (),
    ):
        self.bins = tuple(tuple(group) for group in bins)
        self._treatments = tuple(
            (place, tuple(of.items())) for place, of in (treatments or {}).items()
        )
        self._normalisations = tuple(
            (place, tuple(of)) for place, of in (normalisations or {}).items()
        )

    @property
    def treatments(self) -> dict[Place, dict[str, Treatment]]:
        """By channel and process, what is done with each variation."""
        return {place: dict(of) for place, of in self._treatments}

    @property
    def normalisations(self) -> dict[Place, tuple[Normalisation, ...]]:
        """By channel and process, what scales it there alone."""
        return dict(self._normalisations)

    def modifiers(
        self,
        channel: str,
        process: str,
        templates: Templates,
        floored: Callable[[Yields], Yields],
    ) -> tuple[fitkit.AbstractModifier, ...]:
        """Everything that systematics do to a process in a channel.

        Args:
            channel: where.
            process: to what.
            templates: of all channels and processes.
            floored: what a bin is at least; applied to what the model takes.
        """
        place = (channel, process)
        found: list[fitkit.AbstractModifier] = [
            fitkit.NormSys(name, lo=lo, hi=hi)
            for name, lo, hi in self.normalisations.get(place, ())
        ]
        treatments = self.treatments.get(place, {})
        together = self._together(channel, process, templates)
        parts = [templates[name][process] for name in together]
        nominal = _joined([part.nominal for part in parts])
        here = _slice(parts, together.index(channel))
        for name in templates[channel][process].variations:
            up, down = (
                _joined([part.variations[name][side] for part in parts])
                for side in (0, 1)
            )
            norm, shape = treatments.get(name, _AS_IT_IS)(nominal, up, down)
            # Both have one name, and so one parameter.
            if norm is not None:
                found.append(fitkit.NormSys(name, lo=norm[0], hi=norm[1]))
            if shape is not None:
                lo, hi = (floored(side[here]) for side in shape)
                found.append(fitkit.HistoSys(name, lo=lo, hi=hi))
        return tuple(found)

    def _together(
        self, channel: str, process: str, templates: Templates
    ) -> tuple[str, ...]:
        """The channels that are treated as one with this, in the order of bins."""
        for group in self.bins:
            if channel in group:
                return tuple(
                    name for name in group if process in templates.get(name, {})
                )
        return (channel,)


def _joined(templates: Sequence[Template]) -> Yields:
    if len(templates) == 1:
        return templates[0].yields
    return jnp.concatenate([template.yields for template in templates])


def _slice(parts: Sequence[ProcessTemplates], place: int) -> slice:
    sizes = [len(part.nominal.yields) for part in parts]
    start = sum(sizes[:place])
    return slice(start, start + sizes[place])


class NegativeBin(NamedTuple):
    """A bin whose yield is below what a model takes, and is raised to it.

    Args:
        channel: where.
        process: of what.
        variation: `""` for the nominal template, else as `"tes:up"`.
        bin: which, from 0.
        yields: what it is.
        floor: what it is raised to.
    """

    channel: str
    process: str
    variation: str
    bin: int
    yields: float
    floor: float = 0.0

    def __str__(self) -> str:
        shift = f" ({self.variation})" if self.variation else ""
        return (
            f"{self.process}{shift} in {self.channel}, bin {self.bin}: "
            f"{self.yields:.3g} events, raised to the floor of {self.floor:g}"
        )


def negative_bins(templates: Templates, floor: float = 0.0) -> tuple[NegativeBin, ...]:
    """Every bin that signed weights leave below the floor.

    Args:
        templates: of known values.
        floor: as of the measurement.
    """
    found = []
    for channel, processes in templates.items():
        for name, process in processes.items():
            of = {"": process.nominal}
            for shift, (up, down) in process.variations.items():
                of |= {f"{shift}:up": up, f"{shift}:down": down}
            for variation, template in of.items():
                yields = np.asarray(template.yields)
                found += [
                    NegativeBin(
                        channel, name, variation, int(i), float(yields[i]), floor
                    )
                    for i in np.flatnonzero(yields < floor)
                ]
    return tuple(found)
