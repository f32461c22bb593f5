"""From a run's folder to the page."""

import html
import json
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import fitkit

from .._events import Dataset
from .._results import evaluate
from .._run.builders import stage_tables
from .._run.config import ConfigError, RunConfig
from .._run.folder import RunFolder
from .._run.run import load, rebinned
from .comparison import comparison
from .fit import costs, fit
from .plain import message
from .repeat import repeat
from .result import no_numbers, numbers, soft_versus_hard, templates, yields
from .training import training


def write_report(
    folder: RunFolder,
    events: Callable[[], Dataset],
    path: Path | None = None,
    *,
    compared: Path | None = None,
) -> Path:
    """Write one page that shows a run: training, templates, fit, how to repeat it.

    Everything is in the file, plotly's JavaScript too; it asks no network for
    anything. Recorded events are not looked at.

    Args:
        folder: a run with at least one trained seed.
        events: reads its events; called when it is known that there is a run to show.
        path: the HTML file; `report.html` in the folder by default. Replaced if it
            exists.
        compared: the folder of a comparison; by default one that belongs to the run.

    Returns:
        The path.

    Raises:
        RuntimeError: float64 is off, or plotly is not installed (the extra
            `neoskit[report]`).
        ValueError: no seed is trained, or a bin of its result has signal, but no
            background.
    """
    fitkit.require_float64()
    library = plotly_script()
    path = folder.path / "report.html" if path is None else Path(path)
    document = report_document(folder, events, compared=compared)
    path.write_text(_page(document, library), encoding="utf-8")
    return path


def report_document(
    folder: RunFolder,
    events: Callable[[], Dataset],
    *,
    compared: Path | None = None,
) -> dict[str, Any]:
    """Everything that the page shows, as plain JSON values."""
    config = folder.config
    if (folder.path / "comparison.json").is_file() and not any(
        folder.path.glob("seed-*")
    ):
        raise ConfigError(
            f"{folder.path}: is a comparison and no run. Show it in the report of the "
            f"run beside it: `neoskit report RUN --compared {folder.path}`."
        )
    # Mistakes that can be known before events are read, which may take minutes.
    seeds, found = folder.seeds, comparison(folder, compared)
    metrics, dataset = folder.metrics(), events()
    return {
        "name": folder.path.resolve().name,
        "settings": {**_settings(config), "counted": list(dataset.counted)},
        "seeds": [
            {
                "seed": seed,
                **_seed(folder, config, dataset, seed),
                "training": training(
                    folder.path / f"seed-{seed}",
                    metrics,
                    seed,
                    config.measurement.signals,
                ),
            }
            for seed in seeds
        ],
        "untrained": [s for s in config.training.seeds if s not in seeds],
        "comparison": found,
        "repeat": repeat(folder, config),
    }


def _seed(
    folder: RunFolder, config: RunConfig, dataset: Dataset, seed: int
) -> dict[str, Any]:
    signals = config.measurement.signals
    trained = load(folder, dataset, seed)
    pipeline, judges = trained.pipeline, trained.judges
    try:
        pipeline = rebinned(config, trained)
        evaluation = evaluate(pipeline, judges)
    # Signal without background in a bin, bins that cannot be merged: as the run itself
    # said. The training and the templates are there nevertheless, and tell why.
    except ValueError as error:
        found = no_numbers(message(error), pipeline.measurement.poi)
    else:
        errors = folder.evaluation(seed).get("errors", {})
        found = {
            "numbers": numbers(evaluation, errors),
            "fit": fit(evaluation.model, evaluation.mu),
        }
    hard = pipeline.hard_templates(judges)
    return {
        **found,
        "edges": pipeline.edges.tolist() if pipeline.binned else None,
        "templates": templates(hard, signals),
        "yields": yields(hard, pipeline.raw_counts(judges), signals),
        "costs": costs(pipeline, judges),
        "soft": soft_versus_hard(trained.pipeline, judges, signals),
    }


def _settings(config: RunConfig) -> dict[str, Any]:
    stages = stage_tables(config)
    return {
        "signals": list(config.measurement.signals),
        "poi": config.measurement.poi,
        "objective": stages[-1].objective,
        "stages": [
            {"objective": stage.objective, "steps": stage.steps} for stage in stages
        ],
        "folds": config.split.folds,
        "rebinned": config.rebinning is not None,
        "observable": config.observable.kind,
    }


def plotly_script() -> str:
    """plotly's JavaScript, as it stands in the page.

    Raises:
        RuntimeError: plotly is not installed (the extra `neoskit[report]`).
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise RuntimeError(
            f"a report needs `{error.name}`. Install it with: pip install "
            "'neoskit[report]'."
        ) from None
    return get_plotlyjs()


def _page(document: dict[str, Any], library: str) -> str:
    def part(name: str) -> str:
        file = resources.files("neoskit._report") / "page" / name
        return file.read_text(encoding="utf-8")

    # Within a script element `</` would end it, whatever name it stands in.
    data = json.dumps(document, allow_nan=False, ensure_ascii=False)
    parts = {
        "title": html.escape(f"{document['name']}: a run of neoskit"),
        "style": part("report.css"),
        "plotly": library.replace("</script", "<\\/script"),
        "data": data.replace("</", "<\\/").replace("<!--", "<\\u0021--"),
        "script": part("report.js"),
    }
    # In one pass: nothing is looked for in what has been put in.
    return re.sub(r"{{(\w+)}}", lambda found: parts[found[1]], part("report.html"))
