"""The exact gradient over events on disk, in the memory of one chunk.

The two passes of the gradient by chunks, each a sum over the chunks that may be made
here or on many machines: neither the sums nor the gradient depend on where.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import relaxed

from .._custom_types import Scalar
from .._events import Dataset, StoredDataset, StoredProcess, StoredSample
from .._pipeline import Pipeline
from .._templates import ProcessTemplates, Template, Templates
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


def of_stored(
    pipeline: Pipeline,
    dataset: StoredDataset,
    objective: AnyObjective,
    chunk: int | None,
    model_of: ModelOf | None,
    logarithm: bool,
) -> tuple[Scalar, Trained]:
    """The objective or its logarithm, and the gradient of all that is trained.

    Args:
        pipeline: whose observable and learned edges are differentiated.
        dataset: the events.
        objective: of the model, of the events, or a sum of such.
        chunk: events of the largest sample in memory together; the dataset's own number
            if not given.
        model_of: makes the model of the templates; the measurement's own by default.
        logarithm: whether it is the logarithm.
    """
    model_of = pipeline.measurement.model if model_of is None else model_of
    chunks = dataset.chunks(chunk, counted=False)
    summed = dataset.summation.sum(forward, (pipeline, objective), chunks)
    counted = counted_templates(dataset) if needs_model(objective) else {}
    number, cotangent = _of_sums(summed, counted, objective, model_of, logarithm)
    given = (pipeline, objective, cotangent)
    gradient = dataset.summation.sum(pull_back, given, chunks)
    # From another process the functions within come back as other objects.
    structure = jax.tree.structure(trained_part(pipeline, objective)[0])
    return number, jax.tree.unflatten(structure, jax.tree.leaves(gradient))


def value_of_stored(
    pipeline: Pipeline, dataset: StoredDataset, objective: AnyObjective
) -> Scalar:
    """The objective of the smooth model, of the events, or of both."""
    chunks = dataset.chunks(counted=False)
    summed = dataset.summation.sum(forward, (pipeline, objective), chunks)
    counted = counted_templates(dataset) if needs_model(objective) else {}
    summed = summed._replace(templates={**summed.templates, **counted})
    return value(summed, objective, pipeline.measurement.model)


@eqx.filter_jit
def forward(given: tuple[Pipeline, AnyObjective], events: Dataset) -> Sums:
    """What the objective is made from, of one chunk."""
    pipeline, objective = given
    # A program that could raise would wait for Python, which reads the next chunk.
    with relaxed.errors_as_nan():
        return sums(pipeline, events, objective)


@eqx.filter_jit
def pull_back(given: tuple[Pipeline, AnyObjective, Sums], events: Dataset) -> Trained:
    """What one chunk adds to the gradient, of what its sums are worth."""
    pipeline, objective, cotangent = given
    trained, rest = trained_part(pipeline, objective)

    def summed(part: Trained) -> Sums:
        ours, theirs = combined(part, rest)
        with relaxed.errors_as_nan():
            return sums(ours, events, theirs)

    _, pull = eqx.filter_vjp(summed, trained)
    return pull(jax.tree.map(jnp.asarray, cotangent))[0]


@eqx.filter_jit
def _of_sums(
    summed: Sums,
    counted: Templates,
    objective: AnyObjective,
    model_of: ModelOf,
    logarithm: bool,
) -> tuple[Scalar, Sums]:
    def number(summed: Sums) -> Scalar:
        everything = {**summed.templates, **counted}
        found = value(summed._replace(templates=everything), objective, model_of)
        return jnp.log(found) if logarithm else found

    return eqx.filter_value_and_grad(number)(jax.tree.map(jnp.asarray, summed))


def counted_templates(dataset: StoredDataset) -> Templates:
    """The templates of the channels that are only counted, from what is known."""
    dataset.check_unchanged("value_and_gradient_chunked")
    channels = dataset.channels
    return {
        channel: {
            name: _counted(process) for name, process in channels[channel].items()
        }
        for channel in dataset.counted
    }


def _counted(process: StoredProcess) -> ProcessTemplates:
    def template(sample: StoredSample) -> Template:
        sums = sample.sums
        return Template(
            np.array([sums.positive + sums.negative]),
            np.array([sums.positive_squares + sums.negative_squares]),
        )

    return ProcessTemplates(
        template(process.nominal),
        {
            name: (template(up), template(down))
            for name, (up, down) in process.variations.items()
        },
    )
