"""A run's results as files of others, in the folder of their seed."""

from collections.abc import Callable, Sequence
from pathlib import Path

from .._events import Dataset
from .._export import (
    export_hepdata,
    export_onnx,
    export_root,
    export_stablehlo,
    export_uhi,
    export_workspace,
)
from .._pipeline import AbstractPipeline
from .folder import RunFolder

# Each writes what is called so below the folder of the seed.
_WRITERS: dict[str, Callable[[Path, AbstractPipeline, Dataset], Path]] = {
    "workspace": lambda folder, pipeline, events: export_workspace(
        folder / "workspace.json", pipeline, events
    ),
    "root": lambda folder, pipeline, events: export_root(
        folder / "templates.root", pipeline, events
    ),
    "uhi": lambda folder, pipeline, events: export_uhi(
        folder / "templates.json", pipeline, events
    ),
    "hepdata": lambda folder, pipeline, events: export_hepdata(
        folder / "hepdata", pipeline, events
    ),
    "observable": lambda folder, pipeline, events: export_stablehlo(
        folder / "observable", pipeline, events.feature_names
    ),
    "onnx": lambda folder, pipeline, events: export_onnx(
        folder / "observable", pipeline, events.feature_names
    ),
}

KINDS = tuple(_WRITERS)
"""What can be written."""


def export_seed(
    folder: RunFolder,
    seed: int,
    pipeline: AbstractPipeline,
    judges: Dataset,
    kinds: Sequence[str],
) -> list[Path]:
    """Writes one seed as files of others.

    Args:
        folder: The run.
        seed: Which.
        pipeline: With the bins that its numbers are quoted from.
        judges: The events that judge it: all templates are made of them.
        kinds: Some of `KINDS`.

    Returns:
        What was written, in the order of `KINDS`.
    """
    place = folder.of_seed(seed)
    written = []
    for kind in KINDS:
        if kind in kinds:
            written.append(_WRITERS[kind](place, pipeline, judges))
    if "workspace" in kinds and seed == folder.seeds[0]:
        folder.workspace.write_bytes((place / "workspace.json").read_bytes())
    return written
