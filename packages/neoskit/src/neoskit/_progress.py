"""Progress of long work, on a terminal."""

import contextlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress_bar(
    total: int, unit: str, wanted: bool = True
) -> Iterator[Callable[[str], None]]:
    """A bar; nothing where it is not wanted, or without tqdm.

    Args:
        total: how many units of work there are.
        unit: their name.
        wanted: whether to show it.

    Yields:
        A function to call after each unit, with what to write beside the bar.
    """
    # Progress is a courtesy: a training without tqdm trains in silence.
    try:
        from tqdm.auto import tqdm
    except ImportError:
        wanted = False
    if not wanted:
        yield lambda beside: None
        return
    with tqdm(total=total, unit=unit) as bar:

        def advance(beside: str) -> None:
            bar.set_postfix_str(beside, refresh=False)
            bar.update()

        yield advance
