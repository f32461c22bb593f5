"""The histograms that HistFactory XML names, from ROOT files."""

from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
from jaxtyping import Float

from ..._model.parameters import hint
from ..._workspace.error import WorkspaceError
from .nodes import Node


@final
class Histogram(NamedTuple):
    """One histogram, without under- and overflow.

    Attributes:
        values: contents, `[bins]`.
        errors: their absolute errors, the root of the sum of squared weights.
    """

    values: Float[np.ndarray, " bins"]
    errors: Float[np.ndarray, " bins"]


@final
class Histograms:
    """Reads histograms; each file is opened once, and closed at the end.

    Args:
        folders: where paths that are not absolute may start, in turn.
    """

    def __init__(self, folders: list[Path]):
        self._folders = folders
        self._open: dict[Path, tuple[Any, list[str]]] = {}

    def __enter__(self) -> "Histograms":
        return self

    def __exit__(self, *error: object) -> None:
        for file, _ in self._open.values():
            file.close()

    def path(self, name: str, node: Node) -> Path:
        """The file of a name.

        Raises:
            WorkspaceError: where there is none, with where it was sought.
        """
        tried = [Path(name)] if Path(name).is_absolute() else []
        tried += [folder / name for folder in self._folders if not tried]
        for path in tried:
            try:
                if path.is_file():
                    return path
            except (OSError, ValueError):  # a name that no file can have
                continue
        raise node.fault(
            f"names the file {name!r}, which is not there. It was sought as "
            f"{', '.join(map(str, dict.fromkeys(tried)))}. `folder=` gives another "
            "start."
        )

    def get(self, node: Node, file: str, folder: str, name: str) -> Histogram:
        """A histogram.

        Args:
            node: the element that names it, for messages.
            file: the ROOT file.
            folder: inside of it.
            name: of the histogram.

        Raises:
            WorkspaceError: where it is not there, or is none.
        """
        if not file or not name:
            missing = "InputFile" if name else "HistoName"
            raise node.fault(f"needs an attribute {missing!r}. Add it.")
        path = self.path(file, node)
        content, names = self._opened(path, node)
        inside = "/".join(part for part in (folder.strip("/"), name) if part)
        found = next((n for n in (inside, name.strip("/")) if n in names), None)
        if found is None:
            raise node.fault(
                f"names the histogram {inside!r}, which {path} does not have. "
                f"{hint(inside, names)}"
            )
        # uproot raises whatever a broken file leads to.
        try:
            histogram = content[found]
            values = np.asarray(histogram.values(flow=False), dtype=float)
            variances = histogram.variances(flow=False)
        except Exception as error:
            raise node.fault(
                f"names {found!r} of {path}, which is no histogram that can be read "
                f"({_brief(error)}). Give a TH1."
            ) from error
        variances = values if variances is None else np.asarray(variances, dtype=float)
        errors = np.sqrt(np.maximum(variances, 0.0))
        return Histogram(values.reshape(-1), errors.reshape(-1))

    def _opened(self, path: Path, node: Node) -> tuple[Any, list[str]]:
        if path not in self._open:
            try:
                import uproot
            except ImportError:
                raise WorkspaceError(
                    "HistFactory XML has its histograms in ROOT files: install "
                    "`fitkit[root]`, which reads them with uproot."
                ) from None
            try:
                file = uproot.open(path)
                names = file.keys(cycle=False)
            except Exception as error:  # whatever a broken file leads to
                raise node.fault(
                    f"names {path}, which is no ROOT file that can be read "
                    f"({_brief(error)}). Get it again."
                ) from error
            self._open[path] = file, names
        return self._open[path]


def _brief(error: Exception) -> str:
    """The kind of an error, and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return ": ".join([type(error).__name__, *lines[:1]])
