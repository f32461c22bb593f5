"""What came out: templates with their variations, yields, soft versus hard."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._custom_types import Yields
from .._events import Dataset
from .._pipeline import AbstractPipeline
from .._results import Evaluation
from .._results.numbers import NUMBERS, medians_of
from .._templates import Template, Templates
from .plain import rounded
from .training import stack


def templates(found: Templates, signals: tuple[str, ...]) -> dict[str, Any]:
    """By channel and process the nominal template and its variations."""

    def of(template: Template) -> dict[str, Any]:
        return {
            "yields": rounded(template.yields),
            "errors": rounded(np.sqrt(np.asarray(template.variance))),
        }

    return {
        channel: {
            "stack": stack(processes, signals),
            "processes": {
                name: {
                    **of(process.nominal),
                    "variations": {
                        systematic: {"up": of(up), "down": of(down)}
                        for systematic, (up, down) in process.variations.items()
                    },
                }
                for name, process in processes.items()
            },
        }
        for channel, processes in found.items()
    }


def yields(
    hard: Templates, raw_counts: dict[str, dict[str, Yields]], signals: tuple[str, ...]
) -> list[dict[str, Any]]:
    """A row for each process of each channel: yield, error, events."""
    rows = []
    for channel, processes in hard.items():
        for name, process in processes.items():
            total = float(np.sum(process.nominal.yields))
            variance = float(np.sum(process.nominal.variance))
            rows.append(
                {
                    "channel": channel,
                    "process": name,
                    "signal": name in signals,
                    "yield": rounded(total),
                    "error": rounded(np.sqrt(variance)),
                    "raw": rounded(np.sum(raw_counts[channel][name])),
                    "effective": rounded(total**2 / variance if variance else 0.0, 4),
                    "shifts": {
                        systematic: [
                            rounded(float(np.sum(side.yields)) - total)
                            for side in sides
                        ]
                        for systematic, sides in process.variations.items()
                    },
                }
            )
    return rows


def numbers(
    evaluation: Evaluation, errors: Mapping[str, float | None]
) -> dict[str, Any]:
    """The headline numbers with bands and errors, and why one does not exist."""
    return {
        "errors": {name: rounded(e) for name, e in errors.items() if e is not None},
        "medians": {name: _plain(v) for name, v in evaluation.numbers.items()},
        "cls": [_plain(value) for value in evaluation.cls],
        "upper_limit": [_plain(value) for value in evaluation.upper_limit],
        "missing": evaluation.missing,
        "mu": evaluation.mu,
        "poi": evaluation.model.poi,
    }


def no_numbers(why: str, poi: str) -> dict[str, Any]:
    """The same, and the fit, where nothing may be quoted."""
    return {
        "numbers": {
            "errors": {},
            "medians": dict.fromkeys(NUMBERS),
            "cls": [None] * 5,
            "upper_limit": [None] * 5,
            "missing": {"result": why},
            "mu": 1.0,
            "poi": poi,
        },
        "fit": {"missing": why},
    }


def soft_versus_hard(
    pipeline: AbstractPipeline, judges: Dataset, signals: tuple[str, ...]
) -> dict[str, Any]:
    """The bins that a training sees beside those that are measured.

    Args:
        pipeline: with the bins and the bandwidth of the training.
        judges: the events that judge.
        signals: the processes that are signal.
    """
    soft, hard = pipeline.templates(judges), pipeline.hard_templates(judges)
    channels = {
        channel: {
            kind: _difference(soft[channel], hard[channel], signals, kind == "signal")
            for kind in ("signal", "background")
        }
        for channel in judges.scored
    }
    measurement = pipeline.measurement
    medians = {
        kind: {
            name: _plain(value)
            for name, value in medians_of(measurement.model(found), 1.0).medians.items()
        }
        for kind, found in (("soft", soft), ("hard", hard))
    }
    return {"channels": channels, "numbers": medians}


def _difference(
    soft: dict, hard: dict, signals: tuple[str, ...], signal: bool
) -> dict[str, Any]:
    names = [name for name in hard if (name in signals) is signal]

    def total(found: dict, field: str) -> np.ndarray:
        return np.sum([getattr(found[n].nominal, field) for n in names], axis=0)

    return {
        "soft": rounded(total(soft, "yields")),
        "hard": rounded(total(hard, "yields")),
        "error": rounded(np.sqrt(total(hard, "variance"))),
    }


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
