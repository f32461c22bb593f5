"""Patterns → the files that they name."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from ..nearest import near

_WILD = "*?["


def find(
    patterns: str | os.PathLike | Sequence[str | os.PathLike], folder: Path = Path()
) -> list[Path]:
    """The files that patterns such as `"ztt_*.parquet"` name, in the order of names.

    Args:
        patterns: one or several; without `*`, `?` and `[` one names one file. `**`
            stands for any folders.
        folder: what a pattern that is not absolute starts from.

    Raises:
        FileNotFoundError: a pattern names no file; near ones are named.
        ValueError: a file is named twice, and its events would count twice.
    """
    if isinstance(patterns, str | os.PathLike):
        patterns = [patterns]
    found: list[Path] = []
    for pattern in patterns:
        found += _matching(folder / os.fspath(pattern), pattern)
    if not found:
        raise ValueError("No file is named.")
    twice = [path for i, path in enumerate(found) if path in found[:i]]
    if twice:
        raise ValueError(
            f"{twice[0]} is named twice: its events would count twice. Make the "
            "patterns exclude each other."
        )
    return found


def _matching(path: Path, written: str | os.PathLike) -> list[Path]:
    # A name with brackets in it may well be a file's own.
    if path.is_file():
        return [path]
    if path.is_dir():
        raise FileNotFoundError(
            f"{path} is a folder. Name its files, as in `{path}/*.root`."
        )
    if any(sign in os.fspath(written) for sign in _WILD):
        paths = [Path(p) for p in sorted(glob.glob(str(path), recursive=True))]
        if paths:
            return [p for p in paths if p.is_file()]
        what = f"No file matches {path}."
    else:
        what = f"No file {path}."
    raise FileNotFoundError(what + _hint(path))


def _hint(path: Path) -> str:
    start = "" if path.is_absolute() else f" (The current folder is {Path.cwd()}.)"
    folder = path.parent
    if any(sign in str(folder) for sign in _WILD):
        return start
    if not folder.is_dir():
        return f" There is no folder {folder}.{start}"
    names = sorted(p.name for p in folder.iterdir() if p.is_file())
    return f"{near(path.name, names)}{start}"
