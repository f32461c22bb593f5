"""Tables of expected and observed events."""

import numpy as np

from .._model.model import Data
from .._profile.yields import Yields
from ._submission import Table, fitting
from ._variables import dependent, independent


def yields(result: Yields, data: Data | None = None) -> list[Table]:
    """One table for each channel: every sample, the total, and the observed counts.

    Args:
        result: of `predicted_yields`.
        data: observed counts; left out by default.
    """
    tables = []
    for channel, total in result.total.items():
        columns = [
            dependent(sample, np.asarray(counts))
            for sample, counts in result.samples.get(channel, {}).items()
        ]
        error = np.asarray(result.error[channel])
        columns.append(dependent("Total", np.asarray(total), {"total": error}))
        if data is not None:
            columns.append(dependent("Data", np.asarray(data.main[channel])))
        tables.append(
            Table(
                fitting("Yields in ", channel),
                f"Expected yields in {channel}, bin by bin"
                + (", and observed counts." if data is not None else "."),
                [independent("Bin", np.arange(1, np.size(total) + 1))],
                columns,
            )
        )
    return tables
