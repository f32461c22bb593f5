"""Histograms of other packages as yields, by their protocol and without importing any.

`hist`, boost-histogram, uproot and others agree on it (UHI's `PlottableHistogram`):
`values()`, `variances()`, `axes`, `kind`.

References:
    https://uhi.readthedocs.io/en/latest/plotting.html
"""

from typing import Any

import numpy as np


def is_histogram(value: Any) -> bool:
    """Whether something is a histogram of another package."""
    return hasattr(value, "axes") and callable(getattr(value, "values", None))


def values_of(histogram: Any, owner: str) -> np.ndarray:
    """The contents of a histogram, without under- and overflow, side by side.

    Args:
        histogram: of any number of axes.
        owner: whose they are, for the message.

    Raises:
        TypeError: for one that holds means, not counts.
    """
    if str(getattr(histogram, "kind", "COUNT")).rpartition(".")[2] != "COUNT":
        raise TypeError(
            f"{owner}: the histogram holds means (its `kind` is {histogram.kind}), not "
            "counts. Fill one without a sample."
        )
    return np.asarray(histogram.values(), dtype=float).reshape(-1)


def errors_of(histogram: Any, owner: str) -> np.ndarray:
    """The root of its variances, likewise.

    Raises:
        ValueError: where it has none.
    """
    variances = getattr(histogram, "variances", lambda: None)()
    if variances is None:
        raise ValueError(
            f"{owner}: the histogram does not know its variances, which a `StatError` "
            "without `uncertainty` takes. Fill one with the storage `Weight()`, or "
            "give the uncertainty."
        )
    return np.sqrt(np.asarray(variances, dtype=float).reshape(-1))
