"""HistFactory JSON documents: the only place that knows files and JSON paths."""

from .archive import Archive as Archive
from .archive import read_archive as read_archive
from .choices import UNSET as UNSET
from .combine import combine as combine
from .digest import digest as digest
from .error import WorkspaceError as WorkspaceError
from .findings import Finding as Finding
from .findings import FindingGroup as FindingGroup
from .findings import Findings as Findings
from .names import prune as prune
from .names import rename as rename
from .patchset import Patch as Patch
from .patchset import PatchSet as PatchSet
from .patchset import read_patchset as read_patchset
from .read import read_workspace as read_workspace
from .validate import validate as validate
from .write import write_workspace as write_workspace
