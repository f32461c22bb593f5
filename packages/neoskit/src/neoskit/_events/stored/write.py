"""Parts of samples, as they come from files → the same samples on disk."""

import dataclasses
import json
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..dataset import SampleKey
from ..events import Events
from .sample import StoredSample, SumsOfWeights

_MANIFEST = "events.json"
_FORMAT = 1


class Writer:
    """Puts parts of samples at the ends of their files.

    A variation that comes with the nominal sample's own features, part by part, is
    kept as its weights alone.

    Args:
        folder: where the files are; it exists.
        at_once: how many events at most are copied at once.
    """

    def __init__(self, folder: Path, at_once: int):
        self.folder = folder
        self.samples: dict[SampleKey, StoredSample] = {}
        self._at_once = at_once
        # Of each nominal sample its last part, which is not kept in memory by this.
        self._last: dict[SampleKey, weakref.ref] = {}

    def expect(self, keys: Iterable[SampleKey], names: Sequence[str]) -> None:
        """Samples that there are, should no part of them come."""
        for key in keys:
            self._sample(key, tuple(names))

    def add(self, key: SampleKey, events: Events) -> None:
        """A further part of a sample."""
        nominal_key = key._replace(shift="")
        sample = self._sample(key, events.names)
        if not key.shift:
            self._last[key] = weakref.ref(events.features)
            self.samples[key] = sample.append(events)
            return
        nominal = self._sample(nominal_key, events.names)
        if sample.weights_alone and self._beside(events, sample, nominal, nominal_key):
            self.samples[key] = sample.append_weights(np.asarray(events.weights))
            return
        if sample.weights_alone:
            sample = sample.with_features_of(nominal, self._at_once)
        self.samples[key] = sample.append(events)

    def finish(self) -> dict[SampleKey, StoredSample]:
        """The samples, the nominal ones before their variations."""
        for key, sample in self.samples.items():
            nominal = self.samples.get(key._replace(shift=""))
            if nominal is None or nominal.rows == sample.rows or not key.shift:
                continue
            # It ended before the nominal sample: the events are not the same.
            if sample.weights_alone:
                whole = sample.with_features_of(nominal, self._at_once)
                self.samples[key] = whole
        return dict(sorted(self.samples.items(), key=lambda item: item[0].shift != ""))

    def _sample(self, key: SampleKey, names: tuple[str, ...]) -> StoredSample:
        if key not in self.samples:
            place = self.folder / str(len(self.samples))
            alone = bool(key.shift)
            self.samples[key] = StoredSample(place, names, weights_alone=alone)
        elif not self.samples[key].rows:
            self.samples[key] = dataclasses.replace(self.samples[key], names=names)
        return self.samples[key]

    def _beside(
        self,
        events: Events,
        sample: StoredSample,
        nominal: StoredSample,
        nominal_key: SampleKey,
    ) -> bool:
        last = self._last.get(nominal_key)
        same = last is not None and last() is events.features
        # Parts that came before without it would stand beside other events.
        return same and sample.rows + len(events) == nominal.rows


def save_manifest(
    folder: Path,
    samples: Mapping[SampleKey, StoredSample],
    counted: Sequence[str],
    digest: str,
) -> None:
    """Says what is in a folder; without it the folder is unfinished."""
    document = {
        "format": _FORMAT,
        "digest": digest,
        "counted": list(counted),
        "samples": [
            {
                "key": list(key),
                "folder": sample.folder.name,
                "names": list(sample.names),
                "rows": sample.rows,
                "sums": list(sample.written),
                "weights_alone": sample.weights_alone,
            }
            for key, sample in samples.items()
        ],
    }
    unfinished = folder / f"{_MANIFEST}.part"
    unfinished.write_text(json.dumps(document, indent=1))
    unfinished.replace(folder / _MANIFEST)


def read_manifest(
    folder: Path,
) -> tuple[dict[SampleKey, StoredSample], tuple[str, ...], str]:
    """The samples of a folder, the counted channels, and what they were read from.

    Raises:
        ValueError: no such events are there.
    """
    path = folder / _MANIFEST
    if not path.is_file():
        raise ValueError(f"{folder} has no {_MANIFEST}: no events were stored there.")
    try:
        document = json.loads(path.read_text())
        if document["format"] != _FORMAT:
            raise ValueError(f"its format is {document['format']}, not {_FORMAT}")
        samples = {
            SampleKey(*one["key"]): StoredSample(
                folder / one["folder"],
                tuple(one["names"]),
                one["rows"],
                SumsOfWeights(*one["sums"]),
                one["weights_alone"],
            )
            for one in document["samples"]
        }
        return samples, tuple(document["counted"]), document["digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} cannot be read: {error}. Remove {folder} and read the events anew."
        ) from error
