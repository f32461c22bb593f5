"""What a training is compared with."""

from typing import Annotated

from pydantic import Field

from .table import Table
from .training import ObjectiveName


class ComparisonTable(Table):
    """What `compare` trains beside the objective of `[training]`."""

    baseline: ObjectiveName = "binary_cross_entropy"
    bootstrap: Annotated[int, Field(ge=2)] = 200
