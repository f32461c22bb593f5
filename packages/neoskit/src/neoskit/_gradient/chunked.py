"""The exact gradient over any number of events, in the memory of one chunk.

The objective is not a sum over events, but the templates are, and the objective depends
on the events through the templates alone. So two passes are enough: sum the templates
over the chunks; differentiate the objective once with respect to the templates; pull
this back through each chunk and add up.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from .._checks import check_count
from .._custom_types import Scalar
from .._events import Dataset, Events, StoredDataset
from .._pipeline import Pipeline
from .._templates import templates_of_counted
from .loss import (
    AnyObjective,
    ModelOf,
    Sums,
    Trained,
    combined,
    needs_model,
    sums,
    trained_part,
    value,
)
from .stored import of_stored


def value_and_gradient_chunked(
    pipeline: Pipeline,
    dataset: Dataset | StoredDataset,
    objective: AnyObjective,
    *,
    chunk: int,
    model_of: ModelOf | None = None,
) -> tuple[Scalar, Pipeline]:
    """The same as `value_and_gradient`, with the memory of one chunk of events.

    It is no minibatch gradient: the result is that of all events, to rounding.

    Args:
        pipeline: whose observable and learned edges are differentiated.
        dataset: all events, in memory or on disk. Of those on disk no more than a chunk
            is ever in memory; this is then not for the inside of `jit`.
        objective: of the model, of the events, or a sum of such.
        chunk: events of the largest sample that are looked at together; smaller
            samples are shared out over the same number of chunks.
        model_of: makes the model of the templates; the measurement's own by default.

    Raises:
        ValueError: a chunk has no event.
    """
    check_count("value_and_gradient_chunked(chunk=...)", chunk)
    of = of_chunks if isinstance(dataset, Dataset) else of_stored
    found, (gradient, _) = of(pipeline, dataset, objective, chunk, model_of, False)
    return found, gradient


def of_chunks(
    pipeline: Pipeline,
    dataset: Dataset,
    objective: AnyObjective,
    chunk: int,
    model_of: ModelOf | None,
    logarithm: bool,
) -> tuple[Scalar, Trained]:
    """The same, or of the logarithm, with what the objective itself trains, too."""
    model_of = pipeline.measurement.model if model_of is None else model_of
    trained, rest = trained_part(pipeline, objective)
    chunks = _in_chunks(dataset.only(dataset.scored), chunk)

    def summed(part: Trained, events: Dataset) -> Sums:
        ours, theirs = combined(part, rest)
        return sums(ours, events, theirs)

    def sum_up(total: Sums, events: Dataset) -> tuple[Sums, None]:
        return _add(total, summed(trained, events)), None

    def number(total: Sums) -> Scalar:
        all_channels = total._replace(templates={**total.templates, **counted})
        found = value(all_channels, objective, model_of)
        return jnp.log(found) if logarithm else found

    def pull_back(total: Trained, events: Dataset) -> tuple[Trained, None]:
        _, pull = eqx.filter_vjp(lambda part: summed(part, events), trained)
        return _add(total, pull(cotangent)[0]), None

    # Of one chunk only the shapes are asked for: nothing is computed.
    one = jax.tree.map(lambda leaf: leaf[0], chunks)
    nothing = _zeros(eqx.filter_eval_shape(summed, trained, one))
    total, _ = jax.lax.scan(sum_up, nothing, chunks)
    # Channels that are counted have nothing to differentiate and are summed at once.
    counted = templates_of_counted(dataset) if needs_model(objective) else {}
    result, cotangent = eqx.filter_value_and_grad(number)(total)
    gradient, _ = jax.lax.scan(pull_back, _zeros(trained), chunks)
    return result, gradient


def _in_chunks(dataset: Dataset, chunk: int) -> Dataset:
    """Every array with a leading axis of chunks, filled up with events of weight 0."""
    samples = [events for _, events in dataset.samples()]
    chunks = max(-(-len(events) // chunk) for events in samples)

    def fold(leaf: Array, mode: str) -> Array:
        widths = [(0, -len(leaf) % chunks)] + [(0, 0)] * (leaf.ndim - 1)
        return jnp.pad(leaf, widths, mode=mode).reshape(chunks, -1, *leaf.shape[1:])

    def cut(events: Events | Array) -> Events | Array:
        # Of a variation of the weights alone there are no more than these.
        if not isinstance(events, Events):
            return fold(events, "constant")
        return eqx.tree_at(
            lambda e: (e.features, e.weights, e.index),
            events,
            (
                fold(events.features, "edge"),
                fold(events.weights, "constant"),
                fold(events.index, "edge"),
            ),
        )

    return jax.tree.map(cut, dataset, is_leaf=lambda node: isinstance(node, Events))


def _add(total: PyTree, term: PyTree) -> PyTree:
    return jax.tree.map(jnp.add, total, term)


def _zeros(like: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)
