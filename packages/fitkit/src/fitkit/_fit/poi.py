"""The parameters of interest as entries of the flat vector."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Array

from .._custom_types import Mask
from .._model.model import AbstractModel
from .._model.parameters import hint
from .._numerics.namespace import as_floats, traced, xp


def poi_mask(model: AbstractModel, call: str) -> np.ndarray:
    """The entry of the parameter of interest in the flat vector, as a mask.

    Raises:
        ValueError: where the model has none, or several.
    """
    if len(model.pois) > 1:
        first = model.pois[0]
        raise ValueError(
            f"`{call}` is about one parameter of interest, and the model has "
            f"{', '.join(map(repr, model.pois))}. Choose one, "
            f"`model.with_poi({first!r})`; `joint_test` tests them together."
        )
    return poi_masks(model, model.pois, call)[0]


def poi_masks(model: AbstractModel, names: Sequence[str], call: str) -> np.ndarray:
    """The entries of several parameters of interest, `[pois, params]`.

    Raises:
        ValueError: where there is none, or one is no scalar parameter of the model.
    """
    shapes = model.parameter_shapes
    scalars = [name for name, shape in shapes.items() if shape == ()]
    missing = [name for name in names if name not in scalars]
    if missing or not names:
        raise ValueError(
            f"`{call}` needs a parameter of interest, and the model has none"
            + (f" of the name {missing[0]!r}." if missing else ".")
            + " Give `poi=` where the model is made or read. "
            + hint(missing[0] if missing else "mu", scalars)
        )
    masks = np.zeros((len(names), shapes.size), dtype=bool)
    for mask, name in zip(masks, names, strict=True):
        mask[shapes.places[name]] = True
    return masks


def fixed_pois(model: AbstractModel, value: Any, call: str) -> tuple[Mask, Array]:
    """Which entries are to be fixed, and where.

    Args:
        model: any model.
        value: of the one parameter of interest; or values by name, of several.
        call: for messages.

    Returns:
        The mask and the value, or values in the places of the mask.
    """
    if not isinstance(value, Mapping):
        return poi_mask(model, call), as_floats(value)
    masks = poi_masks(model, [*value], call)
    values = xp.stack([as_floats(each) for each in value.values()])
    if values.ndim != 1:
        raise ValueError(f"`{call}`: each parameter of interest takes one number.")
    return masks.any(axis=0), values @ masks


def free_poi_mask(model: AbstractModel, call: str) -> np.ndarray:
    """The same, for a test, whose best fit moves the parameter of interest.

    Raises:
        ValueError: where the model has none, or it is fixed.
    """
    mask = poi_mask(model, call)
    fixed = model.parameters[model.poi].fixed  # type: ignore[index]
    if not traced(fixed) and np.any(fixed):
        raise ValueError(
            f"`{call}` compares with the best fit of the parameter of interest, and "
            f"{model.poi!r} is fixed. `model.with_free({model.poi!r})` frees it."
        )
    return mask
