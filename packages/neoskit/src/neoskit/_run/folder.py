"""What a run leaves on disk, and how it is found again."""

import io
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import tomli_w

from .._atomic import write_atomically
from .._pipeline import AbstractPipeline
from .._results import Evaluation
from .config import ConfigError, RunConfig, config_document, parse_config
from .documents import as_json, evaluation_document
from .writing import writing


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    | file | what it holds |
    |---|---|
    | `config.toml` | the description, every default written out |
    | `provenance.json` | versions, seeds, digests of files and events |
    | `lock` | who trains in it, held while it is trained |
    | `metrics.jsonl` | one line per step, written as the training goes |
    | `seed-N/checkpoint.eqx` | the last state of the training; one for each fold |
    | `seed-N/snapshots/` | looks at the training, on its way |
    | `seed-N/parameters.eqx` | the trained pipeline |
    | `seed-N/evaluation.json` | its expected result |
    | `seed-N/workspace.json` | its measurement, as pyhf reads it |
    | `workspace.json` | that of the first seed: seeds are not chosen by their result |
    | `comparison.json` | of `compare`: the numbers of every way and seed |
    | `WAY/` | of `compare`: one way of training, a run in itself |
    | `pictures/` | PNG, GIF |

    Args:
        path: The folder.
    """

    path: Path

    def describe(self, config: RunConfig, provenance: Mapping[str, Any]) -> None:
        """Writes what the run is, before anything is trained.

        Args:
            config: The description, with absolute paths.
            provenance: All else that it depends on.
        """
        with writing(self.path):
            (self.path / "pictures").mkdir(exist_ok=True)
        self._write(self.path / "provenance.json", as_json(provenance, indent=1) + "\n")
        # Last: a folder that has it has all that a run needs to go on.
        self._write(self.path / "config.toml", tomli_w.dumps(config_document(config)))

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
        done = self.seeds_of(self.config)
        if not done:
            raise ConfigError(f"{self.path}: holds no trained parameters yet.")
        return done

    def seeds_of(self, config: RunConfig) -> tuple[int, ...]:
        """The same of a description that is not written here, and none at worst."""
        return tuple(
            seed for seed in config.training.seeds if self._parameters(seed).exists()
        )

    @property
    def workspace(self) -> Path:
        """Where the workspace of the first seed is."""
        return self.path / "workspace.json"

    def of_seed(self, seed: int) -> Path:
        """The folder of one seed."""
        folder = self.path / f"seed-{seed}"
        with writing(folder):
            folder.mkdir(exist_ok=True)
        return folder

    def within(self, name: str) -> "RunFolder":
        """A part of this run with a name of its own."""
        with writing(self.path / name):
            (self.path / name).mkdir(exist_ok=True)
        return RunFolder(self.path / name)

    def picture(self, name: str) -> Path:
        """Where a picture goes."""
        return self.path / "pictures" / name

    @property
    def provenance(self) -> dict[str, Any]:
        """What the run depended on when it began.

        Raises:
            ConfigError: It is not there, or no such document.
        """
        file = self.path / "provenance.json"
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{file}: cannot be read ({error}): it is not known whether the inputs "
                "are those that the run began with. Train anew, in another folder."
            ) from None

    @property
    def _metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    def log(self, **numbers: Any) -> None:
        """Adds a line to the metrics; it is written when this returns."""
        # Opened and closed for each line: a run that is killed has all lines but one.
        with writing(self._metrics), self._metrics.open("a", encoding="utf-8") as file:
            file.write(as_json(numbers) + "\n")

    def sync_metrics(self) -> None:
        """Brings the metrics to the disk, as far as they are written."""
        if self._metrics.exists():
            with writing(self._metrics), self._metrics.open("rb+") as file:
                os.fsync(file.fileno())

    def forget_metrics(self, seed: int, fold: int | None, *, after: int) -> None:
        """Takes away the lines of a training that are of later steps than one."""
        kept = [
            line
            for line in self.metrics()
            if line.get("seed") != seed
            or line.get("fold") != fold
            or line["step"] <= after
        ]
        text = "".join(as_json(line) + "\n" for line in kept)
        file = self._metrics
        # Also a half-written last line, which a new one must not be written behind.
        if file.exists() and file.read_text(encoding="utf-8") != text:
            self._write(file, text)

    def metrics(self) -> list[dict[str, Any]]:
        """All lines of the metrics. A half-written last one is left out."""
        file = self._metrics
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
        arrays = io.BytesIO()
        eqx.tree_serialise_leaves(arrays, pipeline)
        self._write(file, arrays.getvalue())
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
        file = self.path / f"seed-{seed}" / "evaluation.json"
        self._write(file, as_json(evaluation_document(evaluation), indent=1) + "\n")
        return file

    def evaluation(self, seed: int) -> dict[str, Any]:
        """What `save_evaluation` wrote, or nothing where the seed was not judged."""
        file = self.path / f"seed-{seed}" / "evaluation.json"
        return json.loads(file.read_text("utf-8")) if file.is_file() else {}

    def save_comparison(self, document: dict[str, Any]) -> Path:
        """Writes what `comparison_document` gives."""
        file = self.path / "comparison.json"
        self._write(file, as_json(document, indent=1) + "\n")
        return file

    def _write(self, file: Path, content: str | bytes) -> None:
        if isinstance(content, str):
            content = content.encode()
        with writing(file):
            file.parent.mkdir(exist_ok=True)
            write_atomically(file, content)

    def _parameters(self, seed: int) -> Path:
        return self.path / f"seed-{seed}" / "parameters.eqx"
