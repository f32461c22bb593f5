"""The yields of a process in bins, and the modifiers that change its shape."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..._histfactory.modifiers import AbstractModifier, HistoSys
from ..._histfactory.modifiers.function import FunctionFactor
from ..._histfactory.modifiers.shape import Floor
from ..._model.constraints import Normal
from .effects import Effects, Morph
from .functions import CroppedMorph, LogarithmicMorph
from .templates import Template

PerBin = Float[np.ndarray, " bins"]

# What a content is at least: of a template, or of one whose integral is 1.
_LEAST = 1e-9
# Whether a template may become negative is asked of so many standard deviations of one
# parameter, the bounds that Combine gives them.
_FAR = 4.0


class Shape(NamedTuple):
    """A process in bins.

    Attributes:
        yields: before any modifier.
        modifiers: those that change the shape, at unchanged integral.
    """

    yields: PerBin
    modifiers: list[AbstractModifier]


def shape_of(
    effects: Effects, template: Template, scale: float, *, statistics: bool
) -> Shape:
    """The yields of a process and what changes their shape.

    Args:
        effects: what the card says of the process.
        template: its histogram.
        scale: the sum of the yields.
        statistics: whether the channel has `autoMCStats`, with which Combine crops each
            bin without touching the others.
    """
    fractions = template.values / template.integral
    morphs = effects.morphs
    if effects.logarithmic:
        kept = np.maximum(fractions, 0.0)
        kept = kept / kept.sum()
        return Shape(scale * kept, [_logarithmic(morphs, kept)])
    if statistics:
        if not morphs and (fractions >= 0).all():
            return Shape(scale * fractions, [])
        made = _linear(morphs, fractions, scale)
        return Shape(scale * fractions, [*made, Floor("crop", _LEAST)])
    cropped = np.maximum(fractions, _LEAST)
    cropped = cropped / cropped.sum()
    if not morphs:
        return Shape(scale * cropped, [])
    if _may_be_negative(morphs, fractions):
        return Shape(scale * cropped, [_cropped(morphs, fractions, cropped)])
    return Shape(scale * fractions, _linear(morphs, fractions, scale))


def _region(morphs: list[Morph]) -> float:
    """How far polynomials reach, in units of each one's own histograms.

    The same for all of a process: that of the smallest scale, if it is below 1.
    """
    return min(1.0, *(morph.scale for morph in morphs))


def _differences(morph: Morph, fractions: PerBin) -> tuple[PerBin, PerBin]:
    """What the histograms of -1 and +1 add to the fractions."""
    down, up = (
        morph.scale * (each.values / each.integral - fractions)
        for each in (morph.down, morph.up)
    )
    return down, up


def _may_be_negative(morphs: list[Morph], fractions: PerBin) -> bool:
    lowest = fractions.copy()
    for morph in morphs:
        down, up = _differences(morph, fractions)
        if (fractions + _FAR * np.minimum(down, up) <= 0).any():
            return True
        lowest += np.minimum(np.minimum(down, up), 0.0)
    return bool((lowest <= 0).any())


def _linear(
    morphs: list[Morph], fractions: PerBin, scale: float
) -> list[AbstractModifier]:
    region, made = _region(morphs) if morphs else 1.0, []
    for morph in morphs:
        down, up = _differences(morph, fractions)
        reach = region / morph.scale
        code = "4p" if reach == 1 else f"4p@{reach!r}"
        constraint = None if morph.free else Normal
        lo, hi = scale * (fractions + down), scale * (fractions + up)
        made.append(HistoSys(morph.name, lo, hi, code, constraint))
    return made


def _tables(
    morphs: list[Morph],
) -> tuple[Float[np.ndarray, " morphs"], tuple[str, ...]]:
    """The reach of each one's polynomial, and their names."""
    scale = np.array([morph.scale for morph in morphs])
    return _region(morphs) / scale, tuple(morph.name for morph in morphs)


def _cropped(morphs: list[Morph], fractions: PerBin, start: PerBin) -> AbstractModifier:
    reach, names = _tables(morphs)
    down, up = np.array([_differences(each, fractions) for each in morphs]).swapaxes(
        0, 1
    )
    morph = CroppedMorph(
        len(fractions),
        fractions,
        (up - down) / 2,
        (up + down) / 2,
        reach,
        _LEAST,
        start,
    )
    return FunctionFactor("shape", morph, names)


def _logarithmic(morphs: list[Morph], fractions: PerBin) -> AbstractModifier:
    reach, names = _tables(morphs)

    def logs(morph: Morph, template: Template) -> PerBin:
        # As Combine: a bin that is empty on either side does not change.
        values = template.values / template.integral
        both = (values > 0) & (fractions > 0)
        ratio = np.where(both, values, 1.0) / np.where(both, fractions, 1.0)
        return morph.scale * np.log(ratio)

    down = np.array([logs(each, each.down) for each in morphs])
    up = np.array([logs(each, each.up) for each in morphs])
    morph = LogarithmicMorph(
        len(fractions), fractions, (up - down) / 2, (up + down) / 2, reach
    )
    return FunctionFactor("shapeN", morph, names)
