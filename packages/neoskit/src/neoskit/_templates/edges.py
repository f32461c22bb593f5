"""Bin edges: fixed, or trained."""

import abc
from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import relaxed

from .._custom_types import Edges
from .._observable import Fixed


class AbstractEdges(eqx.Module):
    """Bin edges that may depend on trained parameters."""

    @property
    @abc.abstractmethod
    def values(self) -> Edges:
        """The edges in increasing order."""


@final
class FixedEdges(AbstractEdges):
    """Edges that stay where they are put."""

    array: Fixed

    def __init__(self, edges: Edges | Sequence[float]):
        self.array = Fixed(jnp.asarray(edges, float))

    def __check_init__(self) -> None:
        edges = self.array.value
        if edges.ndim != 1 or len(edges) < 2:
            raise ValueError(
                "Bin edges must be a list of at least two numbers; got shape "
                f"{edges.shape}."
            )
        if isinstance(edges, jax.core.Tracer):
            return
        for i in range(1, len(edges)):
            if not edges[i] > edges[i - 1]:
                raise ValueError(
                    f"Bin edges must increase; got edges[{i}]={edges[i]:g} after "
                    f"edges[{i - 1}]={edges[i - 1]:g}. For edges that are trained use "
                    "`LearnedEdges`, which stay in order."
                )

    @property
    def values(self) -> Edges:
        """The edges in increasing order."""
        return self.array.value


@final
class LearnedEdges(AbstractEdges):
    """Inner edges that are trained and stay in order; the outer two are fixed.

    Args:
        edges: where the training starts.
        min_width: no bin gets narrower than this share of the whole range.

    Example:
        >>> LearnedEdges([0.0, 0.25, 0.5, 0.75, 1.0]).values.round(3).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """

    raw: Float[Array, " bins"]
    low: Fixed
    high: Fixed
    min_width: Fixed

    def __init__(self, edges: Edges | Sequence[float], *, min_width: float = 1e-3):
        start = FixedEdges(edges).values
        whole = start[-1] - start[0]
        # The inverse of `relaxed.monotone_edges`: above the minimum, the softmax of
        # `raw` shares out the rest.
        spare = jnp.diff(start) - min_width * whole
        if not jnp.all(spare > 0):
            raise ValueError(
                f"`LearnedEdges(min_width={min_width})`: a bin at the start is not "
                "wider than this share of the range. Choose a smaller `min_width`."
            )
        self.raw = jnp.log(spare)
        self.low, self.high = Fixed(start[0]), Fixed(start[-1])
        self.min_width = Fixed(min_width * whole)

    @property
    def values(self) -> Edges:
        """The edges in increasing order."""
        return relaxed.monotone_edges(
            self.raw,
            self.low.value,
            self.high.value,
            min_width=self.min_width.value,
        )
