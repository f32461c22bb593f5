"""Counts and auxiliary data: by name as users give them, flat as likelihoods do."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Array, ArrayLike, Bool

from .._model.parameters import unflatten
from .._numerics.namespace import as_floats, scatter_add, traced, xp
from .arrays import Layout


def bins_by_channel(layout: Layout, counts: Any) -> dict[str, Any]:
    """The bins of each channel, out of those of all side by side."""
    start, split = 0, {}
    for name, bins, _ in layout.channels:
        split[name] = counts[start : start + bins]
        start += bins
    return split


def aux_by_name(layout: Layout, vector: Array | np.ndarray) -> dict[str, Array]:
    """The auxiliary data of each constrained parameter, out of the flat vector."""
    values = unflatten(vector, layout.shapes)
    return {name: values[name] for name in layout.shapes if name in layout.constrained}


def masked_channels(layout: Layout, counted: Bool[Array, " bins"]) -> tuple[str, ...]:
    """The names of the channels of which no bin is counted.

    None where the mask is traced.
    """
    if traced(counted) or np.all(counted):
        return ()
    by_channel = bins_by_channel(layout, np.asarray(counted))
    return tuple(name for name, bins in by_channel.items() if not bins.any())


def flat_counts(
    layout: Layout, counted: Bool[Array, " bins"], main: Mapping[str, ArrayLike]
) -> Array | np.ndarray:
    """Counts of all channels side by side; 0 where they are masked.

    Raises:
        ValueError: naming a channel that is missing, unknown or of the wrong size.
    """
    channels = [name for name, _, _ in layout.channels]
    unknown = [name for name in main if name not in channels]
    if unknown:
        raise ValueError(
            f"data for channel {unknown[0]!r}, which the model does not have. "
            f"It has: {', '.join(channels)}."
        )
    parts, masked = [], masked_channels(layout, counted)
    for name, bins, _ in layout.channels:
        if name in masked:
            parts.append(np.zeros(bins))
            continue
        if name not in main:
            raise ValueError(f"no data for channel {name!r}.")
        counts = _as_array(main[name])
        if counts.shape != (bins,):
            raise ValueError(
                f"data of channel {name!r} have shape {counts.shape}; "
                f"it has {bins} bins."
            )
        parts.append(counts)
    flat = _side_by_side(parts)
    if traced(counted):
        # Not even a NaN passes, which would spoil derivatives.
        return xp.where(counted, flat, 0.0)
    return flat


def flat_aux(layout: Layout, aux: Mapping[str, ArrayLike]) -> Array | np.ndarray:
    """Auxiliary data as the flat vector; 0 for parameters without.

    Raises:
        ValueError: naming a parameter whose data are missing or of the wrong shape.
    """
    missing = [name for name in layout.measured if name not in aux]
    if missing:
        raise ValueError(
            f"no auxiliary data for the constrained parameter {missing[0]!r}. "
            "`model.data(counts)` adds the nominal ones."
        )
    values: list[Any] = [aux[name] for name in layout.measured]
    values = [_as_array(value) for value in values]
    shapes = layout.measured
    if [value.shape for value in values] != [*shapes.values()]:
        name, value = next(
            (name, value)
            for (name, shape), value in zip(shapes.items(), values, strict=True)
            if value.shape != shape
        )
        raise ValueError(
            f"auxiliary data of parameter {name!r} have shape {value.shape}; "
            f"the parameter has shape {shapes[name]}."
        )
    size, places = layout.shapes.size, layout.places_of_measured
    together = xp.concatenate([np.zeros(0), *(v.reshape(-1) for v in values)])
    return scatter_add((size,), (places,), together)


def _as_array(value: ArrayLike) -> Any:
    """Traced arrays as they are; anything else with numpy."""
    plain = type(value) is np.ndarray  # hundreds of them take longer than a fit
    return value if plain else as_floats(value)


def _side_by_side(values: list[Any]) -> Array | np.ndarray:
    """In one vector."""
    return xp.concatenate(values).astype(float)
