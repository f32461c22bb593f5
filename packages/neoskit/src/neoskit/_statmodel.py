"""Templates → statistical model: which processes are signal, and what is uncertain.

The model is HistFactory's, built by fitkit from templates that may be traced: the
gradient of any number computed with the model reaches the events.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, final

import equinox as eqx

import fitkit
from fitkit import xp

from ._checks import check_names
from ._custom_types import Yields
from ._systematics import Systematics
from ._templates import Templates


@final
class Measurement(eqx.Module):
    """What is measured, and what is uncertain.

    Shape systematics need not be listed here: every variation of the dataset becomes a
    `HistoSys` of its name, unless `systematics` says otherwise.

    Args:
        signals: the processes that the parameter of interest scales.
        modifiers: for each process what else acts on it in every channel, as fitkit's
            own objects: `NormSys` for a normalisation uncertainty, `NormFactor` for a
            normalisation that the data determine, `Lumi`. Modifiers of one name share
            one parameter.
        poi: name of the parameter of interest, the signal strength.
        settings: start values, bounds, widths of parameters where fitkit's defaults
            do not do.
        mc_statistics: the processes whose finite samples make an uncertainty in each
            bin of each channel (`StatError`): `True` for all of them, `False` for
            none. A training sees them: a bin of few events is worth less.
        floor: smallest yield of a process in a bin. Signed weights can make a bin
            negative, which is no expectation of a counting experiment; 0 cuts exactly
            that and nothing else.
        normsys_code: interpolation of normalisations, `"1"` or `"4"`.
        histosys_code: interpolation of shapes, `"0"`, `"2"` or `"4p"`. Code 0 has a
            kink at the nominal point, which hides a shape that moves a bin to the same
            side up and down (arXiv:2203.05570 used it); 4p is smooth.
        systematics: how variations are treated in single channels, and what scales a
            process in one channel alone, as the file of an analysis says it.

    Example:
        >>> import fitkit
        >>> measurement = Measurement(
        ...     signals=("ggH", "qqH"),
        ...     modifiers={
        ...         "Z": (fitkit.NormSys("z_norm", 0.95, 1.05),),
        ...         "W": (fitkit.NormFactor("w_norm"),),
        ...     },
        ... )
    """

    signals: tuple[str, ...] = eqx.field(static=True)
    modifiers: dict[str, tuple[fitkit.AbstractModifier, ...]]
    poi: str = eqx.field(static=True)
    settings: dict[str, fitkit.ParameterSettings]
    mc_statistics: bool | tuple[str, ...] = eqx.field(static=True)
    floor: float = eqx.field(static=True)
    normsys_code: str = eqx.field(static=True)
    histosys_code: str = eqx.field(static=True)
    systematics: Systematics

    def __init__(
        self,
        signals: Sequence[str],
        modifiers: Mapping[str, Sequence[fitkit.AbstractModifier]] | None = None,
        *,
        poi: str = "mu",
        settings: Mapping[str, fitkit.ParameterSettings] | None = None,
        mc_statistics: bool | Sequence[str] = True,
        floor: float = 0.0,
        normsys_code: str = "4",
        histosys_code: str = "4p",
        systematics: Systematics | None = None,
    ):
        if isinstance(signals, str):
            raise TypeError(
                f"`Measurement(signals={signals!r})` must be a list of process names. "
                f"Write `signals=({signals!r},)`."
            )
        self.signals = tuple(signals)
        self.modifiers = {k: tuple(v) for k, v in (modifiers or {}).items()}
        self.poi = poi
        self.settings = dict(settings or {})
        self.mc_statistics = (
            mc_statistics if isinstance(mc_statistics, bool) else tuple(mc_statistics)
        )
        self.floor = floor
        self.normsys_code = normsys_code
        self.histosys_code = histosys_code
        self.systematics = Systematics() if systematics is None else systematics

    def __check_init__(self) -> None:
        if not self.signals:
            raise ValueError(
                "`Measurement(signals=...)` is empty. Name the processes that the "
                f"parameter of interest {self.poi!r} scales."
            )
        check_names("Measurement(poi=...)", (self.poi,))
        if not self.floor >= 0:
            raise ValueError(
                f"`Measurement(floor=...)` must not be negative; got {self.floor}."
            )

    def check(self, templates: Templates) -> None:
        """Raise where a process is named that no channel has.

        Raises:
            ValueError: naming it and the processes that there are.
        """
        known = {name: None for processes in templates.values() for name in processes}
        statistics = () if isinstance(self.mc_statistics, bool) else self.mc_statistics
        for what, names in (
            ("signals", self.signals),
            ("modifiers", self.modifiers),
            ("mc_statistics", statistics),
        ):
            for name in names:
                if name not in known:
                    raise ValueError(
                        f"`Measurement({what}=...)` names the process {name!r}, which "
                        f"no channel has; there are {', '.join(known)}."
                    )

    def model(
        self,
        templates: Templates,
        *,
        statistics: Literal["parameters", "profiled"] = "parameters",
    ) -> fitkit.Model:
        """The HistFactory model of the templates.

        Args:
            templates: smooth or hard.
            statistics: whether the factors of the finite samples are parameters of the
                model, or profiled bin by bin in closed form (`fitkit.Model`): the same
                likelihood at its maximum in them, with fewer parameters.

        Raises:
            ValueError: a process is named that no channel has.
        """
        self.check(templates)
        channels = [
            fitkit.Channel(
                channel,
                [
                    fitkit.Sample(
                        name,
                        self._floored(process.nominal.yields),
                        self._modifiers(channel, name, templates),
                    )
                    for name, process in processes.items()
                ],
            )
            for channel, processes in templates.items()
        ]
        return fitkit.Model(
            channels,
            poi=self.poi,
            settings=self.settings,
            normsys_code=self.normsys_code,
            histosys_code=self.histosys_code,
            mc_statistics=statistics,
        )

    def without_mc_statistics(self) -> "Measurement":
        """The same, as if the samples were infinite."""
        return Measurement(
            self.signals,
            self.modifiers,
            poi=self.poi,
            settings=self.settings,
            mc_statistics=False,
            floor=self.floor,
            normsys_code=self.normsys_code,
            histosys_code=self.histosys_code,
            systematics=self.systematics,
        )

    def _modifiers(
        self, channel: str, name: str, templates: Templates
    ) -> tuple[fitkit.AbstractModifier, ...]:
        """Everything that acts on one process in one channel."""
        # Modifiers of one name share one parameter, in all processes and channels.
        signal = (fitkit.NormFactor(self.poi),) if name in self.signals else ()
        varied = self.systematics.modifiers(channel, name, templates, self._floored)
        statistics: tuple[fitkit.AbstractModifier, ...] = ()
        if self._has_statistics(name):
            # One name for each channel: the samples of a channel share the uncertainty
            # of their sum (Barlow and Beeston's, one parameter for each bin).
            error = _root(templates[channel][name].nominal.variance)
            statistics = (fitkit.StatError(f"staterror_{channel}", error),)
        return (*signal, *self.modifiers.get(name, ()), *varied, *statistics)

    def _has_statistics(self, name: str) -> bool:
        if isinstance(self.mc_statistics, bool):
            return self.mc_statistics
        return name in self.mc_statistics

    def _floored(self, yields: Yields) -> Yields:
        # `where`, not `maximum`: at the floor itself the derivative is the yields' own
        # and not half of it.
        return xp.where(yields < self.floor, self.floor, yields)


def _root(variance: Yields) -> Yields:
    """√variance with a finite derivative (0) where nothing was filled."""
    filled = variance > 0
    return xp.where(filled, xp.sqrt(xp.where(filled, variance, 1.0)), 0.0)
