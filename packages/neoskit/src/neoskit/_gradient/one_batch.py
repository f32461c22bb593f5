"""The gradient over one batch, or over all events where they fit into memory."""

import equinox as eqx
import jax.numpy as jnp

from .._custom_types import Scalar
from .._events import Dataset
from .._pipeline import Pipeline
from .loss import AnyObjective, ModelOf, Trained, combined, loss, trained_part


def value_and_gradient(
    pipeline: Pipeline,
    dataset: Dataset,
    objective: AnyObjective,
    *,
    model_of: ModelOf | None = None,
) -> tuple[Scalar, Pipeline]:
    """The objective and its gradient with respect to all that is trained.

    Args:
        pipeline: whose observable and learned edges are differentiated.
        dataset: the events, all at once.
        objective: of the model, of the events, or a sum of such.
        model_of: makes the model of the templates; the measurement's own by default.

    Returns:
        The value, and a pipeline that holds the derivatives (`None` where nothing is
        trained).
    """
    value, (gradient, _) = of_batch(pipeline, dataset, objective, model_of, False)
    return value, gradient


def of_batch(
    pipeline: Pipeline,
    dataset: Dataset,
    objective: AnyObjective,
    model_of: ModelOf | None,
    logarithm: bool,
) -> tuple[Scalar, Trained]:
    """The same, or of the logarithm, with what the objective itself trains, too."""
    trained, rest = trained_part(pipeline, objective)

    def number(part: Trained) -> Scalar:
        ours, theirs = combined(part, rest)
        found = loss(ours, dataset, theirs, model_of=model_of)
        # Here, in float64: a gradient of 1e-40 is none in the network's float32.
        return jnp.log(found) if logarithm else found

    return eqx.filter_value_and_grad(number)(trained)
