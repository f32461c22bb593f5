"""A description's names → the objects that they stand for."""

from .dataset import absolute as absolute
from .dataset import build_dataset as build_dataset
from .dataset import build_observed as build_observed
from .described import check_described as check_described
from .measurement import build_measurement as build_measurement
from .pipeline import build_pipeline as build_pipeline
from .training import build_keep as build_keep
from .training import build_stages as build_stages
from .training import stage_tables as stage_tables
