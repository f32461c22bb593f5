"""From what modifiers declare to the factors that are profiled, one for each bin."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._numerics.namespace import take, xp
from .arrays import Layout, ProfiledFactors
from .declare import Collected
from .modifiers import ParameterKind
from .modifiers.base import POISSON_KINDS
from .tables import positions_in, table


def bins_of(factors: Sequence[tuple]) -> tuple[int, ...]:
    """The bin of each value of a statistical factor."""
    bins: dict[int, int] = {}
    for _, _, where, _, entries, _ in factors:
        bins |= dict(zip(entries.tolist(), range(where.start, where.stop), strict=True))
    return tuple(bins[entry] for entry in sorted(bins))


def vectors_apart(
    parameters: Mapping[str, Collected],
    layout: Layout,
    vectors: Mapping[str, Any],
    bins: int,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The vectors of the parameters, and those of the profiled factors of each bin.

    Args:
        parameters: all, profiled factors included.
        layout: which of them are profiled.
        vectors: of all, by the names of the fields of `Arrays`.
        bins: how many there are.
    """
    of_profiled = {name: places for name, places, _ in layout.profiled}
    kept, entry_of, kind, end = [], np.full(bins, -1), np.zeros(bins, np.int32), 0
    for name, parameter in parameters.items():
        entries = np.arange(end, end := end + parameter.size)
        if name not in of_profiled:
            kept.append(entries)
            continue
        here = list(of_profiled[name])
        entry_of[here], kind[here] = entries, int(parameter.declaration.kind)
    index = np.concatenate([np.zeros(0, int), *kept])
    has = entry_of >= 0
    # Without a factor a bin has one that is fixed at 1.
    nothing = {"init": 1.0, "lower": -np.inf, "upper": np.inf, "sigma": 1.0}
    nothing |= {"fixed": True, "fixed_given": True}
    of_bins: dict[str, Any] = {"kind": kind}
    for field in dataclasses.fields(ProfiledFactors):
        if (vector := vectors.get(field.name)) is not None:
            value = take(vector, np.where(has, entry_of, 0))
            of_bins[field.name] = xp.where(has, value, nothing.get(field.name, 0))
    return {name: take(vector, index) for name, vector in vectors.items()}, of_bins


def profiled_factors(
    taken: Mapping[str, Sequence[tuple]],
    rows: int,
    samples: np.ndarray,
    of_bins: Mapping[str, Any],
) -> ProfiledFactors:
    """The statistical factors that are profiled.

    Args:
        taken: where each acts, as `Collector.take_statistical_factors` gives them.
        rows: of the tables.
        samples: how many each bin has, `[bins]`.
        of_bins: what is known of the factor of each bin.
    """
    shape = rows, samples.size
    factors = [factor for several in taken.values() for factor in several]
    covered = np.zeros(shape, dtype=bool)
    for _, row, where, *_ in factors:
        covered[row, where] = True
    covered |= of_bins["kind"] == int(ParameterKind.FREE)
    covered |= np.arange(rows)[:, None] >= samples
    places = [positions_in(shape, *factor[1:3]) for factor in factors]
    uncertainty = table(shape, places, [factor[5] for factor in factors])
    kinds = {int(kind) for kind in of_bins["kind"]}
    return ProfiledFactors(
        bool(covered.all()),
        bool(kinds & {int(ParameterKind.MC_STAT), int(ParameterKind.SHIFT)}),
        bool(kinds & {int(kind) for kind in POISSON_KINDS}),
        covered,
        uncertainty,
        **of_bins,
    )
