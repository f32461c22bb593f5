"""Memory that one step frees is kept for the next.

XLA takes the memory of a whole step at once and frees it after it. The GNU C library
gives such a block back to the system, or does not, as the blocks around it happen to
lie; where it does, the system hands out every page of it anew, and clears it: a step of
8 ms took 12.
"""

import contextlib
import ctypes
import platform
from collections.abc import Iterator

# Of malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# Larger blocks are taken from the system and given back each time, whatever is asked
# for: the largest number that is taken here.
_LARGEST_KEPT = 32 * 2**20
_KEPT, _USUAL = 2**30, 2 * _LARGEST_KEPT


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep up to a gigabyte of freed memory while inside.

    Elsewhere than on the GNU C library it does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    library = ctypes.CDLL(None)
    library.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
    library.mallopt(_TRIM_THRESHOLD, _KEPT)
    try:
        yield
    finally:
        # What the library comes to by itself in a process that frees large blocks.
        library.mallopt(_TRIM_THRESHOLD, _USUAL)
