"""Simplified likelihoods in JSON, by the names that the published ones have."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pydantic
from pydantic import ConfigDict, Field

from .._model.model import Data
from .._numerics.namespace import concrete, traced
from .._workspace.document import load, plain
from .._workspace.error import WorkspaceError, explain
from .._workspace.schema import Numbers
from .model import SimplifiedLikelihood


class _Channel(pydantic.BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    name: Annotated[str, Field(min_length=1)]
    bins: Annotated[int, Field(gt=0)]


class _Document(pydantic.BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    name: str | None = None
    nbins: Annotated[int, Field(gt=0)] | None = None
    channels: Annotated[list[_Channel], Field(min_length=1)] | None = None
    poi: Annotated[str, Field(min_length=1)] = "mu"
    data: Numbers
    signal: Numbers
    background: Numbers
    covariance: list[Numbers] | Numbers
    third_moment: Numbers | None = None


def read_simplified_likelihood(
    source: str | Path | Mapping[str, Any],
) -> tuple[SimplifiedLikelihood, Data]:
    """The simplified likelihood of a JSON document, and its data.

    The keys are those of the `model.py` files that the reference code of the framework
    (SLtools) and SModelS read: `data`, `background`, `covariance` (rows, or all of them
    one after the other), `signal`, and perhaps `third_moment`, `nbins`, `name`.
    `channels` (a list of `name` and `bins`) and `poi` are of fitkit's own.

    Args:
        source: path of the file, or the decoded document.

    Returns:
        `(model, data)`.

    Raises:
        WorkspaceError: for a document that cannot be used; the message names the key
            and the way out.

    Example:
        >>> import fitkit
        >>> model, data = fitkit.read_simplified_likelihood({
        ...     "nbins": 2, "data": [62, 44], "signal": [10.0, 5.0],
        ...     "background": [50.0, 40.0], "covariance": [25.0, 10.0, 10.0, 16.0]})
        >>> round(float(fitkit.upper_limit(model, data).observed), 4)
        2.5802

    References:
        A. Buckley et al., JHEP 04 (2019) 064, arXiv:1809.05548, section 4 and appendix
        B.
    """
    name = f"{source}: " if isinstance(source, (str, Path)) else ""
    document = plain(load(source))
    if not isinstance(document, dict):
        raise WorkspaceError(
            f"{name}a simplified likelihood is a JSON object; got a "
            f"{type(document).__name__}."
        )
    try:
        known = _Document.model_validate(document)
    except pydantic.ValidationError as error:
        raise WorkspaceError(f"{name}{explain(error, (), document)}") from None
    try:
        return _model_of(known)
    except ValueError as error:
        raise WorkspaceError(f"{name}{error}") from None


def _model_of(known: _Document) -> tuple[SimplifiedLikelihood, Data]:
    size = len(known.background)
    if known.nbins not in (None, size) or len(known.data) != size:
        raise ValueError(
            f"`background` has {size} numbers, `data` {len(known.data)}, and `nbins` "
            f"is {known.nbins}. They must be the same."
        )
    rows = known.covariance
    flat = bool(rows) and not isinstance(rows[0], list)
    if not flat and any(len(row) != size for row in rows):
        raise ValueError(f"`covariance` must have {size} rows of {size} numbers.")
    table = np.array(rows, dtype=float)
    if flat:
        if table.size != size**2:
            raise ValueError(
                f"`covariance` has {table.size} numbers; {size} bins need {size**2}."
            )
        table = table.reshape(size, size)
    if min(known.data) < 0:
        raise ValueError(f"`data` must not be negative; got {min(known.data):g}.")
    channels = {each.name: each.bins for each in known.channels or ()}
    if len(channels) < len(known.channels or ()):
        raise ValueError("`channels` has a name twice.")
    third = known.third_moment
    model = SimplifiedLikelihood(
        np.array(known.signal),
        np.array(known.background),
        table,
        None if third is None else np.array(third),
        channels=channels or None,
        poi=known.poi,
    )
    counts, main, start = np.array(known.data, dtype=float), {}, 0
    for name, bins in model.layout:
        main[name] = counts[start : start + bins]
        start += bins
    return model, model.data(main)


def write_simplified_likelihood(
    path: str | Path, model: SimplifiedLikelihood, data: Data
) -> None:
    """Write a simplified likelihood and its counts as JSON.

    Args:
        path: the file to write.
        model: with concrete numbers (not inside `jax.jit`).
        data: observed counts; auxiliary data have no place in the format.

    Raises:
        WorkspaceError: for another kind of model, one with masked channels, or
            auxiliary data that are not the nominal ones.
    """
    if not isinstance(model, SimplifiedLikelihood):
        raise WorkspaceError(
            "`write_simplified_likelihood` takes a `SimplifiedLikelihood`; got a "
            f"{type(model).__name__}. `simplified_likelihood(model, data)` makes one."
        )
    if traced(model, data):
        raise WorkspaceError("traced numbers cannot be written: call it outside a jit.")
    model, data = concrete((model, data))
    if not model.counted.all() or np.any(data.aux["theta"]):
        raise WorkspaceError(
            "the format has no place for masked channels and for auxiliary data other "
            "than 0. Write the model without masks, and data as of `model.data`."
        )
    mean, table, third = model.moments
    document = {
        "nbins": len(mean),
        "channels": [{"name": name, "bins": bins} for name, bins in model.layout],
        "poi": model.poi,
        "data": np.concatenate([data.main[n] for n in model.channel_names]).tolist(),
        "signal": model.signal.tolist(),
        "background": mean.tolist(),
        "covariance": table.tolist(),
    }
    if third is not None:
        document["third_moment"] = third.tolist()
    Path(path).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
