"""Events that stay on disk: written once, then looked at part by part."""

from .chunks import Chunks as Chunks
from .dataset import CHUNK as CHUNK
from .dataset import StoredDataset as StoredDataset
from .dataset import StoredProcess as StoredProcess
from .dataset import few_events as few_events
from .sample import StoredSample as StoredSample
from .sample import SumsOfWeights as SumsOfWeights
from .summation import AbstractSummation as AbstractSummation
from .summation import InThisProcess as InThisProcess
