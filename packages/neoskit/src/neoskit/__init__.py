"""Train an analysis end to end on the expected result of its measurement."""

import importlib.metadata

from ._events import (
    Dataset as Dataset,
    Events as Events,
    Process as Process,
    SampleKey as SampleKey,
    fold_of as fold_of,
    keep_only as keep_only,
    leave_out as leave_out,
    split as split,
)
from ._sources.blobs import gaussian_blobs as gaussian_blobs
from ._sources.inferno import inferno_synthetic as inferno_synthetic
from ._sources.root import read_columns as read_columns, read_root as read_root

__version__ = importlib.metadata.version("neoskit")
