"""One look at a training, and its file."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from ..._atomic import write_atomically
from ..._events import SampleKey
from ..._templates import ProcessTemplates, Template, Templates
from ..writing import writing
from .plane import Plane


@dataclass(frozen=True)
class Snapshot:
    """What a training was like after some steps.

    Args:
        step: how many were done.
        stage: in which stage, from 0.
        templates: hard, of the events that judge.
        edges: of the bins; `None` where the observable has none.
        places: of `Plane.places`.
    """

    step: int
    stage: int
    templates: Templates
    edges: Float[np.ndarray, " edges"] | None
    places: Int[np.ndarray, "pairs y x"]

    def __add__(self, other: "Snapshot") -> "Snapshot":
        """Of two folds: their templates add up."""
        both = jax.tree.map(np.add, self.templates, other.templates)
        return Snapshot(self.step, self.stage, both, self.edges, self.places)

    def save(self, folder: Path) -> Path:
        """Writes it into a folder under the name of its step."""
        keys, samples = [], []
        for channel, processes in self.templates.items():
            for name, process in processes.items():
                sides = [("", process.nominal)]
                for systematic, (up, down) in process.variations.items():
                    sides += [(f"{systematic}:up", up), (f"{systematic}:down", down)]
                keys += [[channel, name, shift] for shift, _ in sides]
                samples += [template for _, template in sides]
        arrays = {
            "step": self.step,
            "stage": self.stage,
            "samples": _text(keys),
            "bins": [len(template.yields) for template in samples],
            "yields": np.concatenate([t.yields for t in samples]),
            "variance": np.concatenate([t.variance for t in samples]),
            "edges": np.zeros(0) if self.edges is None else self.edges,
            "places": self.places,
        }
        return _write(folder / f"{self.step:07d}.npz", arrays)

    @classmethod
    def read(cls, file: Path) -> "Snapshot":
        """What `save` wrote."""
        with np.load(file, allow_pickle=False) as arrays:
            ends = np.cumsum(arrays["bins"])[:-1]
            yields = np.split(arrays["yields"], ends)
            variance = np.split(arrays["variance"], ends)
            keys = [SampleKey(*key) for key in _read_text(arrays["samples"])]
            found = dict(zip(keys, map(Template, yields, variance), strict=True))
            edges = arrays["edges"]
            return cls(
                int(arrays["step"]),
                int(arrays["stage"]),
                _nested(found),
                edges if len(edges) else None,
                arrays["places"],
            )


def _nested(found: dict[SampleKey, Template]) -> Templates:
    templates: Templates = {}
    for key, template in found.items():
        if not key.shift:
            made = ProcessTemplates(template, {})
            templates.setdefault(key.channel, {})[key.process] = made
        elif key.shift.endswith(":up"):
            name = key.shift.removesuffix(":up")
            down = found[key._replace(shift=f"{name}:down")]
            templates[key.channel][key.process].variations[name] = (template, down)
    return templates


def save_plane(plane: Plane, folder: Path) -> Path:
    """Writes the planes that all snapshots of a folder are of."""
    arrays = {
        "names": _text(plane.names),
        "axes": plane.axes,
        "columns": plane.columns,
        "middle": plane.middle,
        "samples": _text(list(plane.samples)),
        "events": [len(rows) for rows in plane.samples.values()],
        "rows": np.concatenate(list(plane.samples.values())).astype(np.float32),
    }
    return _write(folder / "plane.npz", arrays)


def read_plane(folder: Path) -> Plane | None:
    """The planes of the snapshots in a folder, if there are any."""
    if not (folder / "plane.npz").is_file():
        return None
    with np.load(folder / "plane.npz", allow_pickle=False) as arrays:
        keys = [SampleKey(*key) for key in _read_text(arrays["samples"])]
        rows = np.split(arrays["rows"], np.cumsum(arrays["events"])[:-1])
        return Plane(
            tuple(_read_text(arrays["names"])),
            arrays["axes"],
            tuple(int(column) for column in arrays["columns"]),
            arrays["middle"],
            dict(zip(keys, rows, strict=True)),
        )


def read_snapshots(folder: Path) -> list[Snapshot]:
    """All snapshots in a folder, in the order of their steps."""
    files = [file for file in folder.glob("*.npz") if file.name != "plane.npz"]
    return [Snapshot.read(file) for file in sorted(files)]


def _write(file: Path, arrays: dict[str, Any]) -> Path:
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, content.getvalue())
    return file


def _text(values: Any) -> np.ndarray:
    # As bytes of JSON: an array of objects would have to be pickled.
    return np.frombuffer(json.dumps(values).encode(), np.uint8)


def _read_text(array: np.ndarray) -> Any:
    return json.loads(array.tobytes().decode())
