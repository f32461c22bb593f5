"""How a training went: the looks at it, and the numbers of its steps."""

import base64
import math
from pathlib import Path
from typing import Any

import numpy as np

from .._run.snapshots import Plane, Snapshot, read_plane, read_snapshots
from .._templates import ProcessTemplates
from .plain import rounded

CURVES = ("expected_cls", "upper_limit", "poi_uncertainty", "significance", "loss")
"""The numbers of `metrics.jsonl` that are followed, in the order of the page."""


def training(
    folder: Path, metrics: list[dict[str, Any]], seed: int, signals: tuple[str, ...]
) -> dict[str, Any]:
    """What the page shows of the training of one seed.

    Args:
        folder: of the seed.
        metrics: all lines of the run.
        seed: which.
        signals: the processes that are signal.
    """
    lines = [line for line in metrics if line.get("seed") == seed]
    of_all = [line for line in lines if "fold" not in line]
    plane = read_plane(folder / "snapshots")
    frames = [
        _frame(shot, of_all, signals) for shot in read_snapshots(folder / "snapshots")
    ]
    return {
        "curves": _curves(lines),
        "frames": frames,
        "plane": None if plane is None else _plane(plane, signals),
    }


def _curves(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """For each number its steps and values; one that did not exist is `None`."""
    curves = {}
    for name in CURVES:
        # With folds the loss is that of the first one; all else is of all together.
        having = [line for line in lines if name in line and line.get("fold", 0) == 0]
        if having:
            curves[name] = {
                "steps": [line["step"] for line in having],
                "values": [line[name] for line in having],
            }
    return curves


def _frame(
    shot: Snapshot, lines: list[dict[str, Any]], signals: tuple[str, ...]
) -> dict[str, Any]:
    numbers = next((line for line in lines if line["step"] == shot.step), {})
    return {
        "step": shot.step,
        "stage": shot.stage,
        # As they stand in `metrics.jsonl`, to the last digit.
        "numbers": {name: numbers[name] for name in CURVES if name in numbers},
        "edges": None if shot.edges is None else rounded(shot.edges),
        "channels": {
            channel: stack(processes, signals)
            for channel, processes in shot.templates.items()
        },
        "places": base64.b64encode(shot.places.astype("<i2").tobytes()).decode(),
    }


def stack(
    processes: dict[str, ProcessTemplates], signals: tuple[str, ...]
) -> dict[str, Any]:
    """Yields by process, and how uncertain the background of each bin is.

    Shifts of different systematics and the finite samples are independent: their
    squares add up.
    """
    background = {n: p for n, p in processes.items() if n not in signals}
    bins = len(next(iter(processes.values())).nominal.yields)
    down = up = np.sum([p.nominal.variance for p in background.values()], axis=0)
    down, up = np.broadcast_to(down, bins), np.broadcast_to(up, bins)
    for systematic in {s for p in background.values() for s in p.variations}:
        sides = np.zeros((2, bins))
        for process in background.values():
            if systematic in process.variations:
                sides += [
                    np.asarray(side.yields) - np.asarray(process.nominal.yields)
                    for side in process.variations[systematic]
                ]
        up = up + np.maximum(sides.max(0), 0) ** 2
        down = down + np.maximum(-sides.min(0), 0) ** 2
    return {
        "yields": {n: rounded(p.nominal.yields) for n, p in processes.items()},
        "band": [rounded(np.sqrt(down)), rounded(np.sqrt(up))],
    }


def _plane(plane: Plane, signals: tuple[str, ...]) -> dict[str, Any]:
    # Of many samples fewer events each: the picture has room for so many dots.
    most = max(60, math.ceil(1500 / max(1, len(plane.samples))))
    return {
        "names": list(plane.names),
        "axes": [rounded(axis, 5) for axis in plane.axes],
        "pairs": [list(pair) for pair in plane.pairs],
        "slices": len(plane.middle) > 2,
        "samples": [
            {
                "process": key.process,
                "channel": key.channel,
                "shift": key.shift,
                "signal": key.process in signals,
                "features": [rounded(column, 4) for column in rows[:most].T],
            }
            for key, rows in plane.samples.items()
        ],
    }
