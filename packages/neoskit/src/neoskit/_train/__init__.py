"""Training: stages, a jitted step, its loop, checkpoints, cross-fitting."""

from .checkpoint import (
    load_checkpoint as load_checkpoint,
)
from .checkpoint import (
    save_checkpoint as save_checkpoint,
)
from .cross_fit import cross_fit as cross_fit
from .keep import AbstractKeep as AbstractKeep
from .keep import KeepAverage as KeepAverage
from .keep import KeepBest as KeepBest
from .keep import KeepLast as KeepLast
from .loop import Training as Training
from .loop import TrainingFailed as TrainingFailed
from .loop import train as train
from .schedules import anneal as anneal
from .stage import Stage as Stage
from .stage import adam as adam
from .stage import recipe as recipe
from .state import TrainState as TrainState
from .state import initial_state as initial_state
