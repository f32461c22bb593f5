"""How scored events become a template: bins, one count, categories."""

import abc
from collections.abc import Sequence
from typing import Literal, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import relaxed

from .._custom_types import Edges, PerEvent, Scalar
from .._observable import Fixed, Scored
from .edges import AbstractEdges, FixedEdges
from .template import Template


class AbstractBinning(eqx.Module):
    """How scored events become a template."""

    bandwidth: eqx.AbstractVar[Fixed]

    @abc.abstractmethod
    def fill(self, scored: Scored, weights: PerEvent) -> Template:
        """The smooth template."""

    @abc.abstractmethod
    def fill_hard(self, scored: Scored, weights: PerEvent) -> Template:
        """The template with each event in exactly one bin, or in none."""

    def fill_samples(
        self, samples: Sequence[tuple[Scored, Sequence[PerEvent]]]
    ) -> list[list[Template]]:
        """The smooth templates of several samples, one for each of their weights."""
        return [[self.fill(scored, w) for w in each] for scored, each in samples]


def _bandwidth(binning: str, value: Scalar | float) -> Fixed:
    # A traced bandwidth has no number yet; `train` looks at each before its step.
    if not isinstance(value, jax.core.Tracer) and not value > 0:
        raise ValueError(
            f"`{binning}(bandwidth=...)` must be positive; got {value}. For templates "
            "without any smoothing there is `hard_templates`."
        )
    return Fixed(jnp.asarray(value, float))


def _selected(scored: Scored, weights: PerEvent) -> PerEvent:
    return weights if scored.weight is None else weights * scored.weight


@final
class Binning(AbstractBinning):
    """Bins of the observable's value.

    Args:
        edges: bin edges, fixed where an array is given, trained if `LearnedEdges`.
        bandwidth: width of the kernel that smears each event over the bins, in units
            of the observable. Large means smooth and biased; a fifth to a half of a
            bin's width is a usual start. `train` may anneal it.
        kernel: shape of the smearing, one of relaxed's.
        flow: what becomes of events outside the edges: `"drop"` leaves them out,
            `"clip"` puts them into the first and last bin.
        straight_through: whether a training sees the hard counts, with the slope of
            the smooth ones: it then minimises what will be measured, by a gradient
            that is biased, see `relaxed.straight_through`.
    """

    edges: AbstractEdges
    bandwidth: Fixed
    kernel: relaxed.AbstractKernel
    flow: Literal["drop", "clip"] = eqx.field(static=True)
    straight_through: bool = eqx.field(static=True)

    def __init__(
        self,
        edges: Edges | Sequence[float] | AbstractEdges,
        *,
        bandwidth: Scalar | float = 0.1,
        kernel: relaxed.AbstractKernel | None = None,
        flow: Literal["drop", "clip"] = "drop",
        straight_through: bool = False,
    ):
        self.straight_through = straight_through
        self.edges = edges if isinstance(edges, AbstractEdges) else FixedEdges(edges)
        self.bandwidth = _bandwidth("Binning", bandwidth)
        self.kernel = relaxed.GaussianKernel() if kernel is None else kernel
        self.flow = flow

    def fill(self, scored: Scored, weights: PerEvent) -> Template:
        """Soft counts and their Σ w²p², differentiable."""
        return self.fill_samples([(scored, [weights])])[0][0]

    def fill_samples(
        self, samples: Sequence[tuple[Scored, Sequence[PerEvent]]]
    ) -> list[list[Template]]:
        """As `fill`, with the kernel evaluated once for all weights of an event."""
        filled = relaxed.hist_of_samples(
            [_binned(scored) for scored, _ in samples],
            self.edges.values,
            bandwidth=self.bandwidth.value,
            weights=[
                jnp.stack([_selected(scored, weights) for weights in each])
                for scored, each in samples
            ],
            kernel=self.kernel,
            flow=self.flow,
        )
        soft = [
            [Template(*each) for each in zip(counts, variances, strict=True)]
            for counts, variances in filled
        ]
        if not self.straight_through:
            return soft
        return [
            [
                _hard_forward(self.fill_hard(scored, weights), template)
                for weights, template in zip(each, templates, strict=True)
            ]
            for (scored, each), templates in zip(samples, soft, strict=True)
        ]

    def fill_hard(self, scored: Scored, weights: PerEvent) -> Template:
        """Counts as an analysis quotes them, with their Σ w²."""
        value, weights = _binned(scored), _selected(scored, weights)
        edges = self.edges.values
        return Template(
            relaxed.hard_hist(value, edges, weights=weights, flow=self.flow),
            relaxed.hard_hist(value, edges, weights=weights**2, flow=self.flow),
        )


def _hard_forward(hard: Template, soft: Template) -> Template:
    # The edges of hard bins get their slope from the smooth ones, too.
    hard = jax.lax.stop_gradient(hard)
    return jax.tree.map(relaxed.straight_through, hard, soft)


def _binned(scored: Scored) -> PerEvent:
    if scored.value is None:
        raise ValueError(
            "This observable gives only a selection and no value to bin. Use "
            "`Counting` in the place of `Binning`, or `SoftSelection(binned=...)`."
        )
    return scored.value


@final
class Counting(AbstractBinning):
    """One bin: the selected events are counted.

    Args:
        bandwidth: smoothness of the selection, in units of its scale.
    """

    bandwidth: Fixed

    def __init__(self, *, bandwidth: Scalar | float = 0.1):
        self.bandwidth = _bandwidth("Counting", bandwidth)

    def fill(self, scored: Scored, weights: PerEvent) -> Template:
        """The sum of the selected weights and of their squares."""
        weights = _selected(scored, weights).astype(float)
        return Template(weights.sum()[None], (weights**2).sum()[None])

    def fill_hard(self, scored: Scored, weights: PerEvent) -> Template:
        """The same: what is hard is the selection."""
        return self.fill(scored, weights)


@final
class Categories(AbstractBinning):
    """Bins that the observable itself tells apart, as a `SoftmaxObservable` does.

    Args:
        bandwidth: temperature of the memberships, in units of the outputs. INFERNO
            trained with 0.1.
        straight_through: as of `Binning`.
    """

    bandwidth: Fixed
    straight_through: bool = eqx.field(static=True)

    def __init__(
        self, *, bandwidth: Scalar | float = 0.1, straight_through: bool = False
    ):
        self.bandwidth = _bandwidth("Categories", bandwidth)
        self.straight_through = straight_through

    def fill(self, scored: Scored, weights: PerEvent) -> Template:
        """Sums of memberships and of their squares, differentiable."""
        soft = _sum_of_memberships(_membership(scored), weights)
        if not self.straight_through:
            return soft
        return _hard_forward(self.fill_hard(scored, weights), soft)

    def fill_hard(self, scored: Scored, weights: PerEvent) -> Template:
        """Each event in the bin that it belongs to most."""
        membership = _membership(scored)
        # As numbers of bins, which are binned like any others.
        edges = np.arange(membership.shape[1] + 1) - 0.5
        largest = membership.argmax(axis=-1).astype(float)
        return Template(
            relaxed.hard_hist(largest, edges, weights=weights),
            relaxed.hard_hist(largest, edges, weights=weights**2),
        )


def _membership(scored: Scored) -> Float[Array, "events bins"]:
    if scored.membership is None:
        raise ValueError(
            "`Categories` fills an observable that tells bins apart, such as "
            "`SoftmaxObservable`; for one with a value use `Binning`."
        )
    return scored.membership


def _sum_of_memberships(
    membership: Float[Array, "events bins"], weights: PerEvent
) -> Template:
    return Template(
        relaxed.hist_from_membership(membership, weights=weights),
        relaxed.hist_from_membership(membership**2, weights=weights**2),
    )
