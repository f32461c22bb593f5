"""The regions of a measurement."""

from typing import Self

import pydantic

from .table import Expressions, Finite, Name, Table, Tuple, increasing


class ChannelTable(Table):
    """One region: which events it has, and what is looked at.

    The events that pass `filter` are scored by the trained observable, or only
    `counted`, or filled into the `binning` of a `variable` (an expression) that is not
    trained.
    """

    name: Name
    filter: Expressions = ()
    counted: bool = False
    variable: Name | None = None
    binning: Tuple[Finite] | None = None

    @pydantic.model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.variable is None) != (self.binning is None):
            raise ValueError("needs both of `variable` and `binning`, or none of them")
        if self.binning is not None:
            if self.counted:
                raise ValueError("takes `counted` or `variable`, not both")
            if len(self.binning) < 2:
                raise ValueError("needs at least two edges as `binning`")
            increasing("binning", self.binning)
        return self

    @property
    def scored(self) -> bool:
        """Whether the trained observable looks at its events."""
        return not self.counted and self.variable is None
