"""A measurement whose systematics differ from channel to channel."""

from collections.abc import Mapping
from typing import Literal, final

import equinox as eqx

import fitkit

from .._custom_types import Yields
from .._statmodel import Measurement
from .._templates import ProcessTemplates, Template, Templates
from .systematics import Systematics


@final
class SystematicMeasurement(eqx.Module):
    """What is measured, and what is uncertain, channel by channel.

    Args:
        measurement: all that is the same in every channel.
        systematics: what becomes of the variations.
    """

    measurement: Measurement
    systematics: Systematics

    def check(self, templates: Templates) -> None:
        """As `Measurement.check`."""
        self.measurement.check(templates)

    def model(
        self,
        templates: Templates,
        *,
        statistics: Literal["parameters", "profiled"] = "parameters",
    ) -> fitkit.Model:
        """The HistFactory model of the templates.

        Args:
            templates: smooth or hard.
            statistics: as of `Measurement.model`.

        Raises:
            ValueError: a process is named that no channel has.
        """
        self.check(templates)
        measurement = self.measurement
        return fitkit.Model(
            [
                fitkit.Channel(
                    channel,
                    [self._sample(channel, name, templates) for name in processes],
                )
                for channel, processes in templates.items()
            ],
            poi=measurement.poi,
            settings=measurement.settings,
            normsys_code=measurement.normsys_code,
            histosys_code=measurement.histosys_code,
            mc_statistics=statistics,
        )

    def without_mc_statistics(self) -> "SystematicMeasurement":
        """The same, as if the samples were infinite."""
        return SystematicMeasurement(
            self.measurement.without_mc_statistics(), self.systematics
        )

    def _sample(self, channel: str, name: str, templates: Templates) -> fitkit.Sample:
        measurement, process = self.measurement, templates[channel][name]

        def floored(yields: Yields) -> Yields:
            return measurement._floored(Template(yields, yields))

        # Without its variations: what they become is said by the systematics.
        alone = ProcessTemplates(process.nominal, {})
        others = measurement._modifiers(channel, name, alone)
        varied = self.systematics.modifiers(channel, name, templates, floored)
        return fitkit.Sample(name, floored(process.nominal.yields), (*others, *varied))

    @property
    def signals(self) -> tuple[str, ...]:
        """The processes that the parameter of interest scales."""
        return self.measurement.signals

    @property
    def modifiers(self) -> Mapping[str, tuple[fitkit.AbstractModifier, ...]]:
        """What acts on each process in every channel."""
        return self.measurement.modifiers

    @property
    def poi(self) -> str:
        """Name of the parameter of interest."""
        return self.measurement.poi

    @property
    def settings(self) -> Mapping[str, fitkit.ParameterSettings]:
        """Settings of parameters that are not the defaults."""
        return self.measurement.settings

    @property
    def mc_statistics(self) -> bool | tuple[str, ...]:
        """The processes whose finite samples make an uncertainty."""
        return self.measurement.mc_statistics

    @property
    def floor(self) -> float:
        """What a bin is at least."""
        return self.measurement.floor

    @property
    def normsys_code(self) -> str:
        """Interpolation of normalisations."""
        return self.measurement.normsys_code

    @property
    def histosys_code(self) -> str:
        """Interpolation of shapes."""
        return self.measurement.histosys_code
