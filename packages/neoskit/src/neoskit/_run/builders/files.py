"""Descriptions of files → events, whole or part by part."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..._events import Dataset, Events, Process, SampleKey
from ..._events.event_files import ROWS, join
from ..config import ConfigError, RunConfig
from .plan import SIDES, plans, regions
from .sample import Part, SampleFiles
from .views import data_texts, data_view, event_files, naming, source_of


def parts(config: RunConfig, base: Path, *, rows: int = ROWS) -> Iterator[Part]:
    """All events that training and judgement may see, part by part.

    Every event of every sample comes exactly once. An event whose weight alone is
    varied shares its features with the nominal one.

    Args:
        config: a description with `source.kind = "files"`.
        base: what its folder is relative to.
        rows: how many entries of a file are read at once.

    Raises:
        ConfigError: a file cannot be found or read, or has no such column; or an event
            has a feature or weight that is no number.
    """
    samples = _samples(config, base)
    # Of all files before the first is read: what is wrong is told at once.
    for sample in samples:
        sample.check()
    for sample in samples:
        yield from sample.parts(rows)


def _samples(config: RunConfig, base: Path) -> list[SampleFiles]:
    return [SampleFiles(config, base, i) for i in range(len(config.samples))]


def samples(config: RunConfig, base: Path) -> dict[SampleKey, Events]:
    """All events that training and judgement may see; a sample may have none.

    Raises:
        ConfigError: as `parts`.
    """
    pieces: dict[SampleKey, list[Events]] = {key: [] for key in keys(config)}
    for key, events in parts(config, base):
        pieces[key].append(events)
    return _joined(pieces)


def keys(config: RunConfig) -> Iterator[SampleKey]:
    """Every sample that there should be, a nominal one before its variations."""
    for plan in plans(config):
        key = SampleKey(plan.region.name, plan.process, "")
        yield key
        for name in plan.varied:
            for side in SIDES:
                yield key._replace(shift=f"{name}:{side}")


def _joined(pieces: Mapping[SampleKey, Sequence[Events]]) -> dict[SampleKey, Events]:
    done: dict[SampleKey, Events] = {}
    # The dictionary has a nominal sample before its variations.
    for key, mine in pieces.items():
        nominal = key._replace(shift="")
        if key.shift and _same_events(mine, pieces[nominal]):
            weights = np.concatenate([np.asarray(events.weights) for events in mine])
            done[key] = done[nominal].with_weights(weights)
        else:
            done[key] = join(mine, mine[0].names)
    return done


def _same_events(some: Sequence[Events], others: Sequence[Events]) -> bool:
    return len(some) == len(others) and all(
        a.features is b.features for a, b in zip(some, others, strict=True)
    )


def dataset(config: RunConfig, base: Path) -> Dataset:
    """All events that training and judgement may see.

    Raises:
        ConfigError: as `parts`; or a process has no events in a channel.
    """
    found = samples(config, base)
    empty = [key for key, events in found.items() if len(events) == 0]
    if empty:
        raise ConfigError("\n".join(no_events(config, key) for key in empty))
    channels: dict[str, dict[str, Process]] = {}
    for plan in plans(config):
        key = SampleKey(plan.region.name, plan.process, "")
        variations = {
            name: (
                found[key._replace(shift=f"{name}:up")],
                found[key._replace(shift=f"{name}:down")],
            )
            for name in plan.varied
        }
        channel = channels.setdefault(plan.region.name, {})
        channel[plan.process] = Process(found[key], variations)
    counted = tuple(region.name for region in regions(config) if region.counted)
    return Dataset(channels, counted)


def no_events(config: RunConfig, key: SampleKey) -> str:
    """What is said of a sample without events."""
    of = [i for i, sample in enumerate(config.samples) if sample.of == key.process]
    keys = ", ".join(f"`samples.{i}.channels`" for i in of)
    return (
        f"{str(key)[0].upper()}{str(key)[1:]} has no events. Loosen a `filter`, or "
        f"leave the process out of this channel by {keys}."
    )


def observed(config: RunConfig, base: Path) -> dict[str, Events]:
    """The recorded events of every channel. This opens the data.

    Raises:
        ConfigError: none are described, or they cannot be read.
    """
    if config.data is None:
        raise ConfigError(
            "`data` is missing: no file of recorded events is named, and there is "
            "nothing to unblind."
        )
    source, number = source_of(config), len(config.samples)
    places = regions(config)
    pieces: list[list[Events]] = [[] for _ in places]
    with naming("data"):
        files = event_files(source, config.data, base, key="data", number=number)
        views = [data_view(source, config.data, region) for region in places]
        for seen in files.parts(views):
            for piece, (events, *_) in zip(pieces, seen, strict=True):
                piece.append(events)
    return {
        region.name: join(piece, piece[0].names)
        for region, piece in zip(places, pieces, strict=True)
    }


def check_data(config: RunConfig, base: Path) -> tuple[Path, ...]:
    """The files of recorded events, which have what is asked of them.

    No event is selected, and none is counted.

    Raises:
        ConfigError: one is not there, or has no such column.
    """
    if config.data is None:
        return ()
    source, number = source_of(config), len(config.samples)
    with naming("data"):
        files = event_files(source, config.data, base, key="data", number=number)
        files.check(data_texts(source, "data", config.data, regions(config)))
    return files.paths


def entries(config: RunConfig, base: Path) -> Iterator[tuple[str, Path, int | None]]:
    """Every simulated file: its sample, the path, and how many events it has.

    The files of a shift follow those of their sample, as `"ztt, jes:up"`. Of a CSV
    file only reading it tells the number.

    Raises:
        ConfigError: one cannot be opened.
    """
    for sample in _samples(config, base):
        name = sample.table.name
        files = {name: sample.nominal()}
        for acting, side, template in sample.elsewhere():
            label = f"{name}, {acting.table.name}:{side}"
            files[label] = sample.shifted(acting, side, template)
        for label, of in files.items():
            with naming(sample.key):
                sizes = of.entries()
            for path, size in zip(of.paths, sizes, strict=True):
                yield label, path, size
