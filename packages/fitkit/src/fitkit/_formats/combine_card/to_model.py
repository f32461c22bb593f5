"""From a card and its histograms to what a model is made of."""

import dataclasses

import numpy as np
from jaxtyping import Float

from ..._histfactory.modifiers import NormSys
from ..._histfactory.spec import Channel, ParameterSettings, Sample
from ..._model.constraints import Normal
from .bin_errors import Process, with_errors
from .card import Card, Column, fault
from .effects import effects_on
from .parameters import made_settings, nominal_values, settings_of
from .scaling import Scaling
from .shapes import shape_of
from .strengths import Strengths
from .templates import Template, Templates, same_bins


@dataclasses.dataclass
class Built:
    """What a model is made of.

    Attributes:
        card: what it was made from.
        channels: for `Model`.
        settings: of parameters.
        counts: observed, by channel.
        poi: the strengths: one, several, or None.
    """

    card: Card
    channels: list[Channel]
    settings: dict[str, ParameterSettings]
    counts: dict[str, Float[np.ndarray, " bins"]]
    poi: str | tuple[str, ...] | None


def build(card: Card, templates: Templates, scaled: Strengths) -> Built:
    """Make channels, samples, modifiers and settings of a card.

    Raises:
        WorkspaceError: naming the line of what does not fit.
    """
    return _Builder(card, templates, scaled).build()


class _Builder:
    def __init__(self, card: Card, templates: Templates, scaled: Strengths):
        self.card, self.templates, self.scaled = card, templates, scaled
        self.scaling = Scaling(card, scaled)
        given = settings_of(card, scaled)
        self.nominal = nominal_values(card, scaled, given)
        self.settings = made_settings(given)

    def build(self) -> Built:
        channels, counts = [], {}
        for name in self.card.channels:
            samples, bins = self._channel(name)
            channels.append(Channel(name, samples))
            counts[name] = self._observed(name, bins)
        names = self.scaled.names
        poi = names if len(names) > 1 else (names[0] if names else None)
        return Built(self.card, channels, self._used(channels), counts, poi)

    def _used(self, channels: list[Channel]) -> dict[str, ParameterSettings]:
        """The settings of those parameters that the model has."""
        used = {
            name
            for channel in channels
            for sample in channel.samples
            for modifier in sample.modifiers
            for name in (modifier.name, *getattr(modifier, "arguments", ()))
        }
        return {name: each for name, each in self.settings.items() if name in used}

    # --- channels ---------------------------------------------------------------------
    def _channel(self, channel: str) -> tuple[list[Sample], int]:
        columns = [
            column
            for column in self.card.columns
            if column.channel == channel and self._contributes(column)
        ]
        if not columns:
            raise fault(0, f"no process of channel {channel!r} has any rate.")
        if self.templates.counts_only(channel):
            return [self._sample(column, None) for column in columns], 1
        nominal = [
            (column, self.templates.nominal(channel, column.process))
            for column in columns
        ]
        rule = self.card.rule(channel, columns[0].process)
        line = rule.line if rule else 0
        bins = same_bins(line, [(repr(c.process), each) for c, each in nominal])
        nominal = [(c, each) for c, each in nominal if self._has_events(c, each)]
        if (flags := self.card.statistics.get(channel)) is None:
            return [self._sample(column, each) for column, each in nominal], bins
        samples, processes = [], []
        for column, each in nominal:
            samples.append(self._sample(column, each, own_norm=True))
            effects = effects_on(self.card, column.cell, each.integral, self.templates)
            processes.append(Process(column, each, effects))
        made = with_errors(
            channel, samples, processes, self.scaling, flags, self.nominal
        )
        for name, fixed in made.fixed.items():
            self.settings[name] = ParameterSettings(fixed=fixed)
        return made.samples, bins

    def _contributes(self, column: Column) -> bool:
        if self.scaled.of[column.cell] == "0":
            return False
        # Zero events in a control region still allow for some.
        return column.rate != 0 or any(
            each.kind == "gmN" and column.cell in each.effects
            for each in self.card.systematics
        )

    def _has_events(self, column: Column, template: Template) -> bool:
        if column.rate == -1 or template.integral == 0:
            return template.integral != 0
        rule = self.card.rule(*column.cell)
        if abs(template.integral - column.rate) > 0.01 * max(1.0, column.rate):
            raise fault(
                rule.line if rule else 0,
                f"the histogram of {column.process!r} in {column.channel!r} sums to "
                f"{template.integral:g}, but its rate is {column.rate:g}. Correct one, "
                "or write -1 as the rate.",
            )
        return True

    def _observed(self, channel: str, bins: int) -> Float[np.ndarray, " bins"]:
        count = self.card.observed[channel]
        if self.templates.counts_only(channel):
            if count == -1:
                raise fault(
                    0, f"channel {channel!r} observes -1, but has no histogram."
                )
            return np.array([count])
        template = self.templates.nominal(channel, "data_obs")
        rule = self.card.rule(channel, "data_obs")
        line = rule.line if rule else 0
        if len(template.values) != bins:
            raise fault(
                line,
                f"the data of channel {channel!r} have {len(template.values)} bins, "
                f"its processes {bins}.",
            )
        if (template.values < 0).any():
            raise fault(line, f"the data of channel {channel!r} have a negative count.")
        if count >= 0 and abs(template.integral - count) > 0.005 * max(count, 2.0):
            raise fault(
                line,
                f"the data of channel {channel!r} sum to {template.integral:g}, but "
                f"the card observes {count:g}. Correct one, or write -1.",
            )
        return template.values

    # --- samples ----------------------------------------------------------------------
    def _sample(
        self, column: Column, template: Template | None, *, own_norm: bool = False
    ) -> Sample:
        """A process in a channel.

        Args:
            column: of the card.
            template: its histogram, None for a count.
            own_norm: whether the histogram gives the rate, whatever the text says.
        """
        rate = column.rate
        if template is not None and (rate == -1 or own_norm):
            rate = template.integral
        effects = effects_on(self.card, column.cell, rate, self.templates)
        scale = rate
        if effects.counts:
            (_, count, alpha) = effects.counts[0]
            scale = alpha if not own_norm else rate / (count or 1.0)
        modifiers = self.scaling.modifiers(column.cell, effects)
        for name, (lo, hi) in effects.factors.items():
            constraint = None if name in effects.free else Normal
            # Of NumPy already: cards have hundreds of thousands of them.
            pair = np.float64(lo), np.float64(hi)
            modifiers.append(NormSys(name, *pair, "lnN", constraint))
        if template is None:
            return Sample(column.process, [scale], modifiers)
        yields, changing = shape_of(effects, template, scale, statistics=own_norm)
        return Sample(column.process, yields, modifiers + changing)
