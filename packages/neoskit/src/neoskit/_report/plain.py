"""Numbers as the page takes them: short, and `None` where there is none."""

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
