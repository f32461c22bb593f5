"""Files → `Events` of one process, or plain columns."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from .derived import Derived, needed
from .event_files import ROWS, Paths, read_files
from .events import Events
from .files import find, open_events
from .view import Missing


def read_columns(
    path: str | os.PathLike,
    branches: Sequence[str],
    *,
    tree: str = "Events",
    selection: str | None = None,
) -> dict[str, np.ndarray]:
    """Columns of one file as arrays, for selections that need code.

    Args:
        path: The file: ROOT, parquet or CSV, by the ending of its name.
        branches: Columns, or expressions over them such as `"abs(eta_1)"`, with one
            value per entry.
        tree: Name of the TTree or RNTuple, in a ROOT file.
        selection: Which entries to keep, as an expression such as
            `"mt_1 < 30 and q_1 * q_2 < 0"`; all of them by default.

    Returns:
        One array `(entries,)` per item of `branches`, of the file's own type, and
        `"entry"`: the number of each kept entry in the file, which tells events apart
        for good (for hashing, for matching an event with its shifted copy).

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not such a file, no such tree or column (near matches are
            named), an expression that cannot be evaluated, a column with several
            values per entry.

    Example:
        >>> import tempfile, uproot
        >>> path = tempfile.mkdtemp() + "/ztt.root"
        >>> with uproot.recreate(path) as file:
        ...     tree = file.mktree("Events", {"pt_1": "f4"})
        ...     written = tree.extend({"pt_1": [25.0, 41.0, 60.0]})
        >>> columns = read_columns(path, ["pt_1"], selection="pt_1 > 30")
        >>> columns["pt_1"], columns["entry"]
        (array([41., 60.], dtype=float32), array([1, 2]))
    """
    # Each once: a branch may be a feature and, by another name, the weight.
    wanted = list(dict.fromkeys(branches))
    if "entry" in wanted:
        raise ValueError(
            '`read_columns` returns the entry number as "entry"; read a column of '
            'that name by an expression, such as "entry + 0".'
        )
    texts = wanted if selection is None else [*wanted, selection]
    pieces: list[dict[str, np.ndarray]] = []
    (found,) = find(path)
    with open_events(found, tree=tree) as file:
        names = needed(texts, {}, file.names, file.place)
        for start, read in file.parts(names, ROWS):
            pieces.append(_kept(read, wanted, selection, start, file.place))
    if not pieces:
        return {name: np.zeros(0) for name in wanted} | {"entry": np.zeros(0, int)}
    return {name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]}


def _kept(
    read: dict[str, np.ndarray],
    wanted: Sequence[str],
    selection: str | None,
    start: int,
    place: str,
) -> dict[str, np.ndarray]:
    length = len(next(iter(read.values()))) if read else 0
    columns = Derived(read, {}, length)
    try:
        keep = slice(None) if selection is None else columns.value(selection) != 0
        kept = {name: columns.value(name)[keep] for name in wanted}
    except ValueError as error:
        raise ValueError(f"{error} This is in {place}.") from None
    return kept | {"entry": np.arange(start, start + length)[keep]}


def read_root(
    paths: Paths,
    features: Sequence[str] | Mapping[str, str],
    *,
    tree: str = "Events",
    weight: str | Sequence[str] | None = None,
    selection: str | None = None,
    scale: float = 1.0,
    columns: Mapping[str, str] | None = None,
    missing: Mapping[str, Missing] | None = None,
    index: str | Sequence[str] | None = None,
) -> Events:
    """Events of one process from ROOT files.

    Args:
        paths: A file; a pattern such as `"ztt_*.root"`; several of them; or, with a
            factor on the weights of each, a mapping such as `{"w1j.root": 0.3}`.
        features: What the observable sees, in its order: columns, or expressions over
            them. A mapping gives names of your own to expressions:
            `{"abs_eta": "abs(eta_1)"}`. A column with several values per event is
            reduced to one, as in `"max(jet_pt, 0)"` or `"at(jet_pt, 0, -999)"`.
        tree: Name of the TTree or RNTuple in the files.
        weight: Column or expression of the event weight, or several whose product it
            is; 1 for each if not given.
        selection: Which entries to keep, as in `read_columns`.
        scale: Factor on every weight: luminosity times cross-section over the number
            of generated events, if the file's weights leave it out. May be negative
            (a simulation to be subtracted).
        columns: Name → expression, of columns that are computed and that all the
            others may use.
        missing: Feature → which values of it mean that there is none.
        index: Columns of whole numbers that tell events apart; the number of file and
            entry if not given.

    Returns:
        The selected events. Their `index` is, of a single file, the entry number in it.

    Raises:
        FileNotFoundError: No such file.
        ValueError: As `read_columns`; also if no entry passes the selection, or a
            feature or weight is NaN or infinite (the column and entry are named).
        ImportError: uproot is not installed (`neoskit[root]`).

    Example:
        >>> import tempfile, uproot
        >>> path = tempfile.mkdtemp() + "/ztt.root"
        >>> with uproot.recreate(path) as file:
        ...     tree = file.mktree("Events", {"eta_1": "f4", "weight": "f4"})
        ...     written = tree.extend({"eta_1": [-1.5, 0.5], "weight": [0.5, 0.25]})
        >>> events = read_root(path, {"abs_eta": "abs(eta_1)"}, weight="weight")
        >>> events.names, events.features.tolist(), events.weights.tolist()
        (('abs_eta',), [[1.5], [0.5]], [0.5, 0.25])
    """
    return read_files(
        "root",
        paths,
        features,
        weight=weight,
        selection=selection,
        scale=scale,
        columns=columns,
        missing=missing,
        index=index,
        tree=tree,
    )


def read_parquet(
    paths: Paths,
    features: Sequence[str] | Mapping[str, str],
    *,
    weight: str | Sequence[str] | None = None,
    selection: str | None = None,
    scale: float = 1.0,
    columns: Mapping[str, str] | None = None,
    missing: Mapping[str, Missing] | None = None,
    index: str | Sequence[str] | None = None,
) -> Events:
    """Events of one process from parquet files, row group by row group.

    Args:
        paths: As `read_root`.
        features: As `read_root`; the field `pt` of a struct `lep` is `lep.pt`.
        weight: As `read_root`.
        selection: As `read_columns`.
        scale: As `read_root`.
        columns: As `read_root`.
        missing: As `read_root`. What the file itself marks as null is NaN.
        index: As `read_root`.

    Returns:
        The selected events.

    Raises:
        FileNotFoundError: No such file.
        ValueError: As `read_root`.
        ImportError: pyarrow is not installed (`neoskit[parquet]`).

    Example:
        >>> import tempfile, pyarrow, pyarrow.parquet
        >>> path = tempfile.mkdtemp() + "/ztt.parquet"
        >>> table = pyarrow.table({"mjj": [-999.0, 350.0], "w": [0.5, 0.25]})
        >>> pyarrow.parquet.write_table(table, path)
        >>> no_jets = Missing(values=(-999,), neutral=200.0, indicator="no_jets")
        >>> events = read_parquet(path, ["mjj"], weight="w", missing={"mjj": no_jets})
        >>> events.names, events.features.tolist()
        (('mjj', 'no_jets'), [[200.0, 1.0], [350.0, 0.0]])
    """
    return read_files(
        "parquet",
        paths,
        features,
        weight=weight,
        selection=selection,
        scale=scale,
        columns=columns,
        missing=missing,
        index=index,
    )


def read_csv(
    paths: Paths,
    features: Sequence[str] | Mapping[str, str],
    *,
    weight: str | Sequence[str] | None = None,
    selection: str | None = None,
    scale: float = 1.0,
    columns: Mapping[str, str] | None = None,
    missing: Mapping[str, Missing] | None = None,
    index: str | Sequence[str] | None = None,
) -> Events:
    r"""Events of one process from CSV files whose first line names the columns.

    Args:
        paths: As `read_root`. A file may be compressed: `.csv.gz`, `.csv.bz2`,
            `.csv.xz`.
        features: As `read_root`. Numbers are read as float64, `true` and `false` as
            conditions.
        weight: As `read_root`.
        selection: As `read_columns`.
        scale: As `read_root`.
        columns: As `read_root`.
        missing: As `read_root`. An empty field is NaN.
        index: As `read_root`.

    Returns:
        The selected events.

    Raises:
        FileNotFoundError: No such file.
        ValueError: As `read_root`; also if a compressed file unpacks to more than 200
            times its size.
        ImportError: pyarrow is not installed (`neoskit[csv]`).

    Example:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "ztt.csv"
        >>> written = path.write_text("pt,w,sf\n25,0.5,1.1\n41,0.5,0.9\n")
        >>> read_csv(path, ["pt"], weight=["w", "sf"]).weights.tolist()
        [0.55, 0.45]
    """
    return read_files(
        "csv",
        paths,
        features,
        weight=weight,
        selection=selection,
        scale=scale,
        columns=columns,
        missing=missing,
        index=index,
    )
