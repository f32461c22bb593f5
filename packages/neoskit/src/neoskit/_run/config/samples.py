"""The files that events are in: simulated samples, and recorded data."""

from pydantic import Field

from .table import Expressions, Factor, Files, Name, Names, Table


class SampleTable(Table):
    """Events of one process: files, with what is taken of them.

    Samples of one `process` add up to it. `weight` are factors besides those of
    `source.weight`, `scale` one that is a number (luminosity times cross-section over
    the number of generated events; negative for what is subtracted). `channels` are
    those that it enters, all if not given; `year` is what systematics that are not
    correlated over years tell apart. `columns` are computed besides those of
    `source.columns`, and take the place of one with the same name.
    """

    name: Name
    files: Files
    process: Name | None = None  # its own name
    tree: Name | None = None
    filter: Expressions = ()
    weight: Expressions = ()
    scale: Factor = 1.0
    columns: dict[Name, Name] = Field(default_factory=dict)
    channels: Names | None = None
    year: Name | None = None

    @property
    def of(self) -> str:
        """The process that its events are of."""
        return self.process or self.name


class DataTable(Table):
    """Recorded events, which are opened when a run is unblinded and not before."""

    files: Files
    tree: Name | None = None
    filter: Expressions = ()
    columns: dict[Name, Name] = Field(default_factory=dict)
