"""A whole description."""

from typing import Self

import pydantic

from .binning import BinningTable, RebinningTable
from .channels import ChannelTable
from .compare import ComparisonTable
from .measurement import MeasurementTable
from .observable import NetworkTable, Observable, SoftmaxTable
from .references import check_references
from .samples import DataTable, SampleTable
from .source import FilesTable, Source
from .systematics import SystematicTable
from .table import Table, Tuple
from .training import EvaluationTable, SplitTable, TrainingTable


class RunConfig(Table):
    """Everything that a run depends on."""

    source: Source
    samples: Tuple[SampleTable] = ()
    data: DataTable | None = None
    channels: Tuple[ChannelTable] = ()
    systematics: Tuple[SystematicTable] = ()
    split: SplitTable = SplitTable(held_out=0.2)
    observable: Observable = NetworkTable(kind="network")
    binning: BinningTable = BinningTable()
    measurement: MeasurementTable = MeasurementTable()
    training: TrainingTable = TrainingTable()
    rebinning: RebinningTable | None = None
    evaluation: EvaluationTable = EvaluationTable()
    compare: ComparisonTable = ComparisonTable()

    @pydantic.model_validator(mode="after")
    def _files_are_described(self) -> Self:
        if isinstance(self.source, FilesTable):
            check_references(
                self.source, self.samples, self.channels, self.systematics, self.data
            )
            return self
        for name in ("samples", "data", "channels", "systematics"):
            if getattr(self, name):
                raise ValueError(
                    f'`{name}` describes files: it needs `source.kind = "files"`, and '
                    f"`source.kind` is {self.source.kind!r}"
                )
        return self

    @pydantic.model_validator(mode="after")
    def _batches_are_in_memory(self) -> Self:
        if not isinstance(self.source, FilesTable) or self.source.in_memory:
            return self
        named = {"training": self.training}
        named |= {f"training.stages.{i}": s for i, s in enumerate(self.training.stages)}
        for key, table in named.items():
            if table.batch is not None:
                raise ValueError(
                    f"`{key}.batch` draws events at random, and `source.in_memory = "
                    "false` reads them from disk in their order: leave `batch` out for "
                    "the exact gradient of all events, `chunk` of them at a time"
                )
        return self

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> Self:
        # Said before a training, not after it.
        if self.binning.learned and self.split.folds is not None:
            raise ValueError(
                "`binning.learned` and `split.folds` exclude each other: each fold "
                "would learn other edges, and their templates would not add up"
            )
        kind = self.observable.kind
        if self.rebinning is not None and kind in ("selection", "softmax"):
            raise ValueError(
                "`rebinning` merges neighbouring bins, and an observable of the kind "
                f"{kind!r} has none: leave one of them out"
            )
        softmax = isinstance(self.observable, SoftmaxTable)
        if softmax and (self.binning.edges or self.binning.learned):
            raise ValueError(
                "`binning.edges` and `binning.learned` are of a value, and an "
                "observable of the kind 'softmax' has bins of its own: give their "
                "number as `binning.bins`"
            )
        if self.training.keep == "best" and self.split.validation is None:
            raise ValueError(
                '`training.keep = "best"` chooses on events of its own: give their '
                "share as `split.validation`"
            )
        return self
