"""From a model and its data to a HistFactory JSON document."""

import collections
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from .._histfactory.constraint_terms import constraint_terms
from .._histfactory.data import flat_aux, flat_counts
from .._histfactory.model import Model
from .._histfactory.modifiers import ParameterKind
from .._histfactory.problem import SpecificationError
from .._model.constraints import Poisson
from .._model.model import Data
from .._numerics.namespace import traced
from .error import WorkspaceError
from .parse import parse
from .settings import listed_order
from .to_model import check

# Start, bounds and nominal auxiliary data that a reader assumes: only what differs is
# written. The luminosity has none, and shapesys computes its own auxiliary data.
_ASSUMED = {
    "NormFactor": (1.0, (0.0, 10.0), None),
    "ShapeFactor": (1.0, (0.0, 10.0), None),
    "NormSys": (0.0, (-5.0, 5.0), 0.0),
    "HistoSys": (0.0, (-5.0, 5.0), 0.0),
    "StatError": (1.0, (1e-10, 10.0), 1.0),
    "ShapeSys": (1.0, (1e-10, 10.0), None),
}


def write_workspace(
    path: str | Path, model: Model, data: Data, *, measurement: str = "measurement"
) -> None:
    """Write a model and its data as a document that pyhf reads.

    pyhf evaluates it to the same likelihood, if it is told the interpolation codes: the
    format does not hold them, and readers assume "4" and "4p".

    Args:
        path: the file to write.
        model: a model with concrete numbers (not inside `jax.jit`).
        data: observed counts, written as observations, and auxiliary data, written into
            the measurement where they are not the nominal ones.
        measurement: the name of the one measurement in the document.

    Raises:
        WorkspaceError: where the format cannot express the model, or a number is
            not finite.

    Example:
        >>> import fitkit, tempfile, pathlib
        >>> model = fitkit.uncorrelated_background([12.0], [50.0], [3.0])
        >>> data = model.data({"singlechannel": [51.0]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "workspace.json"
        ...     fitkit.write_workspace(path, model, data)
        ...     again, _ = fitkit.read_workspace(path)
        >>> again.parameter_names
        ('mu', 'uncorr_bkguncrt')
    """
    document = workspace_document(model, data, measurement=measurement)
    Path(path).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")


def workspace_document(
    model: Model, data: Data, *, measurement: str = "measurement"
) -> dict[str, Any]:
    """The decoded document that `write_workspace` writes."""
    _check_arguments(model, data)
    _check_conventions(model)
    document = {
        "channels": _channels(model),
        "observations": [
            {"name": name, "data": _numbers(data.main[name])}
            for name in model.channel_names
        ],
        "measurements": [
            {
                "name": measurement,
                "config": {
                    "poi": model.poi or "",
                    "parameters": _settings(model, data),
                },
            }
        ],
        "version": "1.0.0",
    }
    check(parse(document))  # never write what cannot be read again
    return document


def _check_arguments(model: Any, data: Any) -> None:
    """A HistFactory model, and data of it, with concrete numbers."""
    if not isinstance(model, Model) or not isinstance(data, Data):
        raise TypeError(
            "`write_workspace` takes a `fitkit.Model` and its `Data`; got "
            f"{type(model).__name__} and {type(data).__name__}."
        )
    if traced(model, data):
        raise WorkspaceError(
            "traced numbers cannot be written. Return the model from `jax.jit`, or "
            "build it outside."
        )
    try:
        flat_counts(model.layout, model.arrays.counted, data.main)
        flat_aux(model.layout, data.aux)
    except SpecificationError as error:
        raise WorkspaceError(str(error)) from None


def _check_conventions(model: Model) -> None:
    """What readers take for granted must hold, for the format cannot say otherwise."""
    if masked := model.masked_channels:
        raise WorkspaceError(
            f"channels are masked ({', '.join(masked)}), which the format cannot "
            "express. Write the model without masks, and `fitkit.prune` the channels "
            "where readers must not see them."
        )
    for kind, runs in model.arrays.codes._asdict().items():
        if len(runs) > 1:
            codes = ", ".join(code for code, _ in runs)
            raise WorkspaceError(
                f"the {kind} modifiers have different interpolation codes ({codes}), "
                "which the format cannot express: readers apply one to all."
            )
    for name, _, parameter in model.layout.parameters:
        if parameter == ParameterKind.POISSON_STAT:
            raise WorkspaceError(
                f"staterror {name!r} has a Poisson constraint, which the format cannot "
                "express. Use the default, `Normal`, or a ShapeSys for each sample."
            )


def _numbers(values: Any) -> list[float]:
    return np.atleast_1d(np.asarray(values, dtype=float)).tolist()


def _starts(model: Model) -> dict[str, int]:
    """The first entry of each parameter in the flat vector."""
    starts, size = {}, 0
    for name, shape in model.parameter_shapes.items():
        starts[name] = size
        size += math.prod(shape)
    return starts


def _rows(index: Any) -> dict[int, int]:
    """The row of a table that holds the variations of each parameter."""
    return {int(entry): row for row, entry in enumerate(np.asarray(index))}


def _channels(model: Model) -> list[dict[str, Any]]:
    arrays, starts = model.arrays, _starts(model)
    tables = {
        name: np.asarray(getattr(arrays, name))
        for name in (
            "nominal",
            "histosys_lo",
            "histosys_hi",
            "normsys_lo",
            "normsys_hi",
            "uncertainty",
            "factor_index",
        )
    }
    histosys, normsys = _rows(arrays.histosys_index), _rows(arrays.normsys_index)

    def modifier(kind: str, name: str, row: int, c: int, bins: slice) -> dict:
        first = starts[name]
        content: Any = None
        match kind:
            case "NormSys":
                factors = (normsys[first], row, c)
                content = {
                    "lo": float(tables["normsys_lo"][factors]),
                    "hi": float(tables["normsys_hi"][factors]),
                }
            case "HistoSys":
                yields = (histosys[first], row, bins)
                content = {
                    "lo_data": _numbers(tables["histosys_lo"][yields]),
                    "hi_data": _numbers(tables["histosys_hi"][yields]),
                }
            case "ShapeSys" | "StatError":
                # the slot in which this sample's first bin has the parameter
                size = math.prod(model.parameter_shapes[name])
                entry = tables["factor_index"][:, row, bins.start] - first
                (slot,) = np.flatnonzero((entry >= 0) & (entry < size))
                content = _numbers(tables["uncertainty"][slot, row, bins])
        return {"name": name, "type": kind.lower(), "data": content}

    of_sample = collections.defaultdict(list)
    for channel, sample, *which in model.layout.modifiers:
        of_sample[channel, sample].append(which)
    channels, start = [], 0
    for c, (channel, size, samples) in enumerate(model.layout.channels):
        bins = slice(start, start + size)
        start += size
        channels.append(
            {
                "name": channel,
                "samples": [
                    {
                        "name": sample,
                        "data": _numbers(tables["nominal"][row, bins]),
                        "modifiers": [
                            modifier(kind, name, row, c, bins)
                            for kind, name in of_sample[channel, sample]
                        ],
                    }
                    for row, sample in enumerate(samples)
                ],
            }
        )
    return channels


def _settings(model: Model, data: Data) -> list[dict[str, Any]]:
    parameters, starts, sizes = model.parameters, _starts(model), _bins(model)
    # What a reader fixes by itself: factors of bins without yield or error.
    nothing_said = np.zeros(model.arrays.kind.shape, dtype=bool)
    arrays = dataclasses.replace(model.arrays, fixed_given=nothing_said)
    fixed_anyway = np.asarray(constraint_terms(arrays).fixed)
    settings = []
    for name, (kind, bins) in sizes.items():
        parameter = parameters[name]
        order = starts[name] + listed_order(bins)
        init, bounds, aux = _ASSUMED.get(kind, (None, None, None))

        def listed(values: Any, bins: dict[str, int] = bins) -> list[float]:
            return np.asarray(_numbers(values))[listed_order(bins)].tolist()

        setting: dict[str, Any] = {}
        if any(value != init for value in listed(parameter.init)):
            setting["inits"] = listed(parameter.init)
        pairs = list(zip(listed(parameter.lower), listed(parameter.upper), strict=True))
        if any(pair != bounds for pair in pairs):
            setting["bounds"] = [list(pair) for pair in pairs]
        setting |= _width(name, kind, model, order)
        own = slice(starts[name], starts[name] + len(order))
        setting |= _fixed(name, parameter.fixed, fixed_anyway[own])
        if parameter.constraint is not None:
            given = listed(data.aux[name])
            assumed: list[float | None] = [aux] * len(given)
            constraint = parameter.constraint
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
    if fixed.any() and not fixed.all():
        raise WorkspaceError(
            f"parameter {name!r} is fixed in some bins only, which the format cannot "
            "express. Fix or free all of its bins."
        )
    return {"fixed": bool(fixed[0])}
