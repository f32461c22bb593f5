"""Tables of files → events, whole or part by part."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..._events import Dataset, Events, Missing, Process, SampleKey
from ..._events.event_files import ROWS, EventFiles, join
from ..._events.files import find
from ..._events.view import View
from ..config import (
    ConfigError,
    DataTable,
    FileTable,
    RunConfig,
    SampleTable,
    TemplateTable,
    of_missing,
)
from .plan import SIDES, Acting, Plan, Region, plans, regions

Part = tuple[SampleKey, Events]
"""Some events of a sample, and where they stand."""

# What a text of the description is called, and the text.
_Texts = list[tuple[str, str]]


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
    readings = [_Reading(config, base, i) for i in range(len(config.samples))]
    # Of all files before the first is read: what is wrong is said at once.
    for reading in readings:
        reading.check()
    for reading in readings:
        yield from reading.parts(rows)


def samples(config: RunConfig, base: Path) -> dict[SampleKey, Events]:
    """All events that training and judgement may see; a sample may have none.

    Raises:
        ConfigError: as `parts`.
    """
    pieces: dict[SampleKey, list[Events]] = {
        SampleKey(plan.region.name, plan.process, shift): []
        for plan in plans(config)
        for shift in ("", *_shifts(plan))
    }
    for key, events in parts(config, base):
        pieces[key].append(events)
    return _joined(pieces)


def _joined(
    pieces: Mapping[SampleKey, Sequence[Events]],
) -> dict[SampleKey, Events]:
    done: dict[SampleKey, Events] = {}
    # The dictionary has a nominal sample before its variations.
    for key, mine in pieces.items():
        nominal = pieces[key._replace(shift="")]
        if key.shift and _same_events(mine, nominal):
            weights = np.concatenate([np.asarray(events.weights) for events in mine])
            done[key] = done[key._replace(shift="")].with_weights(weights)
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
        raise ConfigError("\n".join(_empty(config, key) for key in empty))
    channels: dict[str, dict[str, Process]] = {}
    for plan in plans(config):
        key = SampleKey(plan.region.name, plan.process, "")
        variations = {
            name: tuple(found[key._replace(shift=f"{name}:{s}")] for s in SIDES)
            for name in plan.varied
        }
        channel = channels.setdefault(plan.region.name, {})
        channel[plan.process] = Process(found[key], variations)
    counted = tuple(region.name for region in regions(config) if region.counted)
    return Dataset(channels, counted)


def _empty(config: RunConfig, key: SampleKey) -> str:
    of = [i for i, s in enumerate(config.samples) if s.of == key.process]
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
    with _naming("data"):
        files, views = _data(config, base)
        pieces: list[list[Events]] = [[] for _ in views]
        for seen in files.parts(views):
            for piece, (events,) in zip(pieces, seen, strict=True):
                piece.append(events)
    return {
        region.name: join(piece, piece[0].names)
        for region, piece in zip(regions(config), pieces, strict=True)
    }


def entries(config: RunConfig, base: Path) -> Iterator[tuple[str, Path, int | None]]:
    """Every simulated file: its sample, the path, and how many events it has.

    The files of a shift follow those of their sample, as `"ztt, jes:up"`. Of a CSV
    file only reading it tells the number.

    Raises:
        ConfigError: one cannot be opened.
    """
    for i in range(len(config.samples)):
        reading = _Reading(config, base, i)
        name = reading.table.name
        with _naming(reading.key):
            files = {name: reading.nominal_files()}
        for acting, side in reading.elsewhere():
            with _naming(f"systematics.{acting.number}.{side}"):
                shifted = reading.shifted_files(acting, side)
                files[f"{name}, {acting.table.name}:{side}"] = shifted
        for label, of in files.items():
            with _naming(reading.key):
                sizes = of.entries()
            for path, size in zip(of.paths, sizes, strict=True):
                yield label, path, size


def check_data(config: RunConfig, base: Path) -> tuple[Path, ...]:
    """The files of recorded events, which have what is asked of them; none is read.

    Raises:
        ConfigError: one is not there, or has no such column.
    """
    if config.data is None:
        return ()
    with _naming("data"):
        files, _ = _data(config, base)
        texts = [*_common_texts(config, "data", config.data, weighted=False)]
        for region in regions(config):
            texts += _region_texts(region)
        files.check(texts)
    return files.paths


def _data(config: RunConfig, base: Path) -> tuple[EventFiles, list[View]]:
    table = config.data
    files = _event_files(
        config, base, table, table.files, None, len(config.samples), "data"
    )
    return files, [
        View(
            _features(config, region),
            selection=(*table.filter, *region.filter),
            missing=_missing(config),
            index=config.source.index,
        )
        for region in regions(config)
    ]


class _Reading:
    """One sample: its files and those of its shifts, and what is taken of each."""

    def __init__(self, config: RunConfig, base: Path, number: int):
        self.config = config
        self.base = base
        self.number = number
        self.table = config.samples[number]
        self.key = f"samples.{number}"
        self.plans = [plan for plan in plans(config) if number in plan.samples]

    def check(self) -> None:
        """Whether all files have what is asked of them."""
        with _naming(self.key):
            self.nominal_files().check(self._texts())
        for acting, side in self.elsewhere():
            with _naming(f"systematics.{acting.number}.{side}"):
                self.shifted_files(acting, side).check(self._texts(acting, side))

    def parts(self, rows: int) -> Iterator[Part]:
        """Every event, in every place where it stands."""
        views, places = [], []
        for plan in self.plans:
            for view, of in self._views(plan):
                views.append(view)
                places.append((plan, of))
        with _naming(self.key):
            yield from _placed(self.nominal_files(), views, places, rows)
        for acting, side in self.elsewhere():
            views, places = [], []
            for plan in self.plans:
                shifts = self._shifts_by(plan, acting, side)
                if shifts:
                    template = acting.template(side)
                    views.append(self._view(plan.region, template))
                    places.append((plan, [shifts]))
            with _naming(f"systematics.{acting.number}.{side}"):
                files = self.shifted_files(acting, side)
                yield from _placed(files, views, places, rows)

    def _views(self, plan: Plan) -> Iterator[tuple[View, list[list[str]]]]:
        """What is taken of the nominal files, and the shifts that each weight is of."""
        unchanged, weights, weighted = [""], [], []
        for shift, template in self._templates(plan):
            if template is None:
                unchanged.append(shift)
            elif template.columns and not template.elsewhere:
                yield self._view(plan.region, template), [[shift]]
            elif not template.elsewhere:
                weights.append(self._weight(template))
                weighted.append([shift])
        view = self._view(plan.region, None, tuple(weights))
        yield view, [unchanged, *weighted]

    def _templates(self, plan: Plan) -> Iterator[tuple[str, TemplateTable | None]]:
        for name, of in plan.varied.items():
            for side in SIDES:
                acting = of.get(self.number)
                yield f"{name}:{side}", acting and acting.template(side)

    def elsewhere(self) -> list[tuple[Acting, str]]:
        """The sides of systematics whose events are in other files."""
        found: dict[tuple[int, str], Acting] = {}
        for plan in self.plans:
            for of in plan.varied.values():
                acting = of.get(self.number)
                for side in SIDES if acting else ():
                    template = acting.template(side)
                    if template is not None and template.elsewhere:
                        found[acting.number, side] = acting
        return [(acting, side) for (_, side), acting in found.items()]

    def _shifts_by(self, plan: Plan, acting: Acting, side: str) -> list[str]:
        return [
            f"{name}:{side}"
            for name, of in plan.varied.items()
            if of.get(self.number) == acting
        ]

    def _view(
        self,
        region: Region,
        template: TemplateTable | None,
        others: tuple[tuple[str, ...], ...] = (),
    ) -> View:
        return View(
            _features(self.config, region),
            self._weight(template),
            others,
            (*self.table.filter, *region.filter),
            {} if template is None else template.columns,
            _missing(self.config),
            self.config.source.index,
            self.table.scale,
        )

    def _weight(self, template: TemplateTable | None) -> tuple[str, ...]:
        weight = (*self.config.source.weight, *self.table.weight)
        if template is None:
            return weight
        weight = (*(template.weight or weight), *template.factor)
        if template.normalisation is None:
            return weight
        return (*weight, repr(1.0 + template.normalisation))

    def nominal_files(self) -> EventFiles:
        return _event_files(
            self.config,
            self.base,
            self.table,
            self.table.files,
            None,
            self.number,
            self.key,
        )

    def shifted_files(self, acting: Acting, side: str) -> EventFiles:
        template = acting.template(side)
        files = template.files.get(self.table.name, self.table.files)
        return _event_files(
            self.config,
            self.base,
            self.table,
            files,
            template.tree,
            self.number,
            f"systematics.{acting.number}.{side}",
        )

    def _texts(self, shifted: Acting | None = None, shifted_side: str = "") -> _Texts:
        """What is asked of the nominal files, or of those of a shift."""
        texts = _common_texts(self.config, self.key, self.table)
        for region in dict.fromkeys(plan.region for plan in self.plans):
            texts += _region_texts(region)
        if shifted is not None:
            return texts + _template_texts(shifted, shifted_side)
        for plan in self.plans:
            for of in plan.varied.values():
                acting = of.get(self.number)
                for side in SIDES if acting else ():
                    template = acting.template(side)
                    if template is not None and not template.elsewhere:
                        texts += _template_texts(acting, side)
        return list(dict.fromkeys(texts))


def _placed(
    files: EventFiles,
    views: Sequence[View],
    places: Sequence[tuple[Plan, list[list[str]]]],
    rows: int,
) -> Iterator[Part]:
    for seen in files.parts(views, rows=rows):
        for events, (plan, shifts) in zip(seen, places, strict=True):
            for some, names in zip(events, shifts, strict=True):
                for shift in names:
                    yield SampleKey(plan.region.name, plan.process, shift), some


def _shifts(plan: Plan) -> list[str]:
    return [f"{name}:{side}" for name in plan.varied for side in SIDES]


def _event_files(
    config: RunConfig,
    base: Path,
    table: SampleTable | DataTable,
    files: Sequence[FileTable],
    tree: str | None,
    number: int,
    key: str,
) -> EventFiles:
    source = config.source
    folder = base / source.folder
    try:
        found = [(path, f.scale) for f in files for path in find(f.path, folder)]
        paths = tuple(path for path, _ in found)
        find(paths)  # none of them twice
    except (ValueError, OSError) as error:
        raise ConfigError(
            f"`{key}.files`: {error} Paths start at `source.folder`, which is "
            f"{source.folder!r}."
        ) from None
    return EventFiles(
        paths,
        tuple(scale for _, scale in found),
        {**source.columns, **table.columns},
        tree or table.tree or source.tree,
        number=number,
    )


def _features(config: RunConfig, region: Region) -> dict[str, str]:
    return {} if region.counted else dict(config.source.features)


def _missing(config: RunConfig) -> dict[str, Missing]:
    return {
        name: Missing(tuple(table.values), table.neutral, of_missing(name, table))
        for name, table in config.source.missing.items()
    }


def _common_texts(
    config: RunConfig,
    key: str,
    table: SampleTable | DataTable,
    *,
    weighted: bool = True,
) -> _Texts:
    source = config.source
    scored = any(not region.counted for region in regions(config))
    texts = [("source.index", text) for text in source.index]
    if scored:
        texts += [(f"source.features.{n}", t) for n, t in source.features.items()]
    texts += [(f"{key}.filter", text) for text in table.filter]
    if weighted:
        texts += [("source.weight", text) for text in source.weight]
        texts += [(f"{key}.weight", text) for text in table.weight]
    return texts


def _region_texts(region: Region) -> _Texts:
    key = f"channels.{region.number}"
    texts = [(f"{key}.filter", text) for text in region.table.filter]
    if region.table.variable is not None:
        texts.append((f"{key}.variable", region.table.variable))
    return texts


def _template_texts(acting: Acting, side: str) -> _Texts:
    template = acting.template(side)
    key = f"systematics.{acting.number}.{side}"
    if template is None:
        return []
    return [
        *((f"{key}.columns.{n}", t) for n, t in template.columns.items()),
        *((f"{key}.weight", text) for text in template.weight),
        *((f"{key}.factor", text) for text in template.factor),
    ]


@contextlib.contextmanager
def _naming(key: str) -> Iterator[None]:
    """Within it, what is wrong with a file is said with the key that names it."""
    try:
        yield
    except ConfigError:
        raise
    except (ValueError, OSError, ImportError) as error:
        text = str(error)
        said = text if text.startswith("`") else f"`{key}`: {text}"
        raise ConfigError(said) from error
