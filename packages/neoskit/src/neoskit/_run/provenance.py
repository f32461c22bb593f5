"""All that a run depends on, and what of it is no longer as it was."""

import datetime
import hashlib
import importlib.metadata
import os
import platform
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._events import Dataset, Events, StoredSample
from .builders import files
from .config import FilesTable, PythonTable, RunConfig, config_document

_PACKAGES = (
    *("neoskit", "relaxed", "fitkit", "jax", "jaxlib", "equinox", "optax"),
    *("optimistix", "lineax", "numpy", "scipy", "uproot", "pyarrow", "numexpr"),
)
# How often a state is written changes no number of it.
_WITHOUT_EFFECT = ("training.checkpoint_every",)


def provenance(config: RunConfig, base: Path, dataset: Dataset) -> dict[str, Any]:
    """What is needed, with the description, to have the same numbers again.

    Args:
        config: the description.
        base: the folder that its paths are relative to.
        dataset: the events that were read.

    Returns:
        A document: versions and machine, seeds, and digests of the files that were read
        and of the events that came out of them, sample by sample.
    """
    return {
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "host": socket.gethostname(),
        "versions": versions(),
        "seeds": {
            "training": config.training.seeds,
            "split": config.split.seed,
            "source": getattr(config.source, "seed", None),
        },
        "files": dict(_files(config, base)),
        "events": {str(key): _digest_of(events) for key, events in dataset.samples()},
    }


def versions() -> dict[str, str]:
    """Of every package that a number goes through, of Python and of the machine."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of an extra that is not installed, and so not used
    device = jax.devices()[0]
    return found | {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        # Sums are shared out among cores, and rounded as they are shared out.
        "device": f"{device.platform} {device.device_kind}, {os.cpu_count()} cores",
    }


def changed_inputs(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The files that are no longer the same; if all are, the samples of events."""
    changed = []
    for path in dict.fromkeys((*before["files"], *now["files"])):
        old, new = before["files"].get(path), now["files"].get(path)
        if old != new:
            what = "is new" if old is None else "is gone" if new is None else "differs"
            changed.append(f"the file {path} {what}")
    if changed:
        return changed
    for key in dict.fromkeys((*before["events"], *now["events"])):
        if before["events"].get(key) != now["events"].get(key):
            changed.append(f"the events of {key} differ")
    return changed


def changed_versions(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What has another version than when the run began."""
    old, new = before["versions"], now["versions"]
    return [
        f"{name} {old.get(name, 'not installed')} → {new.get(name, 'not installed')}"
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]


def changed_keys(before: RunConfig, now: RunConfig) -> list[str]:
    """The keys of two descriptions that make other numbers, with both values."""
    old, new = (
        dict(_leaves(config_document(before))),
        dict(_leaves(config_document(now))),
    )
    return [
        f"`{key}` {old.get(key, 'not given')} → {new.get(key, 'not given')}"
        for key in dict.fromkeys((*old, *new))
        if old.get(key) != new.get(key) and key not in _WITHOUT_EFFECT
    ]


def _leaves(tree: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping) and tree:
        for key, branch in tree.items():
            yield from _leaves(branch, f"{above}.{key}" if above else str(key))
    elif isinstance(tree, list) and any(isinstance(item, dict) for item in tree):
        for i, branch in enumerate(tree):
            yield from _leaves(branch, f"{above}.{i}")
    else:
        yield above, tree


def _files(config: RunConfig, base: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    source = config.source
    paths: list[Path] = []
    if isinstance(source, PythonTable):
        paths = [base / source.file]
    elif isinstance(source, FilesTable):
        paths = [path for _, path, _ in files.entries(config, base)]
        # Of recorded events the bytes alone: no event of them is read.
        paths += files.check_data(config, base)
    for path in dict.fromkeys(path.resolve() for path in paths):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        yield str(path), {"bytes": path.stat().st_size, "sha256": digest}


def _digest_of(events: Events | StoredSample) -> str:
    if isinstance(events, StoredSample):
        return events.digest()
    digest = hashlib.sha256()
    for array in (events.features, events.weights, events.index):
        plain = np.ascontiguousarray(array)
        digest.update(f"{plain.dtype.str}{plain.shape}".encode())
        digest.update(plain.data)
    return digest.hexdigest()
