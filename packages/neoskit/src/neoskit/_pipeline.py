"""The composition: events → observable → templates → model.

A `Pipeline` is one differentiable pytree: `jax.grad` of any number that depends on its
model gives derivatives with respect to the observable's parameters, the bin edges and
the bandwidth.
"""

import abc
from collections.abc import Callable, Sequence
from typing import TypeVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

import fitkit

from ._custom_types import Edges, Scalar, Yields
from ._events import Dataset, StoredDataset, keep_only
from ._observable import AbstractObservable, Fixed
from ._statmodel import Measurement
from ._templates import (
    AbstractBinning,
    Binning,
    FixedEdges,
    Scores,
    Templates,
    fill_templates,
    observed_counts,
    raw_counts,
    scores,
    templates,
)

_Sums = TypeVar("_Sums", bound=PyTree)

_NO_EDGES = "This pipeline counts events in one bin (`Counting`): it has no bin edges."


class AbstractPipeline(eqx.Module):
    """Turns a dataset into templates and, with its measurement, into a model."""

    measurement: eqx.AbstractVar[Measurement]

    @abc.abstractmethod
    def templates(self, dataset: Dataset) -> Templates:
        """Smooth templates, differentiable."""

    @abc.abstractmethod
    def hard_templates(self, dataset: Dataset) -> Templates:
        """Templates as a measurement uses them: each event in one bin.

        Of known events they are counted by NumPy, at once.
        """

    @abc.abstractmethod
    def hard_filler(self, dataset: Dataset) -> Callable[[Dataset], Templates]:
        """Score the events of a dataset once, to fill them with other weights.

        Returns:
            The hard templates of a dataset of the same events, as a replica is.
        """

    @abc.abstractmethod
    def raw_counts(self, dataset: Dataset) -> dict[str, dict[str, Yields]]:
        """Events of positive weight per channel, process and hard bin, unweighted."""

    @abc.abstractmethod
    def observed(self, dataset: Dataset) -> dict[str, Yields]:
        """Recorded events per channel and hard bin; this opens the data."""

    @property
    @abc.abstractmethod
    def binned(self) -> bool:
        """Whether the observable has bins; selected events are counted otherwise."""

    @property
    @abc.abstractmethod
    def edges(self) -> Edges:
        """The bin edges of the observable.

        Raises:
            TypeError: events are counted, there are no bins.
        """

    @abc.abstractmethod
    def with_edges(self, edges: Edges | Sequence[float]) -> "AbstractPipeline":
        """The same pipeline with other, fixed bin edges."""

    def model(self, dataset: Dataset) -> fitkit.Model:
        """The model of the smooth templates: what objectives are computed from."""
        return self.measurement.model(self.templates(dataset))

    def hard_model(self, dataset: Dataset) -> fitkit.Model:
        """The model of the hard templates: what numbers are quoted from."""
        return self.measurement.model(self.hard_templates(dataset))


@final
class Pipeline(AbstractPipeline):
    """Events → observable → templates → model, with everything that can be trained.

    Args:
        observable: scores the events.
        binning: fills the scores; has edges, bandwidth, kernel.
        measurement: makes the model of the templates.

    Example:
        A pipeline that the gradient of the expected CLs flows through:

        >>> from neoskit import Binning, Measurement, NeuralObservable
        >>> pipeline = Pipeline(
        ...     NeuralObservable(2, (16, 16), key=jax.random.key(0)),
        ...     Binning([0.0, 0.25, 0.5, 0.75, 1.0], bandwidth=0.1),
        ...     Measurement(signals=("signal",)),
        ... )
        >>> pipeline.edges.shape
        (5,)
    """

    observable: AbstractObservable
    binning: AbstractBinning
    measurement: Measurement

    def templates(self, dataset: Dataset) -> Templates:
        """Smooth templates, differentiable."""
        if isinstance(dataset, StoredDataset):
            return dataset.sum(_smooth_templates, self)
        return templates(dataset, self.observable, self.binning)

    def scores(self, dataset: Dataset) -> Scores:
        """What the observable says of the events of every scored sample."""
        return scores(dataset, self.observable, self.binning.bandwidth.value)

    def fill(self, dataset: Dataset, scores: Scores) -> Templates:
        """Smooth templates of events that are scored already."""
        return fill_templates(dataset, scores, self.binning)

    def hard_templates(self, dataset: Dataset) -> Templates:
        """Templates as a measurement uses them: each event in one bin."""
        if isinstance(dataset, StoredDataset):
            return dataset.sum(Pipeline.hard_templates, self)
        return templates(dataset, self.observable, self.binning, hard=True)

    def hard_filler(self, dataset: Dataset) -> Callable[[Dataset], Templates]:
        """Score the events of a dataset once, to fill them with other weights."""
        if isinstance(dataset, StoredDataset):
            return self.hard_templates  # scores are not kept: they would fill memory
        scored = scores(dataset, self.observable, None)
        return lambda same: fill_templates(same, scored, self.binning, hard=True)

    def raw_counts(self, dataset: Dataset) -> dict[str, dict[str, Yields]]:
        """Events of positive weight per channel, process and hard bin, unweighted."""
        if isinstance(dataset, StoredDataset):
            return dataset.sum(Pipeline.raw_counts, self)
        return raw_counts(dataset, self.observable, self.binning)

    def observed(self, dataset: Dataset) -> dict[str, Yields]:
        """Recorded events per channel and hard bin; this opens the data."""
        return observed_counts(dataset, self.observable, self.binning)

    @property
    def binned(self) -> bool:
        """Whether the observable has bins; selected events are counted otherwise."""
        return isinstance(self.binning, Binning)

    @property
    def edges(self) -> Edges:
        """The bin edges of the observable."""
        if not isinstance(self.binning, Binning):
            raise TypeError(_NO_EDGES)
        return self.binning.edges.values

    def with_edges(self, edges: Edges | Sequence[float]) -> "Pipeline":
        """The same pipeline with other, fixed bin edges."""
        if not isinstance(self.binning, Binning):
            raise TypeError(_NO_EDGES)
        # Learned edges become fixed ones: these were chosen and are not trained again.
        fixed = FixedEdges(edges)
        return eqx.tree_at(lambda pipeline: pipeline.binning.edges, self, fixed)

    def with_bandwidth(self, bandwidth: Scalar | float) -> "Pipeline":
        """The same pipeline with another bandwidth, which may be traced."""
        return eqx.tree_at(
            lambda pipeline: pipeline.binning.bandwidth.value, self, bandwidth
        )


def trained_leaves(pipeline: Pipeline) -> PyTree[bool]:
    """Which leaves a training changes: those of the observable and learned edges.

    True for floating-point arrays of observable and binning outside of `Fixed`.

    Args:
        pipeline: trained or not.
    """

    def marks(part: PyTree) -> PyTree[bool]:
        return jax.tree.map(
            lambda leaf: not isinstance(leaf, Fixed) and eqx.is_inexact_array(leaf),
            part,
            is_leaf=lambda leaf: isinstance(leaf, Fixed),
        )

    # The measurement's arrays (uncertainties, settings) are what is known, not trained.
    nothing = jax.tree.map(lambda _: False, pipeline)
    return eqx.tree_at(
        lambda p: (p.observable, p.binning),
        nothing,
        (marks(pipeline.observable), marks(pipeline.binning)),
    )


@final
class CrossFit(AbstractPipeline):
    """One pipeline per fold: each event is scored by the one that did not see it.

    The templates are those of all events: a sum over the folds.

    Args:
        folds: pipeline `k` was trained on `leave_out(dataset, k, len(folds))`. All
            have the same bin edges, or all are counted, and one measurement.
        partition: the seed of the folds, as of `fold_of`.

    Raises:
        ValueError: the folds have different bin edges.
    """

    folds: tuple[Pipeline, ...]
    partition: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        if len(self.folds) < 2:
            raise ValueError(
                "`CrossFit(folds=...)` needs at least two pipelines; got "
                f"{len(self.folds)}. Without folds use the `Pipeline` itself."
            )
        binned = {fold.binned for fold in self.folds}
        if binned == {False}:
            return
        if len(binned) > 1:
            raise ValueError(
                "`CrossFit(folds=...)`: some folds are binned and some are counted, so "
                "their templates do not add up. Give all folds the same binning."
            )
        edges = [fold.edges for fold in self.folds]
        # While tracing there are no numbers to compare.
        known = not any(isinstance(e, jax.core.Tracer) for e in edges)
        if known and not all(jnp.array_equal(e, edges[0]) for e in edges):
            raise ValueError(
                "`CrossFit(folds=...)`: the folds have different bin edges, so their "
                "templates do not add up. Fix the edges, or give all folds the same "
                "with `with_edges`."
            )

    @property
    def measurement(self) -> Measurement:
        """The measurement, the same in all folds."""
        return self.folds[0].measurement

    def templates(self, dataset: Dataset) -> Templates:
        """Smooth templates of all events."""
        if isinstance(dataset, StoredDataset):
            return dataset.sum(_smooth_templates, self)
        return self._sum(dataset, Pipeline.templates)

    def hard_templates(self, dataset: Dataset) -> Templates:
        """Hard templates of all events."""
        return self._sum(dataset, Pipeline.hard_templates)

    def hard_filler(self, dataset: Dataset) -> Callable[[Dataset], Templates]:
        """Score the events of a dataset once, to fill them with other weights."""
        if isinstance(dataset, StoredDataset):
            return self.hard_templates
        fillers = {id(fold): fold.hard_filler(dataset) for fold in self.folds}
        return lambda same: self._sum(same, lambda fold, part: fillers[id(fold)](part))

    def raw_counts(self, dataset: Dataset) -> dict[str, dict[str, Yields]]:
        """Events of positive weight per channel, process and hard bin, unweighted."""
        return self._sum(dataset, Pipeline.raw_counts)

    def observed(self, dataset: Dataset) -> dict[str, Yields]:
        """Recorded events per channel and hard bin; this opens the data."""
        if isinstance(dataset, StoredDataset):
            dataset = dataset.recorded()
        return self._sum(dataset, Pipeline.observed)

    @property
    def binned(self) -> bool:
        """Whether the observables have bins; selected events are counted otherwise."""
        return self.folds[0].binned

    @property
    def edges(self) -> Edges:
        """The bin edges, the same in all folds."""
        return self.folds[0].edges

    def with_edges(self, edges: Edges | Sequence[float]) -> "CrossFit":
        """The same pipelines with other, fixed bin edges."""
        folds = tuple(fold.with_edges(edges) for fold in self.folds)
        return CrossFit(folds, self.partition)

    def _sum(
        self, dataset: Dataset, fill: Callable[[Pipeline, Dataset], _Sums]
    ) -> _Sums:
        if isinstance(dataset, StoredDataset):
            return dataset.sum(_sum_of_folds, (self, fill))
        # Every fold scores all events, those of others with a weight of 0: no shape
        # depends on how the folds fall, at the price of scoring each event often.
        parts = [
            fill(
                pipeline,
                keep_only(dataset, k, len(self.folds), seed=self.partition),
            )
            for k, pipeline in enumerate(self.folds)
        ]
        return jax.tree.map(lambda *terms: sum(terms[1:], terms[0]), *parts)


def _sum_of_folds(
    given: tuple[CrossFit, Callable[[Pipeline, Dataset], _Sums]], events: Dataset
) -> _Sums:
    """What the folds give together of one chunk."""
    folds, fill = given
    return folds._sum(events, fill)


@eqx.filter_jit
def _smooth_templates(pipeline: AbstractPipeline, events: Dataset) -> Templates:
    """Of one chunk, compiled as one for all of them."""
    return pipeline.templates(events)
