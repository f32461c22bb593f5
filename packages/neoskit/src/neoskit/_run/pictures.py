"""A run's pictures: what it has recorded, put on the panels of `neoskit.plot`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import plot
from .._custom_types import PerEvent
from .._events import Dataset, few_events
from .._pipeline import AbstractPipeline, Pipeline
from .._results import Comparison, verdict
from .._results.numbers import NUMBERS
from .._templates import ProcessTemplates, Templates

# Points along each axis at which a recorded frame knows the observable: one frame
# costs as much as scoring 3600 events.
_GRID = 60


@dataclass(frozen=True)
class Frame:
    """What a picture of one step shows.

    Args:
        step: How many steps were done.
        score: The observable on the grid of the two features, if there are two.
        templates: Hard templates of the events that judge.
        edges: Of the bins; `None` where selected events are counted.
    """

    step: int
    score: Float[np.ndarray, "grid grid"] | None
    templates: Templates
    edges: Float[np.ndarray, " edges"] | None


@dataclass
class Recorder:
    """Keeps the frames of one training.

    Args:
        judges: The events that judge.
        every: Steps between two frames.
    """

    judges: Dataset
    every: int = 1
    frames: list[Frame] = field(default_factory=list)

    def __call__(self, pipeline: AbstractPipeline, step: int) -> None:
        """Takes a frame, if it is time for one."""
        if step % self.every == 0:
            self.frames.append(frame(pipeline, self.judges, step))


def frame(pipeline: AbstractPipeline, judges: Dataset, step: int = 0) -> Frame:
    """What a picture of this pipeline shows."""
    points = None
    # Contours are of two features and of bins. With folds there is one observable per
    # fold and no one picture of it.
    two = len(judges.feature_names) == 2
    if two and pipeline.binned and isinstance(pipeline, Pipeline):
        points = jnp.stack(jnp.meshgrid(*_grid(judges)), axis=-1).reshape(-1, 2)
    score = None
    if points is not None and isinstance(pipeline, Pipeline):
        score = np.asarray(_score(pipeline, points), float).reshape(_GRID, _GRID)
    return Frame(
        step,
        score,
        pipeline.hard_templates(judges),
        np.asarray(pipeline.edges) if pipeline.binned else None,
    )


@eqx.filter_jit
def _score(pipeline: Pipeline, points: Float[Array, "grid 2"]) -> PerEvent | None:
    return pipeline.observable(points.astype(jnp.float32), None).value


def _grid(judges: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Positions along each of the two features, over nearly all events."""
    features = np.concatenate(
        [
            np.asarray(events.features)
            for _, events in few_events(judges).scored_samples()
        ]
    )
    # Quantiles, not extremes: one event far away would make all others a dot.
    low, high = np.quantile(features, [0.001, 0.999], axis=0)
    margin = 0.08 * (high - low)
    return tuple(np.linspace(low - margin, high + margin, _GRID).T)


def draw(
    figure: Any,
    now: Frame,
    judges: Dataset,
    curves: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    signals: Sequence[str],
    *,
    last: bool = True,
) -> None:
    """Everything there is to see of one step, side by side.

    Args:
        figure: An empty figure.
        now: The step.
        judges: The events that judge.
        curves: Numbers over the whole training; drawn up to this step.
        signals: Names of the signal processes.
        last: Whether this is the picture of the end: then the vertical ranges fit it;
            the frames of an animation keep theirs instead.
    """
    panels = list(figure.subplots(1, 2 + (now.score is not None)))
    if now.score is not None and now.edges is not None:
        x, y = _grid(judges)
        plot.decision_contours(
            (x, y, now.score),
            {
                _spoken(str(key.process), key.shift): np.asarray(events.features)
                for key, events in few_events(judges).scored_samples()
            },
            now.edges,
            signals=signals,
            labels=tuple(f"${name}$" for name in judges.feature_names),
            limits=((x[0], x[-1]), (y[0], y[-1])),
            ax=panels.pop(0),
        )
    shown = {
        name: ([s for s in steps if s <= now.step], values)
        for name, (steps, values) in curves.items()
    }
    plot.history(
        {
            name: (steps, values[: len(steps)])
            for name, (steps, values) in shown.items()
        },
        limits=None if last else _ranges(curves),
        ax=panels[0],
    )
    channel = judges.scored[0]
    yields, band = stacked(now.templates[channel], signals)
    plot.binned_model(
        yields,
        uncertainty=band,
        bins=now.edges,
        signals=signals,
        log=True,
        limits=(0.05, 10 * sum(y.sum() for y in yields.values())),
        ax=panels[1],
    )


def stacked(
    processes: Mapping[str, ProcessTemplates], signals: Sequence[str]
) -> tuple[dict[str, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Yields by process, and how far the systematics move the background down and up.

    Shifts of different systematics are independent: their squares add up.
    """
    yields = {
        name: np.asarray(process.nominal.yields) for name, process in processes.items()
    }
    background = {n: p for n, p in processes.items() if n not in signals}
    bins = len(next(iter(yields.values())))
    down, up = np.zeros(bins), np.zeros(bins)
    for systematic in {s for p in background.values() for s in p.variations}:
        sides = np.zeros((2, bins))
        for process in background.values():
            if systematic in process.variations:
                sides += [
                    np.asarray(side.yields) - np.asarray(process.nominal.yields)
                    for side in process.variations[systematic]
                ]
        up += np.maximum(sides.max(0), 0) ** 2
        down += np.maximum(-sides.min(0), 0) ** 2
    return yields, (np.sqrt(down), np.sqrt(up))


def curves_of(
    metrics: Sequence[Mapping[str, Any]], seed: int
) -> dict[str, tuple[list[int], list[float]]]:
    """The expected CLs of one seed over its steps, from the lines of the metrics."""
    lines = [line for line in metrics if line.get("seed") == seed]

    def curve(number: str) -> tuple[list[int], list[float]]:
        having = [line for line in lines if number in line]
        # A number that did not exist is `null` in the file and a gap in the picture.
        values = [np.nan if line[number] is None else line[number] for line in having]
        return [line["step"] for line in having], values

    if any("expected_cls" in line for line in lines):
        return {"held-out events, hard bins": curve("expected_cls")}
    return {"loss": curve("loss")}


def picture(
    path: Path,
    now: Frame,
    judges: Dataset,
    curves: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    signals: Sequence[str],
) -> Path:
    """The PNG of the end of a training."""
    with plot.style():
        figure = plot.panels(width=12.5 if now.score is not None else 8.5)
        draw(figure, now, judges, curves, signals)
        return plot.save(figure, path)


def animation(
    path: Path,
    recorder: Recorder,
    curves: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    signals: Sequence[str],
) -> Path:
    """The GIF over a training."""
    frames, judges = recorder.frames, recorder.judges
    with plot.style():
        return plot.animate(
            lambda figure, i: draw(
                figure, frames[i], judges, curves, signals, last=False
            ),
            range(len(frames)),
            path,
            size=(12.5 if frames[0].score is not None else 8.5, 3.8),
        )


def _ranges(
    curves: Mapping[str, tuple[Sequence[int], Sequence[float]]],
) -> tuple[tuple[float, float], tuple[float, float]]:
    values = np.concatenate([np.asarray(values) for _, values in curves.values()])
    values = values[np.isfinite(values) & (values > 0)]
    last = max(max(steps) for steps, _ in curves.values())
    low, high = (values.min(), values.max()) if values.size else (0.1, 1.0)
    return (-0.02 * last, 1.02 * last), (0.6 * low, 1.7 * high)


def _spoken(process: str, shift: str) -> str:
    return f"{process}, {shift.replace(':', ' ')}" if shift else process


_TITLES = {
    "expected_cls": "expected CL$_s$",
    "upper_limit": "95 % limit",
    "poi_uncertainty": r"$\sigma(\mu)$",
    "significance": "significance",
}


def comparison(
    path: Path, compared: Comparison, objective: str, baselines: Sequence[str]
) -> Path:
    """The PNG of a comparison: every seed of every way, and what is gained.

    Args:
        path: The file.
        compared: The numbers.
        objective: The way that is compared.
        baselines: Those that it is compared with.
    """
    with plot.style():
        figure = plot.panels(width=12.5, height=6.0)
        rows = figure.subplots(2, len(NUMBERS))
        for name, above, below in zip(NUMBERS, *rows, strict=True):
            values = {way: compared.numbers[way][name] for way in compared.numbers}
            some = np.concatenate(list(values.values()))
            some = some[np.isfinite(some)]
            # Over orders of magnitude, as a CLs; not a limit of 0.9 beside one of 1.1.
            log = some.size > 0 and some.min() > 0 and some.max() > 10 * some.min()
            plot.spread(values, ylabel=_TITLES[name], log=bool(log), ax=above)
            for label in above.get_xticklabels():
                label.set(rotation=25, ha="right", rotation_mode="anchor")
            for place, baseline in enumerate(baselines):
                found = verdict(compared, name, objective, baseline)
                of_seeds = np.nan_to_num(found.seeds)
                both = float(np.hypot(found.events, of_seeds))
                for error, width in ((both, 1.0), (found.events, 3.0)):
                    below.errorbar(
                        100 * found.improvement,
                        place,
                        xerr=100 * error if np.isfinite(error) else None,
                        fmt="o",
                        color="C0",
                        elinewidth=width,
                    )
            below.axvline(0.0, color="0.6", lw=1)
            below.set_yticks(range(len(baselines)), list(baselines))
            below.set(
                ylim=(len(baselines) - 0.5, -0.5),
                xlabel=f"{_TITLES[name]}: improvement in %",
            )
            below.yaxis.set_tick_params(which="minor", left=False, right=False)
            if below is not rows[1][0]:
                below.set_yticklabels([])
        figure.suptitle(
            f"{objective} against its baselines; thick: events, thin: and seeds"
        )
        return plot.save(figure, path)
