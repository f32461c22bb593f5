"""Observable → templates: expected events per bin, smooth or hard.

A template is a plain sum over events, so templates of chunks add up to the template
of all events. Floors and everything else that is not a sum come later, in the model.
"""

import abc
from collections.abc import Callable, Sequence
from typing import Literal, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

import relaxed

from ._custom_types import Edges, Features, PerEvent, Scalar, Yields
from ._events import Dataset, Process, SampleKey
from ._observable import AbstractObservable, Fixed, Scored


@final
class Template(eqx.Module):
    """Expected events per bin of one sample.

    Args:
        yields: Σ w.
        variance: Σ w², the variance of `yields` from the finite sample.
    """

    yields: Yields
    variance: Yields


@final
class ProcessTemplates(eqx.Module):
    """The nominal template of a process and those of its variations (up, down)."""

    nominal: Template
    variations: dict[str, tuple[Template, Template]]


Templates = dict[str, dict[str, ProcessTemplates]]
"""Channel → process → templates. A sum over events: add two with `jax.tree.map`."""


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


Scores = dict[SampleKey, Scored]
"""What an observable says of the events of every scored sample."""


def scores(
    dataset: Dataset, observable: AbstractObservable, bandwidth: Scalar | None
) -> Scores:
    """What the observable says of all scored events, computed in one call for all.

    Args:
        dataset: the events.
        observable: scores them.
        bandwidth: how smooth its decisions are; `None` asks for hard ones.
    """
    samples = dict(dataset.scored_samples())
    if not samples:
        return {}
    # Where weights alone vary, the nominal events are scored for all.
    owners = dataset.features_of()
    distinct = [key for key, owner in owners.items() if key == owner]
    features = [samples[key].features for key in distinct]
    if bandwidth is None and not _traced((observable, features)):
        # At once: one program for the observable alone, whatever the samples are.
        scored = jax.tree.map(
            np.asarray, _score_compiled(observable, np.concatenate(features))
        )
    elif bandwidth is None:
        scored = _score_in_pieces(observable, jnp.concatenate(features))
    else:
        scored = observable(jnp.concatenate(features), bandwidth)
        # Without the barrier XLA draws the network's last layers into each histogram
        # and computes them for every sample: a quarter more for a narrow network.
        scored = jax.lax.optimization_barrier(scored)
    # Split and not sliced: the derivative of one slice is as long as all of them.
    sizes = [len(samples[key]) for key in distinct]
    leaves, structure = jax.tree.flatten(scored)
    split = zip(*(_split(leaf, sizes) for leaf in leaves), strict=True)
    parts = {
        key: jax.tree.unflatten(structure, each)
        for key, each in zip(distinct, split, strict=True)
    }
    return {key: parts[owner] for key, owner in owners.items()}


def _split(values: Array | np.ndarray, sizes: Sequence[int]) -> Sequence[Array]:
    if isinstance(values, jax.Array):
        return jax.lax.split(values, sizes)
    return np.split(values, np.cumsum(sizes)[:-1])


def _traced(tree: PyTree) -> bool:
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


# Activations of a wide network for all events at once may not fit into memory: where
# no derivative is asked for, this many events are scored at a time.
_EVENTS_AT_ONCE = 16_384


def _score_in_pieces(observable: AbstractObservable, features: Features) -> Scored:
    count = len(features)
    pieces = -(-count // _EVENTS_AT_ONCE)
    if pieces <= 1:
        return observable(features, None)
    size = -(-count // pieces)
    # The last piece is filled up with copies of an event, and cut off again below.
    padded = jnp.pad(features, ((0, pieces * size - count), (0, 0)), mode="edge")
    stacked = padded.reshape(pieces, size, -1)
    scored = jax.lax.map(lambda piece: observable(piece, None), stacked)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:count], scored)


_score_compiled = eqx.filter_jit(_score_in_pieces)


def templates(
    dataset: Dataset,
    observable: AbstractObservable,
    binning: AbstractBinning,
    *,
    hard: bool = False,
) -> Templates:
    """The template of every process and variation in every channel.

    Args:
        dataset: the events; counted channels give the sum of their weights.
        observable: scores the events of all other channels, all in one call.
        binning: fills what the observable returns.
        hard: whether selection and bins are those of a final measurement (no
            derivatives) or smooth.
    """
    scored = scores(dataset, observable, None if hard else binning.bandwidth.value)
    return fill_templates(dataset, scored, binning, hard=hard)


def fill_templates(
    dataset: Dataset, scored: Scores, binning: AbstractBinning, *, hard: bool = False
) -> Templates:
    """The templates of events that are scored already.

    Args:
        dataset: the events; counted channels give the sum of their weights.
        scored: what `scores` gives of them.
        binning: fills it.
        hard: as of `templates`.
    """
    # A counted channel has no observable, so its bandwidth plays no part.
    count = Counting().fill
    weights = {key: events.weights for key, events in dataset.samples()}
    done = {
        key: count(Scored(), each) for key, each in weights.items() if key not in scored
    }
    if hard:
        fill = _hard_filling(binning)
        done |= {key: fill(scored[key], weights[key]) for key in scored}
    else:
        # Samples that differ in their weights alone are filled together.
        together: dict[SampleKey, list[SampleKey]] = {}
        owners = dataset.features_of()
        for key in scored:
            together.setdefault(owners[key], []).append(key)
        filled = binning.fill_samples(
            [
                (scored[keys[0]], [weights[key] for key in keys])
                for keys in together.values()
            ]
        )
        for keys, each in zip(together.values(), filled, strict=True):
            done |= dict(zip(keys, each, strict=True))
    return {
        channel: {
            name: ProcessTemplates(
                done[SampleKey(channel, name, "")],
                {
                    shift: (
                        done[SampleKey(channel, name, f"{shift}:up")],
                        done[SampleKey(channel, name, f"{shift}:down")],
                    )
                    for shift in process.variations
                },
            )
            for name, process in processes.items()
        }
        for channel, processes in dataset.channels.items()
    }


def _hard_filling(
    binning: AbstractBinning,
) -> Callable[[Scored, PerEvent], Template]:
    """`fill_hard`, with NumPy's arrays of known events: nothing compiles for them."""

    def fill(scored: Scored, weights: PerEvent) -> Template:
        filled = binning.fill_hard(scored, weights)
        return filled if _traced(filled) else jax.tree.map(np.asarray, filled)

    return fill


def raw_counts(
    dataset: Dataset, observable: AbstractObservable, binning: AbstractBinning
) -> dict[str, dict[str, Yields]]:
    """How many events with a positive weight each process has in each hard bin.

    The events that a signed background subtracts are no statistics that it has.
    """
    # The same filling with other weights, and no second way to count.
    ones = dataset.map(
        lambda _, events: events.with_weights((events.weights > 0) * 1.0)
    )
    filled = templates(ones, observable, binning, hard=True)
    return {
        channel: {name: process.nominal.yields for name, process in processes.items()}
        for channel, processes in filled.items()
    }


def observed_counts(
    dataset: Dataset, observable: AbstractObservable, binning: AbstractBinning
) -> dict[str, Yields]:
    """The recorded events of each channel in hard bins. This opens the data."""
    # As one process of the same channels: data are binned by the code of the templates.
    recorded = Dataset(
        {name: {"data": Process(events)} for name, events in dataset.observed.items()},
        tuple(name for name in dataset.counted if name in dataset.observed),
    )
    filled = templates(recorded, observable, binning, hard=True)
    return {
        channel: processes["data"].nominal.yields
        for channel, processes in filled.items()
    }
