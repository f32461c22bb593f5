"""Derivatives of an objective with respect to a pipeline: one batch, or by chunks."""

from .adversary import AdversarialCrossEntropy as AdversarialCrossEntropy
from .chunked import of_chunks as of_chunks
from .chunked import value_and_gradient_chunked as value_and_gradient_chunked
from .event_objective import AbstractEventObjective as AbstractEventObjective
from .event_objective import BinaryCrossEntropy as BinaryCrossEntropy
from .event_objective import binary_cross_entropy as binary_cross_entropy
from .loss import AnyObjective as AnyObjective
from .loss import loss as loss
from .loss import needs_model as needs_model
from .loss import statistics_for as statistics_for
from .loss import trained_of as trained_of
from .one_batch import of_batch as of_batch
from .one_batch import value_and_gradient as value_and_gradient
from .stored import of_stored as of_stored
from .stored import value_of_stored as value_of_stored
from .training_model import PseudoEvents as PseudoEvents
from .training_model import TrainingModel as TrainingModel
from .training_model import pseudo_events as pseudo_events
