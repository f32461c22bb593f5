"""Room for compiled programs, of which jax keeps all for as long as a process lives.

Linux gives a process 65 530 mappings of memory (`vm.max_map_count`); the programs of a
fit take some 500 of them, those of a limit 1100. Where one is refused, XLA ends the
process by a segmentation fault (https://github.com/jax-ml/jax/issues/27201): a loop
over a hundred models of different shapes would die of it.
"""

import logging
from pathlib import Path

import jax

_log = logging.getLogger(__name__)
_MAPPINGS = Path("/proc/self/maps")
_MOST = Path("/proc/sys/vm/max_map_count")


class Room:
    """Watches the mappings of this process and drops jax's programs in time.

    Only programs that jax can compile again are dropped: results do not change, and the
    next call of each takes as long as its first. Where the system has no such limit
    nothing happens.

    Attributes:
        most: how many mappings a process may have; None: there is no limit.
    """

    def __init__(self, most: int | None):
        self.most = most
        self._ceiling = 0 if most is None else most // 2
        self._uncounted = False

    def taken(self) -> None:
        """A program is being traced: there will be mappings that nobody counted."""
        self._uncounted = self.most is not None

    def make(self) -> None:
        """Make room for the next program, if there may be too little.

        Counting takes a microsecond for each mapping, so it is done only where a
        program was made since the last count.
        """
        if not self._uncounted or self.most is None:
            return
        self._uncounted = False
        before = mappings()
        if before <= self._ceiling:
            return
        jax.clear_caches()
        after = mappings()
        # What is left is not ours to drop. A ceiling below it would drop programs at
        # every call.
        self._ceiling = max(self.most // 2, (after + self.most) // 2)
        _log.info(
            "dropped jax's compiled programs: this process had %d of its %d memory "
            "mappings, and has %d",
            *(before, self.most, after),
        )


def mappings() -> int:
    """How many mappings of memory this process has (Linux)."""
    return _MAPPINGS.read_bytes().count(b"\n")


def _limit() -> int | None:
    try:
        return int(_MOST.read_text()) if _MAPPINGS.exists() else None
    except OSError:
        return None


room = Room(_limit())
