"""Events: samples and channels, parts of them, and where they come from."""

from .blobs import gaussian_blobs as gaussian_blobs
from .dataset import Dataset as Dataset
from .dataset import SampleKey as SampleKey
from .events import Events as Events
from .inferno import inferno_synthetic as inferno_synthetic
from .process import Process as Process
from .read import read_columns as read_columns
from .read import read_csv as read_csv
from .read import read_parquet as read_parquet
from .read import read_root as read_root
from .split import batch as batch
from .split import batches as batches
from .split import fold_of as fold_of
from .split import hash_of_index as hash_of_index
from .split import keep_only as keep_only
from .split import leave_out as leave_out
from .split import lengths_of_folds as lengths_of_folds
from .split import padded as padded
from .split import split as split
from .split import sums_of_weights as sums_of_weights
from .stored import AbstractSummation as AbstractSummation
from .stored import Chunks as Chunks
from .stored import StoredDataset as StoredDataset
from .stored import StoredProcess as StoredProcess
from .stored import StoredSample as StoredSample
from .view import Missing as Missing
