"""Derivatives of an objective with respect to a pipeline: one batch, or by chunks."""

from .chunked import value_and_gradient_chunked as value_and_gradient_chunked
from .loss import (
    AbstractEventObjective as AbstractEventObjective,
)
from .loss import (
    BinaryCrossEntropy as BinaryCrossEntropy,
)
from .loss import (
    binary_cross_entropy as binary_cross_entropy,
)
from .loss import (
    loss as loss,
)
from .one_batch import value_and_gradient as value_and_gradient
