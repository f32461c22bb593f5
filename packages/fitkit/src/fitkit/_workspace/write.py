"""From a model and its data to a HistFactory JSON document."""

import collections
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from .._histfactory.block_model import BlockModel
from .._histfactory.data import flat_aux, flat_counts
from .._histfactory.model import Model
from .._histfactory.modifiers import ParameterKind
from .._histfactory.problem import SpecificationError
from .._model.model import Data
from .._numerics.namespace import traced
from .error import WorkspaceError
from .parse import parse
from .settings import listed_settings
from .to_model import check

_OF_HISTFACTORY = (
    "NormFactor",
    "NormSys",
    "HistoSys",
    "ShapeSys",
    "ShapeFactor",
    "StatError",
    "Lumi",
)


def write_workspace(
    path: str | Path, model: Model, data: Data, *, measurement: str = "measurement"
) -> None:
    """Write a model and its data as a document that pyhf reads.

    pyhf evaluates it to the same likelihood, if it is told the interpolation codes: the
    format has no place for them, and readers assume "4" and "4p".

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
    check_arguments(model, data)
    _check_conventions(model)
    document = {
        "channels": channels_of(model),
        "observations": [
            {"name": name, "data": _numbers(data.main[name])}
            for name in model.channel_names
        ],
        "measurements": [
            {
                "name": measurement,
                "config": {
                    "poi": model.poi or "",
                    "parameters": listed_settings(model, data),
                },
            }
        ],
        "version": "1.0.0",
    }
    check(parse(document))  # never write what cannot be read again
    return document


def check_arguments(model: Any, data: Any, call: str = "write_workspace") -> None:
    """Check for a HistFactory model, and data of it, with concrete numbers.

    Raises:
        TypeError: for anything else.
        WorkspaceError: for traced numbers, or data of another model.
    """
    if not isinstance(model, Model) or not isinstance(data, Data):
        way_out = (
            " Build `Model(channels, ...)` from what the `BlockModel` was built from, "
            'with `mc_statistics="parameters"`: pieces have no place in the format.'
        )
        raise TypeError(
            f"`{call}` takes a `fitkit.Model` and its `Data`; got "
            f"{type(model).__name__} and {type(data).__name__}."
            + way_out
            * isinstance(model, BlockModel)
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
    """What readers take for granted must be so, for the format cannot say otherwise."""
    if len(model.pois) > 1:
        raise WorkspaceError(
            f"the model has several parameters of interest ({', '.join(model.pois)}), "
            "and the format has room for one. Choose it: "
            f"`model.with_poi({model.pois[0]!r})`."
        )
    if masked := model.masked_channels:
        raise WorkspaceError(
            f"channels are masked ({', '.join(masked)}), which the format cannot "
            "express. Write the model without masks, and `fitkit.prune` the channels "
            "where readers must not see them."
        )
    # Of one kind all have the same code as a rule, and a reader can be told it.
    for kind, runs in model.arrays.codes._asdict().items():
        if len(runs) > 1:
            codes = ", ".join(code for code, _ in runs)
            raise WorkspaceError(
                f"the {kind} modifiers have different interpolation codes ({codes}), "
                "which the format cannot express: readers apply one to all."
            )
    if model.profiled_names:
        raise WorkspaceError(
            f"the factors of {model.profiled_names[0]!r} are profiled, which the "
            'format cannot express. Write the model with `mc_statistics="parameters"`: '
            "readers choose for themselves."
        )
    for name, _, parameter in model.layout.parameters:
        if parameter == ParameterKind.POISSON_STAT:
            raise WorkspaceError(
                f"staterror {name!r} has a Poisson constraint, which the format cannot "
                "express. Use the default, `Normal`, or a ShapeSys for each sample."
            )


def _check_modifiers(model: Model) -> None:
    """Look for what HistFactory does not have."""
    free = {n for n, _, kind in model.layout.parameters if kind == ParameterKind.FREE}
    for channel, sample, kind, name in model.layout.modifiers:
        where = f"channel {channel!r}, sample {sample!r}, {kind} {name!r}"
        if kind not in _OF_HISTFACTORY:
            raise WorkspaceError(f"{where}: the format has no such modifier.")
        if kind in ("NormSys", "HistoSys") and name in free:
            raise WorkspaceError(
                f"{where}: its parameter has no constraint, which the format cannot "
                "express."
            )
    for kind, runs in model.arrays.codes._asdict().items():
        for code, _ in runs:
            if code not in ("0", "1", "2", "4", "4p"):
                raise WorkspaceError(
                    f"the {kind} modifiers have the interpolation code {code!r}, which "
                    "the format's readers do not have."
                )


def _numbers(values: Any) -> list[float]:
    return np.atleast_1d(np.asarray(values, dtype=float)).tolist()


def _rows(index: Any) -> dict[int, int]:
    """The row of a table in which the variations of each parameter stand."""
    return {int(entry): row for row, entry in enumerate(np.asarray(index))}


def channels_of(model: Model) -> list[dict[str, Any]]:
    """The channels of a model with their samples and modifiers, as documents have.

    Raises:
        WorkspaceError: where a modifier is none of HistFactory's.
    """
    _check_modifiers(model)
    arrays, places = model.arrays, model.parameter_shapes.places
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
        first = places[name].start
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

    # Gathered once: a document has thousands of modifiers.
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
