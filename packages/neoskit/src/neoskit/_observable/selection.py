"""Cuts with learnable thresholds."""

from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

import relaxed

from .._custom_types import Features, PerEvent, Scalar
from .observable import AbstractObservable, Fixed, Scored


@final
class SoftSelection(AbstractObservable):
    """Cuts with learnable thresholds, smooth in training and hard in a measurement.

    An event's weight is the product over the features of the kernel's cdf at its
    distance from the threshold, with the width `bandwidth * scale`; without a
    bandwidth the weight is 0 or 1.

    Args:
        thresholds: one per feature, in the feature's unit.
        scale: the unit of smoothness of each feature: with the bandwidth 0.1, a cut is
            smeared by `0.1 * scale`.
        keep: `"above"` or `"below"` for each feature, or one for all.
        binned: the feature that the selected events are binned in; `None` if they are
            only counted (`Counting`).

    Example:
        >>> selection = SoftSelection([45.0], keep="above")
        >>> selection(jnp.array([[40.0], [50.0]]), None).weight.tolist()
        [0.0, 1.0]
    """

    thresholds: Float[Array, " features"]
    scale: Fixed
    keep: tuple[str, ...] = eqx.field(static=True)
    binned: int | None = eqx.field(static=True)

    def __init__(
        self,
        thresholds: Float[Array, " features"] | Sequence[float],
        *,
        scale: Float[Array, " features"] | Sequence[float] | float = 1.0,
        keep: str | Sequence[str] = "above",
        binned: int | None = None,
    ):
        self.thresholds = jnp.asarray(thresholds, float)
        count = len(thresholds)
        self.scale = Fixed(jnp.broadcast_to(jnp.asarray(scale, float), (count,)))
        self.keep = (keep,) * count if isinstance(keep, str) else tuple(keep)
        self.binned = binned

    def __check_init__(self) -> None:
        if len(self.keep) != len(self.thresholds) or set(self.keep) - {
            "above",
            "below",
        }:
            raise ValueError(
                '`SoftSelection(keep=...)` must be "above" or "below", for all or for '
                f"each of the {len(self.thresholds)} features; got {self.keep}."
            )

    def __call__(self, features: Features, bandwidth: Scalar | None) -> Scored:
        """The weight with which each event passes, and the binned feature if any."""
        if features.shape[-1] != len(self.keep):
            raise ValueError(
                f"This `SoftSelection` has {len(self.keep)} thresholds, the events "
                f"have {features.shape[-1]} features. Give one threshold per feature."
            )
        # One after the other: there are few cuts, and each has its own direction.
        weight = jnp.ones(features.shape[0])
        for column, keep in enumerate(self.keep):
            weight = weight * self._passes(features[:, column], column, keep, bandwidth)
        value = None if self.binned is None else features[:, self.binned]
        return Scored(value=value, weight=weight)

    def _passes(
        self, feature: PerEvent, column: int, keep: str, bandwidth: Scalar | None
    ) -> PerEvent:
        threshold = self.thresholds[column]
        # An event on the threshold passes, as `>=` in an analysis' own cuts.
        if bandwidth is None:
            above = (feature >= threshold).astype(feature.dtype)
            return above if keep == "above" else 1 - above
        width = bandwidth * self.scale.value[column]
        return relaxed.cut(feature, threshold, width=width, keep=keep)
