"""From a card and its histograms to a model."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from ..._histfactory.expression import Expression, Name
from ..._histfactory.functions import ExpressionFunction, Functions
from ..._histfactory.modifiers import (
    AbstractModifier,
    GammaNorm,
    Lumi,
    NormFactor,
    NormSys,
)
from ..._histfactory.modifiers.base import (
    ParameterDeclaration,
    ParameterKind,
    Place,
    Tables,
    record,
)
from ..._histfactory.modifiers.function import FunctionFactor
from ..._histfactory.spec import Channel, ParameterSettings, Sample
from ..._model.constraints import Normal
from .card import Card, Cell, Column, Systematic, fault
from .effects import Effects, effects_on
from .formula import of_errors, resolved_formulas
from .functions import ErrorOfSum
from .shapes import shape_of
from .statistics import Treatment, treatment
from .strengths import Strengths
from .templates import Template, Templates, same_bins

STATISTICS = "MC statistics"
"""The name of a sample that has nothing but the errors of templates."""


@record
class BinParameters(AbstractModifier):
    """Parameters of bins with constraints of their own, as the errors of templates.

    Attributes:
        name: the parameter, `[bins]`.
        kind: normal at 0, or a count that is `events` where the factor is 1.
        events: `[bins]`.
        uses: of the sample's bins; elsewhere the factor is not there.
    """

    name: str
    kind: ParameterKind
    events: np.ndarray

    def declare(self, tables: Tables, place: Place) -> None:
        normal = self.kind in (ParameterKind.NORMAL, ParameterKind.SHIFT)
        tables.parameter(
            self.name,
            place,
            ParameterDeclaration(
                place.size,
                False,
                self.kind,
                init=0.0 if normal else 1.0,
                lower=-7.0 if normal else 0.0,
                upper=7.0 if normal else np.inf,
                aux=np.zeros(place.size) if normal else self.events,
                sigma=np.ones(place.size) if normal else self.events**-0.5,
            ),
        )
        # The sample is made of errors, and has none of its own.
        tables.factor(self.name, place, np.arange(place.size), np.zeros(place.size))


@dataclasses.dataclass
class Built:
    """What a model is made of.

    Attributes:
        card: what it was made from.
        channels: for `Model`.
        settings: of parameters.
        counts: observed, by channel.
        poi: the first strength, None without any.
    """

    card: Card
    channels: list[Channel]
    settings: dict[str, ParameterSettings]
    counts: dict[str, Float[np.ndarray, " bins"]]
    poi: str | None


def build(card: Card, templates: Templates, scaled: Strengths) -> Built:
    """Make channels, samples, modifiers and settings of a card.

    Raises:
        WorkspaceError: naming the line of what does not fit.
    """
    return _Builder(card, templates, scaled).build()


class _Builder:
    def __init__(self, card: Card, templates: Templates, scaled: Strengths):
        self.card, self.templates, self.scaled = card, templates, scaled
        asymmetric = {
            name: each
            for name, each in card.constraints.items()
            if each.down != each.up
        }
        self.asymmetric = asymmetric
        parameters = {each.name for each in card.systematics} | {*scaled.names}
        parameters |= {each.name for each in card.rates if each.arguments is None}
        parameters |= {*card.constraints}
        self.formulas = resolved_formulas(
            card.rates, card.extras, parameters, asymmetric
        )
        self.modifiers: dict[str, AbstractModifier] = {}
        self.settings: dict[str, ParameterSettings] = {}
        self.starts: dict[str, float] = {}

    def build(self) -> Built:
        self._settings()
        channels, counts = [], {}
        for name in self.card.channels:
            samples, bins = self._channel(name)
            channels.append(Channel(name, samples))
            counts[name] = self._observed(name, bins)
        names = self.scaled.names
        poi = names[0] if names else None
        return Built(self.card, channels, self._used(channels), counts, poi)

    # --- parameters -------------------------------------------------------------------
    def _settings(self) -> None:
        """Starts, bounds and constraints, by parameter."""
        card, given = self.card, dict[str, dict[str, Any]]()
        for name, (start, low, high) in self.scaled.settings.items():
            given[name] = {"init": start, "bounds": (low, high)}
        for each in card.systematics:
            given.setdefault(each.name, _of_kind(each))
        for rate in card.rates:
            if rate.arguments is None:
                before = given.get(rate.name, {}).get("init")
                if before is not None and before != rate.value:
                    raise fault(
                        rate.line,
                        f"{rate.name!r} starts at {rate.value:g} here and at "
                        f"{before:g} before. Give one value.",
                    )
                bounds = rate.bounds or (-np.inf, np.inf)
                given[rate.name] = {"init": rate.value, "bounds": bounds}
        for name, extra in card.extras.items():
            if extra.bounds:
                given[name] = {"init": extra.value, "bounds": extra.bounds}
        for name in card.constraints:
            self._constrain(given.setdefault(name, {}), name)
        for name in card.frozen:
            given.setdefault(name, {})["fixed"] = True
        self.settings = {n: ParameterSettings(**each) for n, each in given.items()}
        self.starts = {n: each.get("init", 0.0) for n, each in given.items()}
        self.starts |= {n: self.starts.get(n, 1.0) for n in self.scaled.names}

    def _constrain(self, given: dict[str, Any], name: str) -> None:
        constraint = self.card.constraints[name]
        if name in self.asymmetric:
            given |= {"init": 0.0, "aux": 0.0, "sigma": 1.0, "bounds": (-4.0, 4.0)}
            return
        mean, error = constraint.mean, constraint.up
        given |= {"init": mean, "aux": mean, "sigma": error}
        given["bounds"] = constraint.bounds or (mean - 4 * error, mean + 4 * error)

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
        return self._with_statistics(channel, nominal, flags), bins

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
        modifiers = self._scaling(column.cell, effects)
        for name, (lo, hi) in effects.factors.items():
            constraint = None if name in effects.free else Normal
            modifiers.append(NormSys(name, lo, hi, "lnN", constraint))
        if template is None:
            return Sample(column.process, [scale], modifiers)
        yields, changing = shape_of(effects, template, scale, statistics=own_norm)
        return Sample(column.process, yields, modifiers + changing)

    def _scaling(self, cell: Cell, effects: Effects) -> list[AbstractModifier]:
        """The modifiers that scale a process by parameters, or functions of these."""
        strength = self.scaled.of[cell]
        names = [strength] if strength != "1" else []
        modifiers = [
            self._made(name, lambda name=name: NormFactor(name)) for name in names
        ]
        for name in effects.rates:
            modifiers.append(self._made(name, lambda name=name: self._rate(name)))
        for name, count, _ in effects.counts:
            made = self._made(name, lambda name=name, n=count: GammaNorm(name, n))
            modifiers.append(made)
        for name, error in effects.gammas.items():
            modifiers.append(self._gamma(cell, name, error))
        for name, slope in effects.linear.items():
            root = _linear(name, slope)
            modifiers.append(_function(f"1{slope:+g}*{name}", root, (name,)))
        return modifiers

    def _made(
        self, name: str, make: Callable[[], AbstractModifier]
    ) -> AbstractModifier:
        """A modifier that many samples share, made once."""
        if name not in self.modifiers:
            self.modifiers[name] = make()
        return self.modifiers[name]

    def _rate(self, name: str) -> AbstractModifier:
        if name in self.formulas:
            formula = self.formulas[name]
            return _function(name, formula, formula.names)
        if name in self.asymmetric:
            formula = of_errors(name, self.asymmetric[name])
            return _function(f"{name} of its errors", formula, (name,))
        if name in self.card.constraints:
            return Lumi(name, self.card.constraints[name].up)
        return NormFactor(name)

    def _gamma(self, cell: Cell, name: str, error: float) -> AbstractModifier:
        others = {
            effect
            for each in self.card.systematics
            if each.name == name and each.kind == "gmM"
            for effect in each.effects.values()
        }
        line = next(s.line for s in self.card.systematics if s.name == name)
        if len(others) > 1:
            raise fault(
                line,
                f"{name!r} has {len(others)} different errors; a gmM has one for all "
                "processes.",
            )
        if not 0 < error < 1:
            raise fault(line, f"the error of {name!r} must be below 1; got {error:g}.")
        tau = error**-2
        # The density x^(tau - 1) exp(-tau x) is that of a count of tau - 1.
        return self._made(name, lambda: GammaNorm(name, tau - 1, tau, 1.0))

    # --- errors of templates ----------------------------------------------------------
    def _with_statistics(
        self, channel: str, nominal: list[tuple[Column, Template]], flags: Any
    ) -> list[Sample]:
        samples = [self._sample(*each, own_norm=True) for each in nominal]
        all_effects = [
            effects_on(self.card, column.cell, each.integral, self.templates)
            for column, each in nominal
        ]
        errors = np.array([each.errors for _, each in nominal])
        of_sum = self._error_of_sum(nominal, all_effects, errors)
        function, arguments = of_sum
        start = np.array([self.starts.get(name, 0.0) for name in arguments])
        chosen = treatment(
            flags,
            np.array([each.values for _, each in nominal]),
            errors,
            np.asarray(function.normalisations(start)),
            np.array([column.signal for column, _ in nominal]),
        )
        name = f"prop_bin{channel}"
        if chosen.total.any():
            samples.append(self._total(name, of_sum, chosen.total))
        for row, (column, _) in enumerate(nominal):
            own = f"{name}_{column.process}"
            samples[row], extra = self._single(own, row, samples[row], of_sum, chosen)
            samples += extra
        return samples

    def _error_of_sum(
        self,
        nominal: list[tuple[Column, Template]],
        all_effects: list[Effects],
        errors: Float[np.ndarray, "processes bins"],
    ) -> tuple[ErrorOfSum, tuple[str, ...]]:
        """The error of the sum of a channel's templates, and its arguments."""
        names: dict[str, None] = {}
        scaling = []
        for (column, _), effects in zip(nominal, all_effects, strict=True):
            names |= dict.fromkeys(effects.factors)
            factors, counts = self._factors(column.cell, effects), 1.0
            if effects.counts:
                counts = 1 / (effects.counts[0][1] or 1.0)
            names |= dict.fromkeys(n for _, own in factors for n in own)
            scaling.append((factors, counts))
        position = {name: i for i, name in enumerate(names)}
        slope, bend = np.zeros((2, len(names), len(nominal)))
        for row, effects in enumerate(all_effects):
            for name, (lo, hi) in effects.factors.items():
                log_lo, log_hi = np.log(lo), np.log(hi)
                slope[position[name], row] = (log_hi - log_lo) / 2
                bend[position[name], row] = (log_hi + log_lo) / 2
        scaled = errors * np.array([counts for _, counts in scaling])[:, None]
        functions = _of_rows([factors for factors, _ in scaling], position)
        made = ErrorOfSum(errors.shape[1], slope, bend, functions, scaled**2)
        return made, tuple(names)

    def _factors(
        self, cell: Cell, effects: Effects
    ) -> list[tuple[ExpressionFunction, tuple[str, ...]]]:
        """What scales a process apart from log-normal factors, as functions."""
        found = []
        for modifier in self._scaling(cell, effects):
            if isinstance(modifier, FunctionFactor):
                found.append((modifier.function, modifier.arguments))
            else:
                name = modifier.name
                key = f"value of {name}"
                made = self._made(
                    key,
                    lambda name=name: _function(
                        name, Expression(name, Name(name), (name,)), (name,)
                    ),
                )
                found.append((made.function, made.arguments))
        return found

    def _total(
        self,
        name: str,
        of_sum: tuple[ErrorOfSum, tuple[str, ...]],
        here: Float[np.ndarray, " bins"],
    ) -> Sample:
        """The shift of the whole bins."""
        self._fix(name, ~here)
        factor = FunctionFactor(f"{name} error", *of_sum)
        parameters = BinParameters(name, ParameterKind.SHIFT, np.ones(here.shape))
        return Sample(STATISTICS, here.astype(float), (factor, parameters))

    def _single(
        self,
        name: str,
        row: int,
        sample: Sample,
        of_sum: tuple[ErrorOfSum, tuple[str, ...]],
        chosen: Treatment,
    ) -> tuple[Sample, list[Sample]]:
        """Parameters of one process: counts as a factor, normal ones as a shift."""
        counted, normal = chosen.counted[row], chosen.normal[row]
        extra = []
        if counted.any():
            self._fix(name, ~counted)
            events = np.where(counted, chosen.events[row], 1.0)
            parameters = BinParameters(name, ParameterKind.COUNT, events)
            sample = Sample(sample.name, sample.yields, (*sample.modifiers, parameters))
        if normal.any():
            name = f"{name}_normal" if counted.any() else name
            self._fix(name, ~normal)
            function, arguments = of_sum
            keep = np.zeros_like(function.variances)
            keep[row] = function.variances[row]
            own = dataclasses.replace(function, variances=keep)
            factor = FunctionFactor(f"{name} error", own, arguments)
            parameters = BinParameters(
                name, ParameterKind.NORMAL, np.ones(normal.shape)
            )
            shift = Sample(
                f"{STATISTICS} of {sample.name}",
                normal.astype(float),
                (factor, parameters),
            )
            extra.append(shift)
        return sample, extra

    def _fix(self, name: str, fixed: Float[np.ndarray, " bins"]) -> None:
        self.settings[name] = ParameterSettings(fixed=fixed)


def _of_kind(systematic: Systematic) -> dict[str, Any]:
    """Bounds and constraint of the parameter of a systematic, as Combine has them."""
    normal = {"aux": 0.0, "sigma": 1.0, "init": 0.0}
    match systematic.kind:
        case "gmN":
            return {}
        case "gmM":
            (error, *_) = systematic.effects.values() or (0.5,)
            width = 5 * error if isinstance(error, float) else 1.0
            return {"bounds": (max(0.01, 1 - width), 1 + width)}
        case "lnU" | "shapeU":
            return {"bounds": (-1.0, 1.0), "init": 0.0}
        case "unif":
            low, high = systematic.arguments
            return {"bounds": (low, high), "init": (low + high) / 2}
        case "trG":
            slopes = [s for s in systematic.effects.values() if isinstance(s, float)]
            low = max([-7.0, *(-1 / slope for slope in slopes if slope > 0)])
            high = min([7.0, *(-1 / slope for slope in slopes if slope < 0)])
            return normal | {"bounds": (low, high)}
        case "shape":
            return normal | {"bounds": (-4.0, 4.0)}
    return normal | {"bounds": (-7.0, 7.0)}


def _linear(name: str, slope: float) -> Expression:
    from ..._histfactory.expression import Call, Number

    root = Call("+", (Number(1.0), Call("*", (Number(slope), Name(name)))))
    return Expression(f"1{slope:+g}*{name}", root, (name,))


def _function(
    name: str, expression: Expression, arguments: tuple[str, ...]
) -> FunctionFactor:
    made = ExpressionFunction(expression, arguments, 1, {})
    return FunctionFactor(name, made, arguments)


def _of_rows(
    rows: list[list[tuple[ExpressionFunction, tuple[str, ...]]]],
    position: dict[str, int],
) -> Functions | None:
    """The functions of some processes as one table with one bin."""
    members: dict[int, tuple[ExpressionFunction, tuple[str, ...]]] = {}
    for row in rows:
        members |= {id(function): (function, own) for function, own in row}
    if not members:
        return None
    place = {key: i for i, key in enumerate(members)}
    index = np.full((max(map(len, rows)), len(rows), 1), len(members), dtype=np.int32)
    for i, row in enumerate(rows):
        for slot, (function, _) in enumerate(row):
            index[slot, i, 0] = place[id(function)]
    return Functions(
        members=tuple(function for function, _ in members.values()),
        positions=tuple(
            np.array([position[name] for name in own]) for _, own in members.values()
        ),
        arguments=np.arange(len(position), dtype=np.int32),
        index=index,
    )
