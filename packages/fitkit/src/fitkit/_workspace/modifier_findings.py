"""What an experienced analyst would catch in the modifiers of one sample."""

from collections.abc import Iterator

import numpy as np

from .findings import Finding, Severity
from .schema import HistoSysDocument, ModifierDocument, NormSysDocument

# n log n of a larger auxiliary count is spaced by more than 1e-6 in float64: a program
# that sums such terms loses the digits that fits and tests need.
_LARGEST_COUNT = 2e8
# Relative changes below this are rounding, as in templates written with seven digits.
_ROUNDING = 1e-7
_IDENTICAL = "up and down are identical: a one-sided variation taken twice?"
_LARGE = "the sample's total changes strongly"


def where(mask: np.ndarray) -> tuple[int, ...]:
    """The bins of a mask."""
    return tuple(np.flatnonzero(mask).tolist())


def of_modifier(
    modifier: ModifierDocument,
    nominal: np.ndarray,
    total: np.ndarray,
    largest_normalisation: float,
) -> Iterator[Finding]:
    """Findings about one modifier, which do not say yet where it is.

    Args:
        modifier: the modifier.
        nominal: the yields of its sample.
        total: the yields of all samples of the channel.
        largest_normalisation: see `validate`.
    """
    match modifier.type:
        case "histosys":
            yield from _histosys(modifier, nominal, total, largest_normalisation)
        case "normsys":
            yield from _normsys(modifier, nominal, total, largest_normalisation)
        case "shapesys":
            yield from _shapesys(nominal, np.asarray(modifier.data))


def _histosys(
    modifier: HistoSysDocument,
    nominal: np.ndarray,
    total: np.ndarray,
    largest_normalisation: float,
) -> Iterator[Finding]:
    lo, hi = np.asarray(modifier.data.lo_data), np.asarray(modifier.data.hi_data)
    down, up = lo - nominal, hi - nominal
    small = _ROUNDING * np.abs(nominal)
    if np.all(np.abs(down) <= small) and np.all(np.abs(up) <= small):
        yield Finding("note", "no effect: both variations are the nominal template")
        return
    scale = nominal.sum()
    # Programs that symmetrise write the shift twice where they should mirror it.
    if np.array_equal(lo, hi):
        change = np.abs(up).sum() / scale if scale > 0 else 0.0
        detail = f"by {change:.2g} of the yields" if scale > 0 else ""
        yield Finding("warning", _IDENTICAL, detail, size=change)
    else:
        smaller = np.minimum(np.abs(down), np.abs(up))
        one_side = (down * up > 0) & (smaller > small)
        yield from _one_sided(
            np.where(one_side, np.sign(up) * smaller, 0.0),
            total,
            "variations are {} nominal",
        )
    # Where the yield itself is negative, that is reported already.
    if (bins := where((nominal >= 0) & ((lo < 0) | (hi < 0)))) != ():
        lowest = min(lo.min(), hi.min())
        yield Finding(
            "warning",
            "a variation is negative",
            f"down to {lowest:.3g}",
            bins=bins,
            size=-lowest,
        )
    if scale > 0:
        change = max(abs(down.sum()), abs(up.sum())) / scale
        if change > largest_normalisation:
            yield Finding("warning", _LARGE, f"by {change:.0%}", size=change)


def _one_sided(shift: np.ndarray, total: np.ndarray, what: str) -> Iterator[Finding]:
    """Both variations of bins on the same side, by `shift` at least.

    Args:
        shift: signed, in events; 0 where they are on different sides.
        total: the yields of all samples.
        what: lies on one side of what, such as "variations are {} nominal".
    """
    # What matters for a fit is the shift against the bin's statistical error.
    size = np.abs(shift) / np.sqrt(np.maximum(total, 1.0))
    strongly = (
        " by more than the bin's statistical error: the likelihood may have two minima"
    )
    kinds: list[tuple[Severity, str, np.ndarray]] = [
        ("warning", strongly, size > 1),
        ("note", "", size <= 1),
    ]
    for side, sign in (("above", 1), ("below", -1)):
        for severity, how, mask in kinds:
            if (bins := where(mask & (shift * sign > 0))) != ():
                largest = size[list(bins)].max()
                kind = f"both {what.format(side)}{how}"
                detail = f"up to {largest:.2g} statistical errors"
                yield Finding(severity, kind, detail, bins=bins, size=largest)


def _normsys(
    modifier: NormSysDocument,
    nominal: np.ndarray,
    total: np.ndarray,
    largest_normalisation: float,
) -> Iterator[Finding]:
    lo, hi = modifier.data.lo - 1, modifier.data.hi - 1
    change = max(abs(lo), abs(hi))
    if change <= _ROUNDING:
        yield Finding("note", "no effect: both factors are 1")
    elif lo == hi:
        yield Finding("warning", _IDENTICAL, f"{1 + lo:.4g} twice", size=change)
    elif lo * hi > 0:
        shift = np.sign(hi) * min(abs(lo), abs(hi)) * np.abs(nominal)
        strong = [
            each
            for each in _one_sided(shift, total, "factors are {} 1")
            if each.severity == "warning"
        ]
        yield from strong
        if not strong:  # a note is about the factors, which are the same in all bins
            side = "above" if hi > 0 else "below"
            yield Finding(
                "note",
                f"both factors are {side} 1",
                f"{1 + lo:.4g} and {1 + hi:.4g}",
                size=min(abs(lo), abs(hi)),
            )
    if change > largest_normalisation:
        yield Finding("warning", _LARGE, f"by {change:.0%}", size=change)


def _shapesys(nominal: np.ndarray, uncertainty: np.ndarray) -> Iterator[Finding]:
    # Other bins have their factor fixed, and no count.
    used = (nominal > 0) & (uncertainty > 0)
    count = np.square(nominal / np.where(used, uncertainty, np.inf))
    if (bins := where(count > _LARGEST_COUNT)) != ():
        yield Finding(
            "warning",
            "a huge auxiliary count: programs that sum n log n lose digits of the "
            "likelihood. fitkit does not; a fixed factor says the same",
            f"an auxiliary count of {count.max():.2g}",
            bins=bins,
            size=count.max(),
        )
    relative = uncertainty / np.where(nominal > 0, nominal, np.inf)
    if (bins := where(relative > 1)) != ():
        yield Finding(
            "warning",
            "an uncertainty above 100 %: the constraint is that of less than one count",
            f"up to {relative.max():.0%}",
            bins=bins,
            size=relative.max(),
        )
