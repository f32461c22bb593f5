"""Descriptions → what is measured."""

from typing import Any

import fitkit

from ..._statmodel import Measurement
from ..config import LUMI, RunConfig


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
    return Measurement(
        table.signals,
        modifiers,
        poi=table.poi,
        mc_statistics=table.mc_statistics,
        floor=table.floor,
        normsys_code=table.normsys_code,
        histosys_code=table.histosys_code,
    )
