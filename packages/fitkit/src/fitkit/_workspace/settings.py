"""Settings of parameters, as a measurement lists them and as a model has them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._histfactory.constraint_terms import constraint_terms
from .._histfactory.model import Model
from .._histfactory.spec import ParameterSettings
from .._model.constraints import Poisson
from .._model.model import Data
from .error import WorkspaceError
from .schema import MeasurementDocument, ParameterDocument, WorkspaceDocument

# Start, bounds and nominal auxiliary data that a reader assumes: only what differs is
# written. The luminosity has none, and shapesys computes its own auxiliary data.
_ASSUMED = {
    "NormFactor": (1.0, (0.0, np.inf), None),
    "ShapeFactor": (1.0, (0.0, np.inf), None),
    "NormSys": (0.0, (-5.0, 5.0), 0.0),
    "HistoSys": (0.0, (-5.0, 5.0), 0.0),
    "StatError": (1.0, (1e-10, 10.0), 1.0),
    "ShapeSys": (1.0, (1e-10, 10.0), None),
}


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
        order = None  # as they are: all values belong to one channel
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


def listed_settings(model: Model, data: Data) -> list[dict[str, Any]]:
    """What a measurement must say of the parameters of a model, and of its data.

    Raises:
        WorkspaceError: where the format cannot say it.
    """
    parameters, places = model.parameters, model.parameter_shapes.places
    # What a reader fixes by itself: factors of bins without yield or error.
    unsaid = np.zeros(model.arrays.kind.shape, dtype=bool)
    arrays = dataclasses.replace(model.arrays, fixed_given=unsaid)
    fixed_anyway = np.asarray(constraint_terms(arrays).fixed)
    settings = []
    for name, (kind, bins) in _bins(model).items():
        parameter, order = parameters[name], listed_order(bins)
        init, bounds, aux = _ASSUMED.get(kind, (None, None, None))

        def listed(values: Any, order: np.ndarray = order) -> list[float]:
            return np.atleast_1d(np.asarray(values, dtype=float))[order].tolist()

        setting: dict[str, Any] = {}
        # A list for all values, though only one may differ: the format has no other.
        if any(value != init for value in listed(parameter.init)):
            setting["inits"] = listed(parameter.init)
        pairs = list(zip(listed(parameter.lower), listed(parameter.upper), strict=True))
        if any(pair != bounds for pair in pairs):
            setting["bounds"] = [list(pair) for pair in pairs]
        setting |= _width(name, kind, model, places[name].start + order)
        setting |= _fixed(name, parameter.fixed, fixed_anyway[places[name]])
        if parameter.constraint is not None:
            given = listed(data.aux[name])
            assumed: list[float | None] = [aux] * len(given)
            constraint = parameter.constraint
            # Without `factors`, a reader computes the counts from the templates.
            if isinstance(constraint, Poisson) and "factors" not in setting:
                assumed = [*listed(constraint.tau)]
            if given != assumed:
                setting["auxdata"] = given
        if setting:
            settings.append({"name": name} | setting)
    return settings


def _bins(model: Model) -> dict[str, tuple[str, dict[str, int]]]:
    """The kind of each parameter, and its number of values in each channel."""
    size_of = {channel: size for channel, size, _ in model.layout.channels}
    sizes: dict[str, tuple[str, dict[str, int]]] = {}
    for channel, _, kind, name in model.layout.modifiers:
        scalar = model.parameter_shapes[name] == ()
        _, bins = sizes.setdefault(name, (kind, {}))
        if not bins or kind == "StatError":
            bins[channel] = 1 if scalar else size_of[channel]
    return sizes


def _width(name: str, kind: str, model: Model, order: np.ndarray) -> dict[str, Any]:
    sigma = np.asarray(model.arrays.sigma)[order]
    given = np.asarray(model.arrays.sigma_given)[order]
    if kind == "Lumi" or (kind == "StatError" and given.any()):
        return {"sigmas": sigma.tolist()}
    if kind == "ShapeSys" and given.any():
        return {"factors": (sigma**-2).tolist()}
    if kind in ("NormSys", "HistoSys") and sigma != 1.0:
        raise WorkspaceError(
            f"parameter {name!r} has a constraint of width {sigma[0]}, which the "
            "format cannot express. Scale its variations to one standard deviation."
        )
    return {}


def _fixed(name: str, fixed: Any, anyway: np.ndarray) -> dict[str, Any]:
    """What the settings must say about fixed values of a parameter.

    Args:
        name: the parameter.
        fixed: which of its values are fixed.
        anyway: which are where the settings say nothing.
    """
    fixed = np.atleast_1d(fixed)
    if np.array_equal(fixed, anyway):
        return {}
    # One word for all values, which overrules what a reader would fix by itself.
    if fixed.any() and not fixed.all():
        raise WorkspaceError(
            f"parameter {name!r} is fixed in some bins only, which the format cannot "
            "express. Fix or free all of its bins."
        )
    return {"fixed": bool(fixed[0])}
