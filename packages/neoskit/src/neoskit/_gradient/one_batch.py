"""The gradient over one batch, or over all events where they fit into memory."""

import equinox as eqx

from .._custom_types import Scalar
from .._events import Dataset
from .._objectives import Objective
from .._pipeline import Pipeline, trained_leaves
from .loss import AbstractEventObjective, loss


def value_and_gradient(
    pipeline: Pipeline, dataset: Dataset, objective: Objective | AbstractEventObjective
) -> tuple[Scalar, Pipeline]:
    """The objective and its gradient with respect to all that is trained.

    Args:
        pipeline: whose observable and learned edges are differentiated.
        dataset: the events, all at once.
        objective: of the model or of the events.

    Returns:
        The value, and a pipeline that holds the derivatives (`None` where nothing is
        trained).
    """
    # Only what is trained is differentiated: derivatives of fixed arrays cost as much.
    trained, rest = eqx.partition(pipeline, trained_leaves(pipeline))
    return eqx.filter_value_and_grad(
        lambda part: loss(eqx.combine(part, rest), dataset, objective)
    )(trained)
