"""A temporary folder for as long as somebody refers to it."""

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any, final


@final
class TemporaryFolder:
    """A folder that is removed with the last object that has it, or at the end.

    Args:
        prefix: of its name.
        within: the folder that it is in; that of the system if not given.
    """

    def __init__(self, prefix: str, within: str | os.PathLike | None = None):
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=within))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def __reduce__(self) -> tuple[Any, ...]:
        # In another process it is nobody's to remove.
        return type(None), ()
