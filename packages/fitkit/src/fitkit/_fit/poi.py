"""The parameter of interest as an entry of the flat vector."""

import numpy as np

from .._model.model import AbstractModel
from .._model.parameters import hint
from .._numerics.namespace import traced


def poi_mask(model: AbstractModel, call: str) -> np.ndarray:
    """The entry of the parameter of interest in the flat vector, as a mask.

    Raises:
        ValueError: where the model has none.
    """
    shapes = model.parameter_shapes
    if model.poi is None or model.poi not in shapes:
        scalars = [name for name, shape in shapes.items() if shape == ()]
        raise ValueError(
            f"`{call}` needs a parameter of interest, and the model has none"
            + ("." if model.poi is None else f" of the name {model.poi!r}.")
            + " Give `poi=` where the model is made or read. "
            + hint(model.poi or "mu", scalars)
        )
    mask = np.zeros(shapes.size, dtype=bool)
    mask[shapes.places[model.poi]] = True
    return mask


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
