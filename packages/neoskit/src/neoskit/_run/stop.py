"""Somebody wants the run to end: asked between two steps, where all is in order."""

from dataclasses import dataclass


@dataclass
class Stop:
    """Whether the run is to end at the next step.

    Args:
        requested: whether it is.
        at_once: whether there is no time to judge what is trained until here, as after
            SIGTERM.
    """

    requested: bool = False
    at_once: bool = False
