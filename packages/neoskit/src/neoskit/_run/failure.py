"""What fails after a training is noted, and costs neither it nor what else there is."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from .writing import CannotWrite


class Failure(NamedTuple):
    """Something that could not be done.

    Args:
        what: What it was, for a message.
        error: Why.
    """

    what: str
    error: Exception

    @property
    def why(self) -> str:
        """What the error says to a reader."""
        # One raised inside compiled code has equinox's advice to developers below a
        # line of dashes.
        text = str(self.error).split("\n---")[0].strip()
        return text or type(self.error).__name__


@contextlib.contextmanager
def noted(failures: list[Failure], what: str) -> Iterator[None]:
    """Within it, an error is added to the list and ends the block alone.

    Whatever the error is: a training may have taken hours, and a mistake in our own
    drawing is no reason to lose its numbers. Ctrl-C is no such error, and where the
    folder cannot be written, nothing that follows can be.
    """
    try:
        yield
    except CannotWrite:
        raise
    except Exception as error:
        failures.append(Failure(what, error))
