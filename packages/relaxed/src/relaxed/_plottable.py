"""Results in the form that plotting packages take: UHI's `PlottableHistogram`."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Array, Float, Num

from ._arguments import as_edges
from ._checks import Rule, enforce
from ._histogram import is_several
from ._rules import increasing


class Traits(NamedTuple):
    """What UHI asks about an axis."""

    circular: bool = False
    discrete: bool = False


@final
class PlottableAxis:
    """A sequence of bins, each a pair of its lower and upper edge."""

    def __init__(self, edges: Num[np.ndarray, " edges"]):
        self.edges = edges
        self.traits = Traits()

    def __len__(self) -> int:
        return len(self.edges) - 1

    def __getitem__(self, index: int) -> tuple[float, float]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return float(self.edges[index]), float(self.edges[index + 1])

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return (self[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        edges = getattr(other, "edges", None)
        return edges is not None and np.array_equal(self.edges, edges)

    # As arrays have none: equal axes would need equal hashes.
    __hash__ = None  # type: ignore[assignment]


@final
class Plottable:
    """A histogram as mplhep, hist and others understand it, without importing any."""

    kind = "COUNT"

    def __init__(
        self,
        values: Float[Array, "*bins"],
        edges: Num[Array, " edges"] | Sequence[Num[Array, " edges"]],
        variances: Float[Array, "*bins"] | None = None,
    ):
        """Hold copies, in NumPy.

        Args:
            values: from `hist` or `hard_hist`; held as they are, NaN too.
            edges: what they were called with.
            variances: from `hist_variance`, not negative; unknown by default.

        Raises:
            ValueError: shapes that do not fit, edges that do not increase, a negative
                variance.

        Example:
            >>> edges = relaxed.regular_edges(0.0, 1.0, 2)
            >>> plottable = relaxed.Plottable(jnp.array([1.0, 3.0]), edges)
            >>> plottable.axes[0][1], float(plottable.values()[1])
            ((0.5, 1.0), 3.0)
        """
        each = edges if is_several(edges) else [edges]
        vectors = [np.array(as_edges(e, "Plottable")) for e in each]
        self.axes = tuple(map(PlottableAxis, vectors))
        self._values = np.array(values)
        self._variances = None if variances is None else np.array(variances)
        expected = tuple(map(len, self.axes))
        for name, array in (("values", self._values), ("variances", self._variances)):
            if array is not None and array.shape != expected:
                raise ValueError(
                    f"`Plottable({name}=...)` must have the shape of the bins, "
                    f"{expected}; got {array.shape}."
                )
        rules = [increasing(e, "Plottable") for e in vectors]
        if self._variances is not None:
            rules.append(Rule(self._variances, lambda v: v < 0, _negative_variance))
        enforce(None, *rules)

    def values(self) -> Float[np.ndarray, "*bins"]:
        """The content of each bin."""
        return self._values

    def variances(self) -> Float[np.ndarray, "*bins"] | None:
        """The statistical variance of each bin, or None where it is not known."""
        return self._variances

    def counts(self) -> Float[np.ndarray, "*bins"] | None:
        """The effective number of events, values² / variances, or the values."""
        if self._variances is None:
            return self._values
        known = self._variances > 0
        variances = np.where(known, self._variances, 1.0)
        return np.where(known, self._values**2 / variances, 0.0)


def _negative_variance(variances, where):
    return (
        f"`Plottable(variances=...)` must not be negative; got "
        f"{variances.flat[where[0]]:g}. `hist_variance` gives them, also for negative "
        "weights."
    )
