"""Counts and auxiliary data: by name as users give them, flat as likelihoods do."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Array, ArrayLike, Bool

from .._model.parameters import unflatten
from .._numerics.namespace import as_floats, as_numpy, scatter_add, take, traced, xp
from .arrays import Layout
from .modifiers.base import POISSON_KINDS
from .problem import SpecificationError


def bins_by_channel(layout: Layout, counts: Any) -> dict[str, Any]:
    """The bins of each channel, out of those of all side by side."""
    start, split = 0, {}
    for name, bins, _ in layout.channels:
        split[name] = counts[start : start + bins]
        start += bins
    return split


def aux_by_name(layout: Layout, vector: Array | np.ndarray) -> dict[str, Array]:
    """The auxiliary data of each constrained parameter, out of the flat vector."""
    whole = as_numpy(vector)
    values = unflatten(whole[..., : layout.shapes.size], layout.shapes)
    for name, places in layout.places_of_factors.items():
        values[name] = take(whole, places)
    return {name: values[name] for name in layout.measured}


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
        SpecificationError: naming a channel that is missing, unknown or of the wrong
            size, or whose counts are negative or not finite.
    """
    channels = [name for name, _, _ in layout.channels]
    unknown = [name for name in main if name not in channels]
    if unknown:
        raise SpecificationError(
            f"the model does not have it. It has: {', '.join(channels)}.",
            (f"data of channel {unknown[0]!r}",),
            ("main", unknown[0]),
        )
    parts, masked = [], masked_channels(layout, counted)
    for name, bins, _ in layout.channels:
        if name in masked:
            parts.append(np.zeros(bins))
            continue
        words = (f"data of channel {name!r}",)
        if name not in main:
            raise SpecificationError(
                f"no data for channel {name!r}. Add its counts.",
                keys=("main", name, "missing"),
            )
        counts = _as_array(main[name])
        if counts.shape != (bins,):
            raise SpecificationError(
                f"have shape {counts.shape}, but the channel has {bins} bins. Give one "
                "count for each.",
                words,
                ("main", name),
            )
        parts.append(counts)
    flat = _side_by_side(parts)
    # Only what counts is checked: whoever is blind may have NaN in signal regions.
    if traced(counted):
        # Not even a NaN passes, which would spoil derivatives.
        return xp.where(counted, flat, 0.0)
    if type(flat) is np.ndarray and not ((flat >= 0) & (flat < np.inf)).all():
        _check_counts(layout, flat)
    return flat


def _check_counts(layout: Layout, counts: np.ndarray) -> None:
    for name, values in bins_by_channel(layout, counts).items():
        wrong = ~((values >= 0) & (values < np.inf))
        if wrong.any():
            first = int(np.argmax(wrong))
            raise SpecificationError(
                f"got {values[first]:g}, but counts are finite and not negative. "
                "Correct it, or mask the channel.",
                (f"data of channel {name!r}", f"bin {first}"),
                ("main", name, first),
            )


def flat_aux(layout: Layout, aux: Mapping[str, ArrayLike]) -> Array | np.ndarray:
    """Auxiliary data as the flat vector; 0 for parameters without.

    Raises:
        SpecificationError: naming a parameter whose data are missing, of the wrong
            shape, not finite, or negative counts of a Poisson constraint.
    """
    missing = [name for name in layout.measured if name not in aux]
    if missing:
        raise SpecificationError(
            "there are none, but its constraint needs them. `model.data(counts)` adds "
            "the nominal ones.",
            (f"auxiliary data of parameter {missing[0]!r}",),
            ("aux", missing[0]),
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
        raise SpecificationError(
            f"have shape {value.shape}, but the parameter has shape {shapes[name]}.",
            (f"auxiliary data of parameter {name!r}",),
            ("aux", name),
        )
    size, places = layout.size_of_aux, layout.places_of_measured
    together = xp.concatenate([np.zeros(0), *(v.reshape(-1) for v in values)])
    flat = scatter_add((size,), (places,), together)
    # Each call of a likelihood passes here: by parameter only where something is odd.
    if isinstance(flat, np.ndarray) and not (np.isfinite(flat) & (flat >= 0)).all():
        _check_aux(layout, flat)
    return flat


def _check_aux(layout: Layout, aux: np.ndarray) -> None:
    """Check that auxiliary data are finite, and those that are counts not negative."""
    places = layout.shapes.places | layout.places_of_factors
    for name, _, kind in (*layout.parameters, *layout.profiled):
        values = aux[places[name]]
        count = kind in POISSON_KINDS
        wrong = ~np.isfinite(values) | (count & (values < 0))
        if wrong.any():
            rule = "a count of a Poisson constraint" if count else "a finite number"
            raise SpecificationError(
                f"got {values[np.argmax(wrong)]:g}, but it must be {rule}.",
                (f"auxiliary data of parameter {name!r}",),
                ("aux", name, int(np.argmax(wrong))),
            )


def _as_array(value: ArrayLike) -> Any:
    """Traced arrays as they are; anything else with numpy."""
    plain = type(value) is np.ndarray  # hundreds of them take longer than a fit
    return value if plain else as_floats(value)


def _side_by_side(values: list[Any]) -> Array | np.ndarray:
    """In one vector."""
    return xp.concatenate(values).astype(float)
