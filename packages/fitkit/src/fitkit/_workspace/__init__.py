"""HistFactory JSON documents: the only place that knows files and JSON paths."""

from .read import UNSET as UNSET
from .read import read_workspace as read_workspace
from .schema import WorkspaceError as WorkspaceError
from .write import write_workspace as write_workspace
