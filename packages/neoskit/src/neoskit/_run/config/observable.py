"""What looks at the events."""

import itertools
from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from .table import Count, Finite, Name, Positive, Table, Tuple

MOST_WEIGHTS = 10**8
"""Half a gigabyte in the network, its gradient and the optimiser each."""


class NetworkTable(Table):
    """A fully connected network with one output between 0 and 1."""

    kind: Literal["network"]
    hidden: Tuple[Count] = (32, 32)
    standardise: bool = False
    activation: Literal["relu", "tanh", "silu", "gelu"] = "relu"
    dtype: Literal["float32", "float64"] = "float32"

    @pydantic.field_validator("hidden")
    @classmethod
    def _fits_into_memory(cls, hidden: tuple[int, ...]) -> tuple[int, ...]:
        weights = sum(a * b for a, b in itertools.pairwise((1, *hidden, 1)))
        if weights > MOST_WEIGHTS:
            raise ValueError(
                f"describes a network of {min(weights, 10**18):.1g} weights or more; "
                f"at most {MOST_WEIGHTS:.0e} can be trained. Give fewer or narrower "
                "layers"
            )
        return hidden


class SoftmaxTable(NetworkTable):
    """Bins that a network tells apart, `binning.bins` of them: no edges, no order.

    They begin at equal bins of a classifier, a network of the same size that the warm
    start trains; `from_scratch` leaves it out, as INFERNO does.
    """

    kind: Literal["softmax"]  # type: ignore[assignment]
    from_scratch: bool = False


class ResidualTable(NetworkTable):
    """A score that is one of the features, corrected by a network.

    `score` names the feature, somebody's classifier; `scale` is `"probability"` for one
    between 0 and 1 and `"logit"` for any that is larger for signal.
    """

    kind: Literal["residual"]  # type: ignore[assignment]
    score: Name
    scale: Literal["probability", "logit"] = "probability"


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


Observable = Annotated[
    NetworkTable | SoftmaxTable | ResidualTable | SelectionTable,
    Field(discriminator="kind"),
]
