"""Descriptions → what is measured."""

from typing import Any

import fitkit

from ..._statmodel import Measurement
from ..._systematics import Normalisation, Systematics, Treatment
from ..config import LUMI, FilesTable, RunConfig, SystematicTable
from .plan import plans, regions


def build_measurement(config: RunConfig) -> Measurement:
    """What is measured, and what is uncertain."""
    table = config.measurement
    modifiers: dict[str, list[Any]] = {}

    def act(process: str, modifier: Any) -> None:
        modifiers.setdefault(process, []).append(modifier)

    for process, name in table.free.items():
        act(process, fitkit.NormFactor(name))
    for norm in table.normalisations:
        for process in norm.processes:
            act(process, fitkit.NormSys(norm.name, lo=norm.down, hi=norm.up))
    if table.lumi is not None:
        for process in table.lumi.processes:
            act(process, fitkit.Lumi(LUMI, sigma=table.lumi.uncertainty))
    described = isinstance(config.source, FilesTable) and config.systematics
    return Measurement(
        table.signals,
        modifiers,
        poi=table.poi,
        mc_statistics=table.mc_statistics,
        floor=table.floor,
        normsys_code=table.normsys_code,
        histosys_code=table.histosys_code,
        systematics=build_systematics(config) if described else None,
    )


def build_systematics(config: RunConfig) -> Systematics:
    """What becomes of the variations of every process in every channel."""
    treatments, normalisations = {}, {}
    for plan in plans(config):
        place = (plan.region.name, plan.process)
        treatments[place] = {
            # Of several that act by one parameter the first one says what is done.
            name: _treatment(next(iter(of.values())).table)
            for name, of in plan.varied.items()
        }
        normalisations[place] = [
            Normalisation(name, lo, hi) for name, (lo, hi) in plan.normalised.items()
        ]
    groups: dict[str, list[str]] = {}
    for region in regions(config):
        groups.setdefault(region.table.name, []).append(region.name)
    return Systematics(
        treatments,
        normalisations,
        [group for group in groups.values() if len(group) > 1],
    )


def _treatment(table: SystematicTable) -> Treatment:
    effect = table.effect or ("norm" if table.normalises else "template")
    return Treatment(
        table.symmetrise,
        table.smooth is not None,
        effect,
        table.prune.norm,
        table.prune.shape,
    )
