"""Where events come from."""

from typing import Annotated, Any, Literal

from pydantic import Field

from .table import Count, Name, Seed, Table


class BlobsTable(Table):
    """Four Gaussian blobs in the plane (arXiv:2203.05570), generated."""

    kind: Literal["blobs"]
    events: Count = 10_000
    seed: Seed = 0


class InfernoTable(Table):
    """The synthetic problem of arXiv:1806.04743, generated."""

    kind: Literal["inferno"]
    events: Count = 100_000
    seed: Seed = 0


class PythonTable(Table):
    """A function of the user's own that returns a `Dataset`.

    `file` is relative to the configuration; `arguments` go to the function as
    keywords. `observed` names the function that opens the real data: it is
    called only when a run is unblinded; `note` is then printed with the fit.
    """

    kind: Literal["python"]
    file: Name
    function: Name = "dataset"
    observed: Name | None = None
    note: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)


Source = Annotated[BlobsTable | InfernoTable | PythonTable, Field(discriminator="kind")]
