"""Modifiers that a sample has twice, as one, or as a factor beside the first.

ROOT multiplies the factors of all that it finds and adds all variations, also where two
have the same parameter. HistFactory's own documents, and a model of fitkit, have each
modifier of a sample once.
"""

import dataclasses
from collections.abc import Sequence
from typing import final

import jax
import numpy as np
from jaxtyping import Array, Float

from ..._histfactory.functions import AbstractFunction, Arguments, Outputs, Slopes
from ..._histfactory.interpolation import multiplicative_factor
from ..._histfactory.modifiers import (
    AbstractModifier,
    ExpressionFactor,
    HistoSys,
    NormFactor,
    NormSys,
)
from ..._histfactory.modifiers.function import FunctionFactor
from ..._numerics.namespace import xp


@final
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class NormSysFunction(AbstractFunction):
    """The factor of a normsys, as a function of its parameter.

    Attributes:
        code: of its interpolation.
        lo, hi: the factors at -1 and +1.
        outputs: one, for all bins.
    """

    code: str = dataclasses.field(metadata={"static": True})
    outputs: int = dataclasses.field(metadata={"static": True})
    lo: Float[Array, ""]
    hi: Float[Array, ""]

    def first(self, x: Arguments) -> tuple[Outputs, Slopes]:
        value, slope, _ = multiplicative_factor(self.code, x, self.lo, self.hi)
        return value, slope[:, None]

    def curvature(
        self, x: Arguments, weights: Outputs
    ) -> Float[Array, "arguments arguments"]:
        *_, bend = multiplicative_factor(self.code, x, self.lo, self.hi)
        return (bend * weights)[:, None] * xp.ones((1, 1))


def without_repeats(
    modifiers: Sequence[AbstractModifier], nominal: Sequence[float]
) -> list[AbstractModifier]:
    """The same modifiers, each kind and name once.

    Variations of the same code add up; those of different codes stay as they are, for
    the model to refuse. Factors of code 1 multiply to one of code 1; of others the
    second is a function of the first one's parameter.

    Args:
        modifiers: of one sample.
        nominal: its yields.
    """
    kept: dict[tuple[type, str], AbstractModifier] = {}
    more: list[AbstractModifier] = []
    for modifier in modifiers:
        key = type(modifier), modifier.name
        first = kept.setdefault(key, modifier)
        if first is modifier:
            continue
        name = f"{modifier.name} ({len(more) + 2})"
        match first, modifier:
            case NormFactor(), NormFactor():
                more.append(_again(name, modifier.name))
            case HistoSys(code=code), HistoSys(code=same) if code == same:
                lo, hi = (
                    getattr(first, side) + getattr(modifier, side) - np.array(nominal)
                    for side in ("lo", "hi")
                )
                kept[key] = HistoSys(modifier.name, lo, hi, code)
            case NormSys(code="1"), NormSys(code="1"):
                lo, hi = first.lo * modifier.lo, first.hi * modifier.hi
                kept[key] = NormSys(modifier.name, lo, hi, "1")
            case NormSys(), NormSys():
                code = modifier.code or "4"
                own = NormSysFunction(code, 1, modifier.lo, modifier.hi)
                more.append(FunctionFactor(name, own, (modifier.name,)))
            case _:
                more.append(modifier)
    return [*kept.values(), *more]


def _again(name: str, parameter: str) -> AbstractModifier:
    """A factor once more; any name will do in the expression."""
    factor = ExpressionFactor(name, "x")
    return FunctionFactor(name, factor.function, (parameter,))
