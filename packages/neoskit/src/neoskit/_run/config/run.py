"""A whole description."""

from typing import Self

import pydantic

from .binning import BinningTable, RebinningTable
from .compare import ComparisonTable
from .measurement import MeasurementTable
from .observable import NetworkTable, Observable, SelectionTable
from .source import Source
from .table import Table
from .training import SplitTable, TrainingTable


class RunConfig(Table):
    """Everything that a run depends on."""

    source: Source
    split: SplitTable = SplitTable(held_out=0.2)
    observable: Observable = NetworkTable(kind="network")
    binning: BinningTable = BinningTable()
    measurement: MeasurementTable = MeasurementTable()
    training: TrainingTable = TrainingTable()
    rebinning: RebinningTable | None = None
    compare: ComparisonTable = ComparisonTable()

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> Self:
        # Said before a training, not after it.
        if self.binning.learned and self.split.folds is not None:
            raise ValueError(
                "`binning.learned` and `split.folds` exclude each other: each fold "
                "would learn other edges, and their templates would not add up"
            )
        if self.rebinning is not None and isinstance(self.observable, SelectionTable):
            raise ValueError(
                "`rebinning` merges bins, and an observable of the kind 'selection' "
                "has none: leave one of them out"
            )
        return self
