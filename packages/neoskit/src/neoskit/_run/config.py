"""A run, described: TOML → typed and checked values, nothing built yet.

Unknown keys are errors, because a misspelt option that is silently ignored
costs a training. Building the run from the description is `build`'s work.
"""

import difflib
import math
import tomllib
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import pydantic
from pydantic import AfterValidator, Discriminator, Field, Tag

from .._checks import wrong_name


class ConfigError(ValueError):
    """A run description that cannot be read, with every problem on a line."""


class _Table(pydantic.BaseModel):
    # Strict: `steps = "60"` is a mistake, not a number.
    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)


def _name(text: str) -> str:
    if problem := wrong_name(text):
        raise ValueError(f"{problem}; got {text!r}")
    return text


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    repeated = [name for i, name in enumerate(names) if name in names[:i]]
    if repeated:
        raise ValueError(f"names {repeated[0]!r} twice")
    return names


# TOML has arrays only; strict checking would refuse them as tuples.
_T = TypeVar("_T")
_Tuple = Annotated[tuple[_T, ...], Field(strict=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]
_Seed = Annotated[int, Field(ge=0)]
_Name = Annotated[str, AfterValidator(_name)]
_Names = Annotated[_Tuple[_Name], AfterValidator(_once)]

ObjectiveName = Literal[
    "expected_cls",
    "discovery_pvalue",
    "poi_variance",
    "generalised_variance",
    "binary_cross_entropy",
    "binary_cross_entropy_with_variations",
]


def _increasing(name: str, values: Sequence[float]) -> None:
    for i in range(1, len(values)):
        if not values[i] > values[i - 1]:
            raise ValueError(
                f"`{name}` must increase; got "
                f"{name}[{i}]={values[i]} after {name}[{i - 1}]={values[i - 1]}"
            )


class BlobsTable(_Table):
    """Four Gaussian blobs in the plane (arXiv:2203.05570), generated."""

    kind: Literal["blobs"]
    events: _Count = 10_000
    seed: _Seed = 0


class InfernoTable(_Table):
    """The synthetic problem of arXiv:1806.04743, generated."""

    kind: Literal["inferno"]
    events: _Count = 100_000
    seed: _Seed = 0


class PythonTable(_Table):
    """A function of the user's own that returns a `Dataset`.

    `file` is relative to the configuration; `arguments` go to the function as
    keywords. `observed` names the function that opens the real data: it is
    called only when a run is unblinded; `note` is then printed with the fit.
    """

    kind: Literal["python"]
    file: _Name
    function: _Name = "dataset"
    observed: _Name | None = None
    note: str | None = None
    arguments: dict[str, Any] = {}


Source = Annotated[BlobsTable | InfernoTable | PythonTable, Field(discriminator="kind")]


class SplitTable(_Table):
    """Which events train and which judge.

    Either a fraction is held out, or every event is judged by the network of
    the fold that did not see it.
    """

    held_out: Annotated[float, Field(gt=0, lt=1)] | None = None
    folds: Annotated[int, Field(ge=2)] | None = None
    seed: _Seed = 0

    @pydantic.model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.held_out is None) == (self.folds is None):
            raise ValueError(
                "needs exactly one of `held_out` (a fraction) and `folds` (a number)"
            )
        return self


class NetworkTable(_Table):
    """A fully connected network with one output between 0 and 1."""

    kind: Literal["network"]
    hidden: _Tuple[_Count] = (1024, 1024)
    standardise: bool = False
    activation: Literal["relu", "tanh", "silu", "gelu"] = "relu"
    dtype: Literal["float32", "float64"] = "float32"


class SelectionTable(_Table):
    """Cuts with learnable thresholds, one per feature; what passes is counted."""

    kind: Literal["selection"]
    thresholds: _Tuple[_Finite]
    scale: _Tuple[_Positive]
    keep: _Tuple[Literal["above", "below"]]

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


class AnnealedTable(_Table):
    """A number that moves from `start` to `end` over the training."""

    start: _Positive
    end: _Positive


# Told apart by what was written, so that an error speaks of that one only.
_Schedule = Annotated[
    Annotated[_Positive, Tag("number")] | Annotated[AnnealedTable, Tag("table")],
    Discriminator(
        lambda v: "table" if isinstance(v, dict | AnnealedTable) else "number"
    ),
]


class BinningTable(_Table):
    """The bins of the observable: `edges`, or `bins` equal ones in `range`.

    A selection has no bins; of this table it reads the bandwidth.
    """

    edges: _Tuple[_Finite] | None = None
    bins: _Count | None = None  # 4, where there are no `edges` either
    range: Annotated[tuple[_Finite, _Finite], Field(strict=False)] = (0.0, 1.0)
    learned: bool = False
    bandwidth: _Schedule = 0.1
    kernel: Literal["gaussian", "logistic"] = "gaussian"
    flow: Literal["drop", "clip"] = "drop"

    @pydantic.model_validator(mode="after")
    def _edges_given_once(self) -> Self:
        if self.edges is not None and self.bins is not None:
            raise ValueError("takes `edges` or `bins`, not both")
        if self.edges is not None and len(self.edges) < 2:
            raise ValueError("needs at least two `edges`")
        _increasing("edges", self.edges or ())
        _increasing("range", self.range)
        return self

    @property
    def positions(self) -> tuple[float, ...]:
        """The edges, whichever way they were given."""
        if self.edges is not None:
            return self.edges
        low, high = self.range
        bins = 4 if self.bins is None else self.bins
        return (*(low + i * (high - low) / bins for i in range(bins)), high)


class NormalisationTable(_Table):
    """A systematic that scales whole processes."""

    name: _Name
    processes: _Names
    up: _Positive
    down: _Positive


class LuminosityTable(_Table):
    """The relative uncertainty of the luminosity, and which processes it scales."""

    uncertainty: _Positive
    processes: _Names


_AllOrSome = Annotated[
    Annotated[bool, Tag("all")] | Annotated[_Names, Tag("some")],
    Discriminator(lambda v: "some" if isinstance(v, list | tuple) else "all"),
]


class MeasurementTable(_Table):
    """What is measured, and what is uncertain.

    `free` names, for each process whose normalisation the data determine, the
    parameter that scales it. Normalisations of one name share one parameter.
    """

    signals: Annotated[_Names, Field(min_length=1)] = ("signal",)
    poi: _Name = "mu"
    free: dict[_Name, _Name] = {}
    normalisations: _Tuple[NormalisationTable] = ()
    lumi: LuminosityTable | None = None
    mc_statistics: _AllOrSome = False
    floor: Annotated[_Finite, Field(ge=0)] = 0.0
    normsys_code: Literal["1", "4"] = "4"
    histosys_code: Literal["0", "2", "4p"] = "4p"

    @pydantic.model_validator(mode="after")
    def _one_meaning_each(self) -> Self:
        # What a parameter is called, in the words of the file.
        meanings = {self.poi: "`poi`"}
        if self.lumi is not None:
            _tell_apart(meanings, LUMI, "`lumi`")
        for process, name in self.free.items():
            # One free parameter may scale several processes.
            if meanings.get(name) != "`free`":
                _tell_apart(meanings, name, "`free`", f"`free.{process}`")
        acting: dict[str, set[str]] = {}
        for i, norm in enumerate(self.normalisations):
            key = f"`normalisations.{i}.name`"
            if meanings.get(norm.name) != "`normalisations`":
                _tell_apart(meanings, norm.name, "`normalisations`", key)
            twice = sorted(acting.setdefault(norm.name, set()) & {*norm.processes})
            if twice:
                raise ValueError(
                    f"{key} is {norm.name!r}, which acts on {twice[0]!r} already; one "
                    "process has one normalisation of a name"
                )
            acting[norm.name] |= {*norm.processes}
        return self


LUMI = "lumi"
"""The name of the luminosity's parameter."""


def _tell_apart(
    meanings: dict[str, str], name: str, meaning: str, key: str | None = None
) -> None:
    if name in meanings:
        raise ValueError(
            f"{key or meaning} is {name!r}, which is the name of {meanings[name]} "
            "already; give one of them another"
        )
    meanings[name] = meaning


class TrainingTable(_Table):
    """How the observable is trained, once per seed.

    `logarithm` minimises the logarithm of an objective of the model, which has the
    same minimum and gradients of one size.
    """

    objective: ObjectiveName = "expected_cls"
    steps: _Count = 60
    batch: _Count | None = None
    chunk: _Count | None = None
    every: _Count = 1
    logarithm: bool = True
    optimiser: Literal["adam", "sgd"] = "adam"
    learning_rate: _Positive = 1e-3
    seeds: Annotated[_Tuple[_Seed], Field(min_length=1)] = (0,)

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.batch is not None and self.chunk is not None:
            raise ValueError("takes `batch` or `chunk`, not both")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"`seeds` repeats itself: {list(self.seeds)}")
        return self


class RebinningTable(_Table):
    """When neighbouring bins are merged before anything is quoted."""

    largest_error: _Positive = 0.2
    raw_events: _Count = 10


class ComparisonTable(_Table):
    """What `compare` trains beside the objective of `[training]`."""

    baseline: ObjectiveName = "binary_cross_entropy"
    bootstrap: Annotated[int, Field(ge=2)] = 200


class RunConfig(_Table):
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


def read_config(path: str | Path) -> RunConfig:
    """The run that a TOML file describes.

    Args:
        path: The file.

    Raises:
        ConfigError: Where the file is missing, is not TOML, or does not
            describe a run; the message names the file, each key, and for an
            unknown one its nearest relative.

    Examples:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "run.toml").write_text('''
        ... [source]
        ... kind = "blobs"
        ... ''')
        >>> read_config(folder / "run.toml").training.steps
        60
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    # Python's words name neither the way out nor, for some, the file.
    except FileNotFoundError:
        raise ConfigError(_not_there(path)) from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; a run is one TOML file.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text, as TOML must be.") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}.") from None
    return parse_config(document, where=str(path))


def parse_config(document: dict[str, Any], *, where: str = "config") -> RunConfig:
    """The run that a parsed document describes.

    Args:
        document: As `tomllib` returns it.
        where: What to call the document in errors.

    Raises:
        ConfigError: As `read_config`.
    """
    try:
        return RunConfig.model_validate(document)
    except pydantic.ValidationError as error:
        # One line for a place: of a list that is too short, pydantic names each item.
        lines = {
            _place(problem, document): _explain(problem, document)
            for problem in error.errors()
        }
        message = "\n".join(f"{where}: {line}" for line in lines.values())
        raise ConfigError(message) from None


def config_document(config: RunConfig) -> dict[str, Any]:
    """The inverse of `parse_config`, every default written out.

    `None` is left out: TOML cannot say it, and every key that may be `None`
    is so by default.
    """
    return config.model_dump(mode="json", exclude_none=True)


def _not_there(path: Path) -> str:
    siblings = sorted(p.name for p in path.parent.glob("*.toml"))
    if not path.parent.is_dir():
        return f"{path}: no such file, and no folder `{path.parent}`."
    near = difflib.get_close_matches(path.name, siblings, n=1)
    hint = f" Did you mean `{path.parent / near[0]}`?" if near else ""
    return f"{path}: no such file.{hint}"


def _place(problem: Any, document: dict[str, Any]) -> tuple[Any, ...]:
    return (problem["type"], *_written(problem["loc"], document))


def _explain(problem: Any, document: dict[str, Any]) -> str:
    keys = _written(problem["loc"], document)
    name = ".".join(map(str, keys))
    match problem["type"]:
        case "extra_forbidden":
            return f"unknown key `{name}`.{_nearest(keys)}"
        # An item of a list: pydantic tells where it should be, the author wrote fewer.
        case "missing" if isinstance(problem["loc"][-1], int):
            got = _shorten(_at(keys, document))
            least = problem["loc"][-1] + 1
            return f"`{name}`: needs at least {least} items; got {got}."
        case "missing":
            return f"the key `{name}` is missing."
        case "union_tag_not_found":
            return f"the key `{name}.kind` is missing; it is one of " + (
                f"{problem['ctx'].get('expected_tags', _tags(keys))}."
            )
        case "union_tag_invalid":
            context = problem["ctx"]
            return (
                f"`{name}.kind` is {context['tag']!r}; "
                f"it is one of {context['expected_tags']}."
            )
        case "value_error":
            # What concerns the whole description names its keys itself.
            place = f"`{name}`: " if name else ""
            return f"{place}{problem['ctx']['error']}."
    message = problem["msg"][0].lower() + problem["msg"][1:]
    got = _shorten(problem["input"])
    return f"`{name}`: {message}; got {got}."


def _written(loc: Sequence[Any], document: Any) -> list[Any]:
    """The part of pydantic's location that the author of the file wrote.

    Pydantic also names the member of a union in which an error lies; such
    names are no keys of the document.
    """
    keys = []
    # Followed down the document, as far as it leads.
    for position, step in enumerate(loc):
        inside = (isinstance(document, dict) and step in document) or (
            isinstance(document, list)
            and isinstance(step, int)
            and step < len(document)
        )
        if inside:
            document = document[step]
            keys.append(step)
        elif position == len(loc) - 1 and isinstance(document, dict):
            keys.append(step)
    return keys


def _at(keys: Sequence[Any], document: Any) -> Any:
    for key in keys:
        document = document[key]
    return document


def _nearest(keys: Sequence[Any]) -> str:
    # Of every table that may stand there: of two kinds of source, the keys of both.
    known = sorted({name for table in _tables(keys[:-1]) for name in table})
    near = difflib.get_close_matches(str(keys[-1]), known, n=1)
    if near:
        return f" Did you mean `{near[0]}`?"
    return f" Known here: {', '.join(known)}."


def _tables(keys: Sequence[Any]) -> list[dict[str, Any]]:
    """The fields of every table that may stand at `keys`."""
    tables: list[Any] = [RunConfig]
    for key in keys:
        annotations = [
            table.model_fields[key].annotation
            for table in tables
            if not isinstance(key, int) and key in table.model_fields
        ]
        # A position in a list leads to the tables that the list is of.
        if annotations:
            tables = [m for annotation in annotations for m in _models(annotation)]
    return [table.model_fields for table in tables]


def _models(annotation: Any) -> list[type[_Table]]:
    if isinstance(annotation, type) and issubclass(annotation, _Table):
        return [annotation]
    return [m for a in typing.get_args(annotation) for m in _models(a)]


def _tags(keys: Sequence[Any]) -> str:
    kinds = [table["kind"].annotation for table in _tables(keys) if "kind" in table]
    return ", ".join(repr(tag) for kind in kinds for tag in typing.get_args(kind))


def _shorten(value: Any, most: int = 60) -> str:
    text = "nan" if isinstance(value, float) and math.isnan(value) else repr(value)
    return text if len(text) <= most else text[:most] + " …"
