"""What a run leaves on disk, and how it is found again."""

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
import tomli_w

from .._pipeline import AbstractPipeline
from .._results import Comparison, Evaluation, HeadRoom, verdict
from .._results.numbers import NUMBERS
from .config import ConfigError, RunConfig, config_document, parse_config


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    | file | what it holds |
    |---|---|
    | `config.toml` | the description, every default written out |
    | `metrics.jsonl` | one line per step, written as the training goes |
    | `seed-N/parameters.eqx` | the trained pipeline |
    | `seed-N/evaluation.json` | its expected result |
    | `seed-N/workspace.json` | its measurement, as pyhf reads it |
    | `workspace.json` | that of the first seed: seeds are not chosen by their result |
    | `comparison.json` | of `compare`: the numbers of every way and seed |
    | `pictures/` | PNG, GIF |

    Args:
        path: The folder.
    """

    path: Path

    @classmethod
    def create(cls, path: Path, config: RunConfig) -> "RunFolder":
        """A folder for a new run. One that is there already is not touched.

        Args:
            path: Where it should be; if that is taken, `-2`, `-3`, … is added.
            config: The description, with absolute paths.
        """
        # A run takes hours: the folder of an earlier one is never written into.
        free, number = path, 2
        while free.exists():
            free = path.with_name(f"{path.name}-{number}")
            number += 1
        (free / "pictures").mkdir(parents=True)
        document = tomli_w.dumps(config_document(config))
        (free / "config.toml").write_text(document, encoding="utf-8")
        return cls(free)

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """The folder of a run that was made before.

        Raises:
            ConfigError: Where there is none.
        """
        if not (path / "config.toml").is_file():
            raise ConfigError(
                f"{path}: is not a run; a run's folder holds `config.toml`. "
                "`neoskit train` prints the folder that it makes."
            )
        return cls(path)

    @property
    def config(self) -> RunConfig:
        """The description of the run."""
        file = self.path / "config.toml"
        return parse_config(
            tomllib.loads(file.read_text(encoding="utf-8")), where=str(file)
        )

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that were trained to the end, in the description's order.

        Raises:
            ConfigError: Where there is none.
        """
        done = tuple(
            seed
            for seed in self.config.training.seeds
            if self._parameters(seed).exists()
        )
        if not done:
            raise ConfigError(f"{self.path}: holds no trained parameters yet.")
        return done

    @property
    def workspace(self) -> Path:
        """Where the workspace of the first seed is."""
        return self.path / "workspace.json"

    def of_seed(self, seed: int) -> Path:
        """The folder of one seed."""
        folder = self.path / f"seed-{seed}"
        folder.mkdir(exist_ok=True)
        return folder

    def within(self, name: str) -> "RunFolder":
        """A part of this run with a name of its own."""
        (self.path / name).mkdir(exist_ok=True)
        return RunFolder(self.path / name)

    def picture(self, name: str) -> Path:
        """Where a picture goes."""
        return self.path / "pictures" / name

    def log(self, **numbers: Any) -> None:
        """Adds a line to the metrics; it is on disk when this returns."""
        # Opened and closed for each line: a run that is killed has all lines but one.
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(_json(numbers) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """All lines of the metrics. A half-written last one is left out."""
        file = self.path / "metrics.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        metrics = []
        for line in lines:
            try:
                metrics.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return metrics

    def save_pipeline(self, seed: int, pipeline: AbstractPipeline) -> Path:
        """Writes the arrays of a trained pipeline."""
        file = self._parameters(seed)
        unfinished = self.of_seed(seed) / "parameters.part"
        # Complete or not there: a run that is cut off here has no half of a seed.
        eqx.tree_serialise_leaves(unfinished, pipeline)
        unfinished.replace(file)
        return file

    def load_pipeline(self, seed: int, like: AbstractPipeline) -> AbstractPipeline:
        """A trained pipeline.

        Args:
            seed: Which.
            like: An untrained one of the same description.

        Raises:
            ConfigError: Where the seed was not trained, or the description changed.
        """
        file = self._parameters(seed)
        if not file.is_file():
            raise ConfigError(f"{self.path}: has no parameters of seed {seed}.")
        try:
            return eqx.tree_deserialise_leaves(file, like)
        except (RuntimeError, ValueError, TypeError, EOFError) as error:
            raise ConfigError(
                f"{file}: does not fit the pipeline that {self.path / 'config.toml'} "
                f"describes ({error})."
            ) from None

    def save_evaluation(self, seed: int, evaluation: Evaluation) -> Path:
        """Writes the expected result of one seed."""
        file = self.of_seed(seed) / "evaluation.json"
        file.write_text(_json(evaluation_document(evaluation), indent=1) + "\n")
        return file

    def save_comparison(self, document: dict[str, Any]) -> Path:
        """Writes what `comparison_document` gives."""
        file = self.path / "comparison.json"
        file.write_text(_json(document, indent=1) + "\n", encoding="utf-8")
        return file

    def _parameters(self, seed: int) -> Path:
        return self.path / f"seed-{seed}" / "parameters.eqx"


def evaluation_document(evaluation: Evaluation) -> dict[str, Any]:
    """An expected result as plain JSON values; what does not exist is `null`."""
    return {
        "mu": evaluation.mu,
        **evaluation.numbers,
        "cls_band": evaluation.cls,
        "upper_limit_band": evaluation.upper_limit,
        "missing": evaluation.missing,
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
) -> dict[str, Any]:
    """A comparison as plain JSON values; what does not exist is `null`.

    Args:
        comparison: its ways are the baselines and `objective`.
        baselines: the ways that it is compared with.
        objective: the way that is compared; differences are `objective` − baseline.
        seeds: of the trainings, in the order of the numbers.
        head_room: of a baseline, if it is known.
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
        },
        "bootstrap_replicas": replicas,
        "numbers": comparison.numbers,
        "missing": comparison.missing,
        "difference": {
            baseline: {
                name: {
                    **comparison.difference(name, objective, baseline)._asdict(),
                    "by_seed": comparison.by_seed(name, objective, baseline),
                    "verdict": verdict(comparison, name, objective, baseline).word,
                }
                for name in NUMBERS
            }
            for baseline in baselines
        },
    }


def _json(document: Any, indent: int | None = None) -> str:
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
