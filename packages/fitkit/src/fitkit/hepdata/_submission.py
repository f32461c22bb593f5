"""A table, and the folder of tables that HEPData takes as a submission."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import yaml

LONGEST_NAME = 64  # HEPData's schema takes no more


@final
@dataclasses.dataclass(frozen=True)
class Table:
    """A table with what its entry in `submission.yaml` says of it.

    Attributes:
        name: at most 64 letters; the file's name is made of it.
        description: the caption.
        independent, dependent: variables in HEPData's form: `header`, `values` and,
            for dependent ones, `qualifiers`.
        location: where in the publication, such as `Figure 4`.
        keywords: by HEPData's kind: `cmenergies`, `observables`, `reactions`,
            `phrases`.
    """

    name: str
    description: str
    independent: Sequence[dict[str, Any]]
    dependent: Sequence[dict[str, Any]]
    location: str = ""
    keywords: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= LONGEST_NAME:
            raise ValueError(
                f"`hepdata.Table(name=...)` has 1 to {LONGEST_NAME} letters; got "
                f"{len(self.name)}: {self.name!r}."
            )
        lengths = {len(v["values"]) for v in (*self.independent, *self.dependent)}
        if len(lengths) > 1:
            raise ValueError(
                f"`hepdata.Table`: the variables of {self.name!r} have different "
                f"numbers of values: {sorted(lengths)}."
            )

    @property
    def file(self) -> str:
        """The name of its file."""
        words = re.sub(r"[^0-9A-Za-z]+", "_", self.name).strip("_").lower()
        return f"{words or 'table'}.yaml"

    def document(self) -> dict[str, Any]:
        """What its file holds."""
        return {
            "independent_variables": list(self.independent),
            "dependent_variables": list(self.dependent),
        }


def write(
    folder: str | Path, tables: Sequence[Table], *, comment: str | None = None
) -> Path:
    """Write tables and their `submission.yaml`.

    Args:
        folder: made if it is not there; files of the same names are written over.
        tables: in the order in which HEPData shows them. `dataclasses.replace` gives
            one another name, description, location or keywords.
        comment: what applies to all tables, such as the abstract.

    Returns:
        The folder.

    Raises:
        ValueError: for no table, or two that would share a name or a file.

    Example:
        >>> import tempfile
        >>> from fitkit import hepdata
        >>> model = fitkit.uncorrelated_background([5.0], [50.0], [4.0])
        >>> result = fitkit.fit(model, model.data({"singlechannel": [52.0]}))
        >>> folder = hepdata.write(tempfile.mkdtemp(), [hepdata.parameters(result)])
        >>> sorted(path.name for path in folder.iterdir())
        ['parameters.yaml', 'submission.yaml']
    """
    # Names that differ in a sign or two may give the same file.
    files = [table.file for table in tables]
    if not files:
        raise ValueError("`hepdata.write(tables=...)` needs at least one table.")
    twice = [t.name for t in tables if files.count(t.file) > 1]
    if twice or "submission.yaml" in files:
        raise ValueError(
            "`hepdata.write(tables=...)` have names of their own; got "
            f"{twice or ['submission']}. Use `dataclasses.replace(table, name=...)`."
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = [] if comment is None else [{"comment": comment}]
    for table in tables:
        _dump(folder / table.file, [table.document()])
        keywords = [
            {"name": kind, "values": list(words)}
            for kind, words in table.keywords.items()
        ]
        place = {"location": table.location} if table.location else {}
        entries.append(
            {
                "name": table.name,
                **place,
                "description": table.description,
                "keywords": keywords,
                "data_file": table.file,
            }
        )
    _dump(folder / "submission.yaml", entries)
    return folder


def fitting(what: str, name: str) -> str:
    """A table's name, cut to what HEPData takes."""
    return (what + name)[:LONGEST_NAME]


def _dump(path: Path, documents: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        yaml.safe_dump_all(documents, file, sort_keys=False, allow_unicode=True)
