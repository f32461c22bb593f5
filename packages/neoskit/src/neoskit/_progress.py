"""Progress of long work: a bar on a terminal, a line now and then in a log file."""

import contextlib
import datetime
import sys
import time
from collections.abc import Callable, Iterator

Advance = Callable[[str], None]
"""Called after each unit of work, with what to write beside it."""

_PAUSE = 30.0  # seconds between two lines of a log: hours are read in a minute


@contextlib.contextmanager
def progress_bar(
    total: int, unit: str, wanted: bool | str = True, *, done: int = 0
) -> Iterator[Advance]:
    """How far work is, and how long it will take: on the terminal, or in a log.

    Args:
        total: how many units of work there are.
        unit: their name.
        wanted: whether to show it; a text is put before it.
        done: how many units were done before.

    Yields:
        A function to call after each unit, with what to write beside it.
    """
    title = wanted if isinstance(wanted, str) else ""
    if wanted is False:
        yield lambda beside: None
    elif _redrawn():
        with _bar(total, unit, title, done) as advance:
            yield advance
    else:
        yield _lines(total, unit, title, done)


def _redrawn() -> bool:
    """Whether what was written can be written over: on a terminal, in a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


@contextlib.contextmanager
def _bar(total: int, unit: str, title: str, done: int) -> Iterator[Advance]:
    # Progress is a courtesy: a training without tqdm trains in silence.
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield lambda beside: None
        return
    with tqdm(total=total, unit=unit, desc=title or None, initial=done) as bar:

        def advance(beside: str) -> None:
            bar.set_postfix_str(beside, refresh=False)
            bar.update()

        yield advance


def _lines(total: int, unit: str, title: str, done: int) -> Advance:
    """Whole lines, no control characters: the first unit, the last, few between."""
    before = f"{title}: " if title else ""
    counted, first, last = done, 0.0, -_PAUSE

    def advance(beside: str) -> None:
        nonlocal counted, first, last
        counted += 1
        now = time.monotonic()
        if counted == done + 1:
            # The first unit may have compiled for long: no measure for the others.
            first = now
        elif now - last < _PAUSE and counted < total:
            return
        last = now
        left = ""
        if counted > done + 1 and counted < total:
            seconds = (total - counted) * (now - first) / (counted - done - 1)
            left = f", {datetime.timedelta(seconds=round(seconds))} left"
        beside = f", {beside}" if beside else ""
        sys.stderr.write(f"{before}{unit} {counted}/{total}{beside}{left}\n")
        sys.stderr.flush()

    return advance
