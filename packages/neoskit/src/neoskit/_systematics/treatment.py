"""A variation's two templates → a normalisation and a shape."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax.numpy as jnp

from .._custom_types import Scalar, Yields
from .smoothing import smooth_353qh_twice

Effects = Literal["template", "norm+shape", "norm", "shape"]
Symmetry = Literal["one-sided", "two-sided", "maximum"]

LEAST_FACTOR = 0.01
"""What a factor on a normalisation is at least: one that is zero or negative at one
standard deviation is no expectation."""


class Effect(NamedTuple):
    """What a variation does to a process in a channel; `None` where it does nothing.

    Args:
        norm: the factors on the yield, down and up.
        shape: the templates, down and up.
    """

    norm: tuple[Scalar, Scalar] | None
    shape: tuple[Yields, Yields] | None


@dataclass(frozen=True)
class Treatment:
    """What is done with the templates of a variation before the model takes them.

    In the order of the arguments.

    Args:
        symmetrise: `"one-sided"` mirrors the upper template at the nominal one;
            `"two-sided"` takes half the difference of the two on both sides;
            `"maximum"` takes, bin by bin, the larger of the two changes on both sides,
            with the sign that it has upwards. `None` leaves them as they are.
        smooth: whether the ratios to the nominal template are smoothed, with the yield
            of each template kept.
        effect: the parts that are used: the templates as they are (`"template"`), the
            yield and the shape apart (`"norm+shape"`, interpolated as `NormSys` and
            `HistoSys` of one parameter), or one of them.
        prune_norm: a normalisation that is smaller than this on both sides, relative
            to the yield, is left out.
        prune_shape: a shape whose largest relative change of a bin is smaller than
            this on both sides is left out.

    Example:
        >>> nominal, up = jnp.array([10.0, 20.0]), jnp.array([12.0, 21.0])
        >>> mirrored = Treatment(symmetrise="one-sided", effect="norm+shape")
        >>> norm, shape = mirrored(nominal, up, nominal)
        >>> [round(float(factor), 3) for factor in norm]
        [0.9, 1.1]
    """

    symmetrise: Symmetry | None = None
    smooth: bool = False
    effect: Effects = "template"
    prune_norm: float = 0.0
    prune_shape: float = 0.0

    def __call__(self, nominal: Yields, up: Yields, down: Yields) -> Effect:
        """The effect of a variation; all templates are of one process and channel.

        Whether a part is pruned depends on values: it then has no effect, but stays,
        so that a training has one model. What is not asked for is `None`.
        """
        up, down = self._symmetric(nominal, up, down)
        if self.smooth:
            up, down = _smoothed(nominal, up), _smoothed(nominal, down)
        if self.effect == "template":
            shapes = self._pruned_shape(nominal, down, up, self.prune_shape)
            return Effect(None, shapes)
        norms = _factor(nominal, down), _factor(nominal, up)
        norm = self._pruned_norm(*norms) if "norm" in self.effect else None
        shape = None
        if "shape" in self.effect:
            lo, hi = down / norms[0], up / norms[1]
            shape = self._pruned_shape(nominal, lo, hi, self.prune_shape)
        return Effect(norm, shape)

    def _symmetric(
        self, nominal: Yields, up: Yields, down: Yields
    ) -> tuple[Yields, Yields]:
        match self.symmetrise:
            case "one-sided":
                change = up - nominal
            case "two-sided":
                change = (up - down) / 2
            case "maximum":
                above, below = up - nominal, nominal - down
                change = jnp.where(jnp.abs(above) >= jnp.abs(below), above, below)
            case _:
                return up, down
        return nominal + change, nominal - change

    def _pruned_norm(self, lo: Scalar, hi: Scalar) -> tuple[Scalar, Scalar]:
        if not self.prune_norm:
            return lo, hi
        small = jnp.maximum(jnp.abs(lo - 1), jnp.abs(hi - 1)) < self.prune_norm
        return jnp.where(small, 1.0, lo), jnp.where(small, 1.0, hi)

    def _pruned_shape(
        self, nominal: Yields, lo: Yields, hi: Yields, least: float
    ) -> tuple[Yields, Yields]:
        if not least:
            return lo, hi
        largest = jnp.maximum(_largest(nominal, lo), _largest(nominal, hi))
        small = largest < least
        return jnp.where(small, nominal, lo), jnp.where(small, nominal, hi)


def _factor(nominal: Yields, varied: Yields) -> Scalar:
    """The ratio of the yields; 1 for a process without any."""
    total = nominal.sum()
    some = total > 0
    ratio = varied.sum() / jnp.where(some, total, 1.0)
    return jnp.where(some, jnp.maximum(ratio, LEAST_FACTOR), 1.0)


def _ratio(nominal: Yields, varied: Yields) -> Yields:
    """The change of each bin; 1 where there is nothing to change."""
    some = nominal > 0
    return jnp.where(some, varied / jnp.where(some, nominal, 1.0), 1.0)


def _largest(nominal: Yields, varied: Yields) -> Scalar:
    return jnp.max(jnp.abs(_ratio(nominal, varied) - 1))


def _smoothed(nominal: Yields, varied: Yields) -> Yields:
    some = nominal > 0
    smooth = smooth_353qh_twice(_ratio(nominal, varied)) * nominal
    # A bin without nominal yield has no ratio to smooth, and stays.
    smooth = jnp.where(some, smooth, varied)
    total = smooth.sum()
    return smooth * jnp.where(
        total > 0, varied.sum() / jnp.where(total > 0, total, 1), 1
    )
