"""Which parameters are easy to solve for, from where they act.

The Hessian of a model with one parameter for each of many bins is diagonal in those;
that of a model with far more systematics than elements (samples in bins) differs from a
diagonal by a matrix of low rank. `_bordered.py` solves with either.
"""

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Array, Bool, Int

from .._numerics.bordered_matrix import Order

# Fewer inner entries than this gain nothing. With one parameter for each of 30 bins and
# 15 others a single fit takes as long as with a table, a batch half as long.
_FEWEST_INTERPOLATED, _FEWEST_BINS = 48, 16
# How many times the rank there must be interpolated parameters; how many times the
# border there must be parameters of one bin.
_TIMES_RANK, _TIMES_BORDER = 2, 0.5


@final
class OneBinEach(NamedTuple):
    """Parameters that scale samples in one bin, at most one of them for each bin.

    Attributes:
        order: these are the inner entries.
        bins: the bin of each.
        here: the factors that they are.
        factor_index: of the other factors, entries of the border, or its length.
        rows: of each entry of the border, its rows in the tables of interpolation.
    """

    order: Order
    bins: Int[Array, " inner"]
    here: Bool[Array, "slots rows bins"]
    factor_index: Int[Array, "slots rows bins"]
    rows: Int[Array, "copies border"]


@final
class Interpolated(NamedTuple):
    """The parameters of histosys and normsys, where they outnumber what they change.

    Attributes:
        order: these are the inner entries.
        factor_index: of the factors, entries of the border, or its length.
        rows: of each inner entry, its rows in the tables of interpolation.
    """

    order: Order
    factor_index: Int[Array, "slots rows bins"]
    rows: Int[Array, "copies inner"]


def partition(
    factor_index: np.ndarray,
    interpolated_rows: np.ndarray,
    tables: Sequence[int],
    channels: int,
    arguments: Sequence[int] = (),
) -> OneBinEach | Interpolated | None:
    """Choose the inner entries of a model.

    Args:
        factor_index: entries of the parameter vector, `[slots, rows, bins]`, or its
            length.
        interpolated_rows: rows of each parameter in the tables of interpolation,
            `[copies, params]`, or their number.
        tables: how many rows those have, of histosys and of normsys.
        channels: how many there are.
        arguments: entries of which functions of parameters depend; never inner ones.

    Returns:
        The choice, or None where a plain table is best.
    """
    params = interpolated_rows.shape[1]
    if params < min(_FEWEST_INTERPOLATED, _FEWEST_BINS):
        return None
    _, rows, bins = factor_index.shape
    histosys, normsys = tables
    free_of_functions = np.ones(params, dtype=bool)
    free_of_functions[list(arguments)] = False
    is_interpolated = interpolated_rows[0] < histosys + normsys + len(arguments)
    rank = rows * channels + (bins + rows * channels if histosys else 0)
    count = int(is_interpolated.sum())
    # Functions of many parameters at once are no sum of few products.
    if not arguments and count >= max(_FEWEST_INTERPOLATED, _TIMES_RANK * rank):
        order, to_border = _order(is_interpolated)
        return Interpolated(
            order, to_border[factor_index], interpolated_rows[:, is_interpolated]
        )
    bin_of = _one_bin(factor_index, params)
    inner = (bin_of >= 0) & free_of_functions
    count = int(inner.sum())
    if count >= max(_FEWEST_BINS, _TIMES_BORDER * (params - count)):
        order, to_border = _order(inner)
        return OneBinEach(
            order,
            bin_of[inner].astype(np.int32),
            np.append(inner, False)[factor_index],
            to_border[factor_index],
            interpolated_rows[:, ~inner],
        )
    return None


def _order(inner: np.ndarray) -> tuple[Order, np.ndarray]:
    """The order, and each entry's place on the border, its length where it has none."""
    own, border = np.flatnonzero(inner), np.flatnonzero(~inner)
    place = np.empty(len(inner), np.int32)
    place[np.append(own, border)] = np.arange(len(inner))
    to_border = np.full(len(inner) + 1, len(border), np.int32)
    to_border[border] = np.arange(len(border))
    return Order(own.astype(np.int32), border.astype(np.int32), place), to_border


def _one_bin(factor_index: np.ndarray, params: int) -> np.ndarray:
    """The bin of each parameter that scales samples there only, the first of its bin.

    -1 for all others.
    """
    slots, rows, bins = factor_index.shape
    bin_of = np.full(params, -1)
    entry, place = np.unique(
        np.stack(
            [factor_index, np.broadcast_to(np.arange(bins), factor_index.shape)]
        ).reshape(2, slots * rows * bins),
        axis=1,
    )
    one = np.bincount(entry, minlength=params + 1) == 1
    # A parameter that scales an element twice is not linear in it.
    ordered = np.sort(factor_index, axis=0)
    one[ordered[1:][ordered[1:] == ordered[:-1]]] = False
    one[params] = False
    entry, place = entry[one[entry]], place[one[entry]]
    place, first = np.unique(place, return_index=True)
    bin_of[entry[first]] = place
    return bin_of
