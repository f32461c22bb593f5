"""Training: a jitted step, its loop, schedules, checkpoints, cross-fitting."""

from .checkpoint import (
    load_checkpoint as load_checkpoint,
)
from .checkpoint import (
    save_checkpoint as save_checkpoint,
)
from .cross_fit import cross_fit as cross_fit
from .loop import Training as Training
from .loop import TrainingFailed as TrainingFailed
from .loop import train as train
from .schedules import anneal as anneal
from .state import TrainState as TrainState
from .state import initial_state as initial_state
