"""What looks at the events."""

from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from .table import Count, Finite, Positive, Table, Tuple


class NetworkTable(Table):
    """A fully connected network with one output between 0 and 1."""

    kind: Literal["network"]
    hidden: Tuple[Count] = (1024, 1024)
    standardise: bool = False
    activation: Literal["relu", "tanh", "silu", "gelu"] = "relu"
    dtype: Literal["float32", "float64"] = "float32"


class SelectionTable(Table):
    """Cuts with learnable thresholds, one per feature; what passes is counted."""

    kind: Literal["selection"]
    thresholds: Tuple[Finite]
    scale: Tuple[Positive]
    keep: Tuple[Literal["above", "below"]]

    @pydantic.model_validator(mode="after")
    def _one_each(self) -> Self:
        lengths = {len(self.thresholds), len(self.scale), len(self.keep)}
        if len(lengths) > 1:
            raise ValueError(
                "`thresholds`, `scale` and `keep` need one entry per feature each; got "
                f"{len(self.thresholds)}, {len(self.scale)} and {len(self.keep)}"
            )
        return self


Observable = Annotated[NetworkTable | SelectionTable, Field(discriminator="kind")]
