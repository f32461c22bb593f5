"""Numbers and messages as the page takes them."""

import math
from typing import Any

import numpy as np
from jaxtyping import ArrayLike


def rounded(values: ArrayLike, digits: int = 7) -> Any:
    """Numbers with so many significant digits; what is not finite is `None`."""
    array = np.asarray(values, float)
    if array.ndim:
        return [rounded(value, digits) for value in array]
    number = float(array)
    return float(f"{number:.{digits}g}") if math.isfinite(number) else None


def message(error: Exception) -> str:
    """What an error says to a reader, without equinox's advice to developers."""
    return str(error).split("\n---")[0].strip()
