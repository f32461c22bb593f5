"""HistFactory JSON documents: the only place that knows files and JSON paths."""

from .archive import Archive as Archive
from .archive import read_archive as read_archive
from .combine import combine as combine
from .combine import digest as digest
from .combine import prune as prune
from .combine import rename as rename
from .patchset import Patch as Patch
from .patchset import PatchSet as PatchSet
from .patchset import read_patchset as read_patchset
from .read import read_workspace as read_workspace
from .schema import WorkspaceError as WorkspaceError
from .to_model import UNSET as UNSET
from .validate import Finding as Finding
from .validate import validate as validate
from .write import write_workspace as write_workspace
