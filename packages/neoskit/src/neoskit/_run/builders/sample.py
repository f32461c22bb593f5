"""One sample of a description: its files and those of its shifts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..._events import Events, SampleKey
from ..._events.event_files import EventFiles
from ..._events.view import View
from ..config import RunConfig, TemplateTable
from .plan import SIDES, Acting, Plan, plans
from .views import (
    Texts,
    event_files,
    naming,
    sample_texts,
    source_of,
    template_texts,
    view,
    weight,
)

Part = tuple[SampleKey, Events]
"""Some events of a sample, and where they stand."""


class SampleFiles:
    """The files of one sample, and what is taken of each of them.

    Args:
        config: the description.
        base: what its folder is relative to.
        number: of the sample.
    """

    def __init__(self, config: RunConfig, base: Path, number: int):
        self.source = source_of(config)
        self.base = base
        self.number = number
        self.table = config.samples[number]
        self.key = f"samples.{number}"
        self.plans = [plan for plan in plans(config) if number in plan.samples]

    def check(self) -> None:
        """Whether all files have what is asked of them.

        Raises:
            ConfigError: one is not there, cannot be opened, or has no such column.
        """
        with naming(self.key):
            self.nominal().check([*self._texts(), *self._texts_of_shifts()])
        for acting, side, template in self.elsewhere():
            key = f"systematics.{acting.number}.{side}"
            with naming(key):
                texts = [*self._texts(), *template_texts(key, template)]
                self.shifted(acting, side, template).check(texts)

    def nominal(self) -> EventFiles:
        """The files of the nominal events."""
        return event_files(
            self.source, self.table, self.base, key=self.key, number=self.number
        )

    def shifted(self, acting: Acting, side: str, template: TemplateTable) -> EventFiles:
        """The files of the events of one side of a systematic."""
        return event_files(
            self.source,
            self.table,
            self.base,
            key=f"systematics.{acting.number}.{side}",
            # That of the nominal files: the n-th entry of the n-th file is one event.
            number=self.number,
            files=template.files.get(self.table.name),
            tree=template.tree,
        )

    def elsewhere(self) -> list[tuple[Acting, str, TemplateTable]]:
        """The sides of systematics whose events are in other files."""
        found = {
            (acting.number, side): (acting, side, template)
            for acting, side, template in self._acting()
            if template.elsewhere
        }
        return list(found.values())

    def parts(self, rows: int) -> Iterator[Part]:
        """Every event, in every place where it stands.

        Raises:
            ConfigError: a file cannot be read, or an event has a feature or weight
                that is no number.
        """
        views, places = [], []
        for plan in self.plans:
            for one, shifts in self._views(plan):
                views.append(one)
                places.append((plan, shifts))
        with naming(self.key):
            yield from _placed(self.nominal(), views, places, rows)
        for acting, side, template in self.elsewhere():
            here = [(plan, self._shifts_by(plan, acting, side)) for plan in self.plans]
            places = [(plan, [shifts]) for plan, shifts in here if shifts]
            views = [
                view(self.source, self.table, plan.region, template)
                for plan, _ in places
            ]
            with naming(f"systematics.{acting.number}.{side}"):
                files = self.shifted(acting, side, template)
                yield from _placed(files, views, places, rows)

    def _shifts_by(self, plan: Plan, acting: Acting, side: str) -> list[str]:
        return [
            f"{name}:{side}"
            for name, of in plan.varied.items()
            if of.get(self.number) == acting
        ]

    def _views(self, plan: Plan) -> Iterator[tuple[View, list[list[str]]]]:
        """What is taken of the nominal files, and the shifts that each weight is of."""
        unchanged, weights, weighted = [""], [], []
        for name, of in plan.varied.items():
            acting = of.get(self.number)
            for side in SIDES:
                shift = f"{name}:{side}"
                template = None if acting is None else acting.template(side)
                if template is None:
                    unchanged.append(shift)
                elif template.elsewhere:
                    continue
                elif template.columns:
                    one = view(self.source, self.table, plan.region, template)
                    yield one, [[shift]]
                else:
                    weights.append(weight(self.source, self.table, template))
                    weighted.append([shift])
        nominal = view(self.source, self.table, plan.region, None, tuple(weights))
        yield nominal, [unchanged, *weighted]

    def _acting(self) -> Iterator[tuple[Acting, str, TemplateTable]]:
        for plan in self.plans:
            for of in plan.varied.values():
                acting = of.get(self.number)
                if acting is None:
                    continue
                for side in SIDES:
                    template = acting.template(side)
                    if template is not None:
                        yield acting, side, template

    def _texts(self) -> Texts:
        regions = list(dict.fromkeys(plan.region for plan in self.plans))
        return sample_texts(self.source, self.key, self.table, regions)

    def _texts_of_shifts(self) -> Texts:
        texts = [
            text
            for acting, side, template in self._acting()
            if not template.elsewhere
            for text in template_texts(f"systematics.{acting.number}.{side}", template)
        ]
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
