"""What becomes of the part of an event that leaves a histogram's outer edges."""

from typing import Literal, TypeAlias, get_args

Flow: TypeAlias = Literal["drop", "clip", "reflect"]

FLOWS: tuple[str, ...] = get_args(Flow)
