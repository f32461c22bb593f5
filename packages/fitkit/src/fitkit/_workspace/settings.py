"""Settings of parameters, as a measurement lists them and as a model has them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._histfactory.spec import ParameterSettings
from .schema import MeasurementDocument, ParameterDocument, WorkspaceDocument


def parameter_types(workspace: WorkspaceDocument) -> dict[str, str]:
    """The parameters that the modifiers name, each with the type of its first one."""
    types: dict[str, str] = {}
    for channel in workspace.channels:
        for sample in channel.samples:
            for modifier in sample.modifiers:
                types.setdefault(modifier.name, modifier.type)
    return types


def listed_order(bins: Mapping[str, int]) -> np.ndarray:
    """The places of a parameter's values in the order in which documents list them.

    A model has the values of a staterror that spans several channels in the channels'
    own order; the settings of a measurement list them by the channels' sorted names.

    Args:
        bins: the number of values in each channel, in the channels' order.
    """
    channel_of = np.repeat(list(bins), list(bins.values()))
    return np.argsort(channel_of, kind="stable")


def staterror_bins(workspace: WorkspaceDocument, name: str) -> dict[str, int]:
    """The number of values of a staterror in each channel."""
    return {
        channel.name: len(channel.samples[0].data)
        for channel in workspace.channels
        if any(
            modifier.name == name and modifier.type == "staterror"
            for sample in channel.samples
            for modifier in sample.modifiers
        )
    }


def settings_of(
    measurement: MeasurementDocument,
    workspace: WorkspaceDocument,
    types: Mapping[str, str],
    *,
    complete: bool,
) -> dict[str, ParameterSettings]:
    """The settings of a measurement, as a model takes them.

    Settings of parameters that no modifier names are left out: they are common in
    background-only documents, where they wait for the signal.

    Args:
        measurement: of the document.
        workspace: the document.
        types: its `parameter_types`.
        complete: whether the measurement must be fit for use: where not, a luminosity
            without a width gets one, so that all else can be checked.
    """
    settings = {}
    for each in measurement.config.parameters:
        if each.name not in types:
            continue
        order = None
        if types[each.name] == "staterror":
            order = listed_order(staterror_bins(workspace, each.name))
        settings[each.name] = _setting(each, order, complete or each.name != "lumi")
    if not complete and types.get("lumi") == "lumi" and "lumi" not in settings:
        settings["lumi"] = ParameterSettings(sigma=1.0)
    return settings


def _setting(
    document: ParameterDocument, order: np.ndarray | None, complete: bool
) -> ParameterSettings:
    def array(values: Sequence[float] | None) -> np.ndarray | None:
        if values is None:
            return None
        listed = np.asarray(values, dtype=float)
        if order is None or listed.size != order.size:  # the model says what is wrong
            return listed
        ours = np.empty(order.size)
        ours[order] = listed
        return ours

    bounds, sigma = document.bounds, array(document.sigmas)
    if document.factors is not None:  # a Poisson constraint's width is 1/√factor
        sigma = 1 / np.sqrt(np.asarray(document.factors))
    if sigma is None and not complete:
        sigma = np.ones(1)
    pair: Any = bounds and tuple(array([each[i] for each in bounds]) for i in (0, 1))
    return ParameterSettings(
        init=array(document.inits),
        bounds=pair,
        fixed=document.fixed,
        aux=array(document.auxdata),
        sigma=sigma,
    )
