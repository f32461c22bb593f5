"""A description's names → the objects that they stand for."""

from .dataset import absolute as absolute
from .dataset import build_dataset as build_dataset
from .dataset import build_observed as build_observed
from .described import check_described as check_described
from .measurement import build_measurement as build_measurement
from .pipeline import OBJECTIVES as OBJECTIVES
from .pipeline import build_bandwidth as build_bandwidth
from .pipeline import build_optimiser as build_optimiser
from .pipeline import build_pipeline as build_pipeline
