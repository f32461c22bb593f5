"""Results as plain JSON values, as they are written into a run's folder."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .._results import Comparison, Evaluation, HeadRoom, verdict
from .._results.numbers import NUMBERS


def evaluation_document(evaluation: Evaluation) -> dict[str, Any]:
    """An expected result as plain JSON values; what does not exist is `null`."""
    return {
        "mu": evaluation.mu,
        **evaluation.numbers,
        "cls_band": evaluation.cls,
        "upper_limit_band": evaluation.upper_limit,
        "missing": evaluation.missing,
        "objectives": evaluation.objectives,
        "errors": evaluation.errors,
        "bootstrap_replicas": evaluation.replicas,
        "soft": evaluation.soft,
        "soft_minus_hard": evaluation.smoothing_bias,
        "negative_bins": [one._asdict() for one in evaluation.negative],
        "thin_bins": [one._asdict() for one in evaluation.thin],
        "yields": {
            channel: {name: process.nominal.yields for name, process in of.items()}
            for channel, of in evaluation.templates.items()
        },
        "raw_counts": evaluation.raw_counts,
    }


def comparison_document(
    comparison: Comparison,
    *,
    baselines: Sequence[str],
    objective: str,
    seeds: Sequence[int],
    head_room: HeadRoom | None = None,
    least_head_room: float = 1.0,
) -> dict[str, Any]:
    """A comparison as plain JSON values; what does not exist is `null`.

    Args:
        comparison: its ways are the baselines and `objective`.
        baselines: the ways that it is compared with.
        objective: the way that is compared; differences are `objective` − baseline.
        seeds: of the trainings, in the order of the numbers.
        head_room: of a baseline, if it is known.
        least_head_room: below which nothing is to be won above the spread of seeds.
    """
    replicas = next(iter(comparison.replicas[objective].values())).shape[1]
    return {
        "baselines": list(baselines),
        "objective": objective,
        "seeds": list(seeds),
        "head_room": None
        if head_room is None
        else {
            "ratio": head_room.ratio,
            "poi_uncertainty": head_room.poi_uncertainty,
            "statistical": head_room.statistical,
            "costs": head_room.costs,
            "least": least_head_room,
            "enough": head_room.ratio >= least_head_room,
        },
        "bootstrap_replicas": replicas,
        "numbers": comparison.numbers,
        "medians": {
            way: {name: median(values) for name, values in numbers.items()}
            for way, numbers in comparison.numbers.items()
        },
        "missing": comparison.missing,
        "difference": {
            baseline: {
                name: {
                    **comparison.difference(name, objective, baseline)._asdict(),
                    "by_seed": comparison.by_seed(name, objective, baseline),
                    "better": _better(comparison, name, objective, baseline),
                    "verdict": judged.word,
                    "improvement": judged.improvement,
                    "improvement_error_events": judged.events,
                    "improvement_error_seeds": judged.seeds,
                }
                for name in NUMBERS
                for judged in [verdict(comparison, name, objective, baseline)]
            }
            for baseline in baselines
        },
    }


def median(values: Iterable[float]) -> float:
    """Of those that exist; an infinite limit is one, and the largest."""
    return float(np.median([v for v in values if not np.isnan(v)] or [np.nan]))


def _better(
    comparison: Comparison, number: str, way: str, baseline: str
) -> dict[str, int]:
    """In how many of the seeds that have both numbers the way is the better one."""
    shift = comparison.by_seed(number, way, baseline)
    shift = shift[np.isfinite(shift)]
    better = shift > 0 if number == "significance" else shift < 0
    return {"seeds": int(better.sum()), "of": len(better)}


def as_json(document: Any, indent: int | None = None) -> str:
    """JSON of a document with arrays; what is no finite number is `null`."""
    # NaN and infinity are no JSON, though Python's module would write them.
    return json.dumps(_plain(document), indent=indent, allow_nan=False)


def _plain(tree: Any) -> Any:
    """Mappings, lists, text and finite numbers; `None` for a number that is none."""
    if isinstance(tree, Mapping):
        return {name: _plain(branch) for name, branch in tree.items()}
    if isinstance(tree, list | tuple):
        return [_plain(branch) for branch in tree]
    if isinstance(tree, str | bool | int | None):
        return tree
    if np.ndim(tree):
        return _plain(np.asarray(tree).tolist())
    number = float(tree)
    return number if math.isfinite(number) else None
