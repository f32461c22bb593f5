"""One sample on disk: plain arrays in files, of which any rows can be read."""

import dataclasses
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..._custom_types import PerEvent
from ..events import Events

# Little-endian whatever the machine: a folder may be read by others.
_FEATURES, _WEIGHTS, _INDEX = np.dtype("<f4"), np.dtype("<f8"), np.dtype("<u4")


class SumsOfWeights(NamedTuple):
    """Sums over the weights of a sample.

    Args:
        positive: Σ w of the weights above 0.
        negative: Σ w of those below.
        positive_squares: Σ w² of the weights above 0.
        negative_squares: Σ w² of those below.
    """

    positive: float = 0.0
    negative: float = 0.0
    positive_squares: float = 0.0
    negative_squares: float = 0.0

    @classmethod
    def of(cls, weights: PerEvent) -> "SumsOfWeights":
        """Those of some events."""
        up, down = weights[weights > 0], weights[weights < 0]
        sums = up.sum(), down.sum(), (up**2).sum(), (down**2).sum()
        return cls(*(float(one) for one in sums))

    @property
    def mean_weight(self) -> float:
        """Σ w² / Σ |w|."""
        squares = self.positive_squares + self.negative_squares
        return squares / (self.positive - self.negative)

    def plus(self, other: "SumsOfWeights") -> "SumsOfWeights":
        """Those of both."""
        return SumsOfWeights(*(a + b for a, b in zip(self, other, strict=True)))

    def scaled(self, up: float, down: float) -> "SumsOfWeights":
        """Those after a factor on the positive and one on the negative weights."""
        return SumsOfWeights(
            self.positive * up,
            self.negative * down,
            self.positive_squares * up**2,
            self.negative_squares * down**2,
        )


@dataclass(frozen=True)
class StoredSample:
    """A sample whose arrays are files.

    Args:
        folder: where they are.
        names: of the features.
        rows: how many events there are.
        written: the sums of the weights as they are in the file.
        weights_alone: whether only the weights are here, and all else is the nominal
            sample's.
        scale: factors on the positive and on the negative weights in the file.
    """

    folder: Path
    names: tuple[str, ...]
    rows: int = 0
    written: SumsOfWeights = field(default_factory=SumsOfWeights)
    weights_alone: bool = False
    scale: tuple[float, float] = (1.0, 1.0)

    def __len__(self) -> int:
        return self.rows

    @property
    def sums(self) -> SumsOfWeights:
        """Sums of the weights."""
        return self.written.scaled(*self.scale)

    def events(self, start: int, stop: int) -> Events:
        """Some of the events."""
        width = len(self.names)
        features = self._read("features", _FEATURES, start * width, stop * width)
        return Events(
            features.reshape(-1, width) if width else np.zeros((stop - start, 0)),
            self.weights(start, stop),
            self.names,
            self.index(start, stop),
        )

    def weights(self, start: int, stop: int) -> np.ndarray:
        """The weights of some of the events."""
        weights = self._read("weights", _WEIGHTS, start, stop)
        up, down = self.scale
        if self.scale == (1.0, 1.0):
            return weights
        return weights * ((weights > 0) * up + (weights < 0) * down)

    def index(self, start: int, stop: int) -> np.ndarray:
        """The indices of some of the events."""
        return self._read("index", _INDEX, start, stop)

    def append(self, events: Events) -> "StoredSample":
        """The sample with further events at its end."""
        self._write("features", _FEATURES, events.features)
        self._write("index", _INDEX, events.index)
        return self.append_weights(np.asarray(events.weights))

    def append_weights(self, weights: np.ndarray) -> "StoredSample":
        """The sample with the weights of further events at its end, and no more."""
        self._write("weights", _WEIGHTS, weights)
        return dataclasses.replace(
            self,
            rows=self.rows + len(weights),
            written=self.written.plus(SumsOfWeights.of(weights)),
        )

    def with_features_of(self, nominal: "StoredSample", at_once: int) -> "StoredSample":
        """A sample of weights alone, with the features of its events beside them."""
        for start in range(0, self.rows, at_once):
            events = nominal.events(start, min(start + at_once, self.rows))
            self._write("features", _FEATURES, events.features)
            self._write("index", _INDEX, events.index)
        return dataclasses.replace(self, weights_alone=False)

    def digest(self) -> str:
        """Of what is in its files."""
        digest = hashlib.sha256()
        for what in ("features", "weights", "index"):
            path = self._file(what)
            if path.is_file():
                digest.update(f"{what} {path.stat().st_size}".encode())
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def standing_for(self, whole: "StoredSample") -> "StoredSample":
        """The sample with weights scaled to the sums of another's, sign by sign."""
        have, want = self.written, whole.sums
        # A sum of 0 has no weight to scale: any factor will do.
        up = want.positive / (have.positive or 1.0)
        down = want.negative / (have.negative or 1.0)
        return dataclasses.replace(self, scale=(up, down))

    def first(self, most: int) -> "StoredSample":
        """The first events, with weights that stand for all."""
        if self.rows <= most:
            return self
        part = dataclasses.replace(self, rows=most, scale=(1.0, 1.0))
        sums = SumsOfWeights.of(part.weights(0, most))
        return dataclasses.replace(part, written=sums).standing_for(self)

    def _file(self, what: str) -> Path:
        return self.folder / f"{what}.bin"

    def _write(self, what: str, dtype: np.dtype, values: Any) -> None:
        # In the precision and order of the file, whatever it was read as.
        array = np.ascontiguousarray(values, dtype).reshape(-1)
        if not array.size:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._file(what).open("ab") as file:
                file.write(array.view(np.uint8).data)
        except OSError as error:
            raise OSError(
                f"The events cannot be written to {self.folder}: {error.strerror}. "
                "Name a folder with more room for them: `source.scratch` of a "
                "description, `folder` in Python."
            ) from error

    def _read(self, what: str, dtype: np.dtype, start: int, stop: int) -> np.ndarray:
        if stop <= start:
            return np.zeros(0, dtype)
        # Not by a memory map: its pages would count as this process's memory.
        values = np.fromfile(
            self._file(what), dtype, stop - start, offset=start * dtype.itemsize
        )
        if len(values) < stop - start:
            raise ValueError(
                f"{self._file(what)} is shorter than it was written. Remove "
                f"{self.folder.parent} and read the events again."
            )
        return values
