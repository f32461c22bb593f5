"""ROOT files to `Events`: which branches, which entries, which weights."""

import ast
import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .events import Events

if TYPE_CHECKING:
    import uproot

Columns = dict[str, np.ndarray]

# Entries are read, selected and dropped piece by piece: memory is one piece
# and what the selection keeps, whatever the size of the file.
_STEP_SIZE = "64 MB"


def read_columns(
    path: str | os.PathLike,
    branches: Sequence[str],
    *,
    tree: str = "Events",
    selection: str | None = None,
) -> Columns:
    """Branches of one ROOT file as arrays, for selections that need code.

    Args:
        path: The ROOT file.
        branches: Names of branches, or arithmetic over them such as
            `"abs(eta_1)"`, with one value per entry.
        tree: Name of the TTree in the file.
        selection: Which entries to keep, as an expression such as
            `"(mt_1 < 30) & (q_1 * q_2 < 0)"`; all of them by default. Joined by
            `&` and `|`, each comparison in brackets, as in NumPy.

    Returns:
        One array per item of `branches`, of the file's own type, and `"entry"`: the
        number of each kept entry in the file, which tells events apart for good
        (for hashing, for matching an event with its shifted copy).

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a ROOT file, no such tree or branch (near matches are
            named), an expression that cannot be evaluated, a branch with several
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
            '`read_columns` returns the entry number as "entry"; read a branch of '
            'that name by an expression, such as "entry + 0".'
        )
    with _open(path) as file:
        source = _tree(file, tree, path)
        _check_expressions(
            source, wanted if selection is None else [*wanted, selection], path
        )
        pieces = list(_pieces(source, wanted, selection, path))
    return {name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]}


def read_root(
    path: str | os.PathLike,
    features: Sequence[str] | Mapping[str, str],
    *,
    tree: str = "Events",
    weight: str | None = None,
    selection: str | None = None,
    scale: float = 1.0,
) -> Events:
    """Events of one process from a ROOT file.

    Args:
        path: The ROOT file.
        features: What the observable sees, in its order: branches, or arithmetic over
            them. A mapping gives names of your own to expressions:
            `{"abs_eta": "abs(eta_1)"}`.
        tree: Name of the TTree in the file.
        weight: Branch or expression of the event weight; 1 for each if not given.
        selection: Which entries to keep, as in `read_columns`.
        scale: Factor on every weight: luminosity times cross-section over the number
            of generated events, if the file's weights leave it out. May be negative
            (a simulation to be subtracted).

    Returns:
        The selected events. Their `index` is the entry number in the file.

    Raises:
        FileNotFoundError: No such file.
        ValueError: As `read_columns`; also if no entry passes the selection, or a
            feature or weight is NaN or infinite (the branch and entry are named).

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
    named = (
        dict(features)
        if isinstance(features, Mapping)
        else {name: name for name in features}
    )
    expressions = [*named.values(), *([] if weight is None else [weight])]
    columns = read_columns(path, expressions, tree=tree, selection=selection)
    # Said here, where the selection is known, and not by `Dataset` later.
    entry = columns["entry"]
    if entry.size == 0:
        raise ValueError(
            f"`read_root`: no entry of tree {tree!r} in {path} passes the selection "
            f"{selection!r}. An empty process has no template: loosen the selection "
            "or leave the process out."
        )
    for expression in expressions:
        _check_finite(columns[expression], entry, expression, path)
    weights = np.ones(entry.size) if weight is None else columns[weight]
    return Events(
        features=np.stack([columns[e] for e in named.values()], axis=-1).astype(
            np.float32
        ),
        weights=scale * weights.astype(np.float64),
        names=tuple(named),
        index=entry,
    )


def _open(path: str | os.PathLike) -> "uproot.ReadOnlyDirectory":
    try:
        import uproot
    except ImportError as error:
        raise ImportError(
            "Reading ROOT files needs uproot: install `neoskit[root]`."
        ) from error
    if not Path(path).exists():
        raise FileNotFoundError(
            f"No ROOT file {path}.{_near_file(Path(path))} A path that is not "
            f"absolute starts at {Path.cwd()}."
        )
    # Whatever uproot raises for bytes that are no ROOT file, and it is of many kinds.
    try:
        return uproot.open(path)
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as a ROOT file: {_first_line(error)}."
        ) from error


def _tree(
    file: "uproot.ReadOnlyDirectory", name: str, path: str | os.PathLike
) -> "uproot.TTree":
    trees = file.keys(recursive=True, cycle=False, filter_classname="TTree")
    if name not in trees:
        raise ValueError(f"No tree {name!r} in {path}.{_near(name, trees)}")
    return file[name]


def _pieces(
    source: "uproot.TTree",
    wanted: list[str],
    selection: str | None,
    path: str | os.PathLike,
) -> Iterator[Columns]:
    """The selected entries, piece by piece; at least one piece, maybe empty."""
    expressions = wanted if selection is None else [*wanted, selection]
    stop = 0
    for end in _ends(source, expressions):
        start, stop = stop, end
        piece = _evaluate(source, expressions, path, start, stop)
        entry = np.arange(start, stop)
        keep = slice(None) if selection is None else piece[selection].astype(bool)
        yield {name: piece[name][keep] for name in wanted} | {"entry": entry[keep]}


def _ends(source: "uproot.TTree", expressions: list[str]) -> list[int]:
    size = source.num_entries_for(_STEP_SIZE, expressions)
    return [*range(size, source.num_entries, size), source.num_entries]


def _evaluate(
    source: "uproot.TTree",
    expressions: list[str],
    path: str | os.PathLike,
    start: int,
    stop: int,
) -> Columns:
    try:
        piece = source.arrays(
            expressions, entry_start=start, entry_stop=stop, library="np"
        )
    except (TypeError, NameError, SyntaxError, ValueError) as error:
        raise ValueError(
            f"Cannot evaluate {expressions} on {path}: {_first_line(error)}. "
            "Comparisons are joined by `&` and `|`, each in brackets: "
            "`(20 < m_vis) & (m_vis < 140)`."
        ) from error
    for expression, values in piece.items():
        if values.dtype == object or values.ndim != 1:
            raise ValueError(
                f"{expression!r} in {path} has several values per entry; a feature, "
                "weight or selection needs one. Read the file with awkward-array and "
                "build `neoskit.Events` from what you choose."
            )
    return piece


def _check_expressions(
    source: "uproot.TTree", expressions: list[str], path: str | os.PathLike
) -> None:
    """Every name in the expressions is a branch: said before anything is read."""
    branches = source.keys()
    for expression in expressions:
        for name in _names(expression, branches, path):
            if name not in branches:
                inside = "" if name == expression else f" (in {expression!r})"
                raise ValueError(
                    f"No branch {name!r}{inside} in tree {source.name!r} of {path}."
                    f"{_near(name, branches)}"
                )


def _names(
    expression: str, branches: Sequence[str], path: str | os.PathLike
) -> list[str]:
    """Names in an expression, without those of the functions that it calls."""
    if expression in branches:
        return [expression]
    try:
        parsed = ast.parse(expression.strip(), mode="eval")
    except SyntaxError as error:
        raise ValueError(
            f"{expression!r} is neither a branch of {path} nor an expression: "
            f"{error.msg}.{_near(expression, branches)}"
        ) from error
    # `abs` in `abs(eta_1)` is a function of uproot's, no branch.
    called = {node.func for node in ast.walk(parsed) if isinstance(node, ast.Call)}
    return [
        node.id
        for node in ast.walk(parsed)
        if isinstance(node, ast.Name) and node not in called
    ]


def _check_finite(
    values: np.ndarray, entry: np.ndarray, expression: str, path: str | os.PathLike
) -> None:
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        first = bad[0]
        raise ValueError(
            f"`read_root`: {expression!r} in {path} is {values[first]} at entry "
            f"{entry[first]} ({bad.size} of {values.size} selected entries are not "
            "finite). Cut these entries away with `selection=`, or replace the value "
            f"by an expression, such as `where(isfinite({expression}), "
            f"{expression}, 0)`."
        )


def _near(name: str, candidates: Sequence[str]) -> str:
    """A sentence with the candidates near the name, or else with all of them."""
    # Case aside: `Pt_1` for `pt_1` is the commonest slip.
    lower = {candidate.lower(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.5)
    if matches:
        return " Did you mean " + " or ".join(repr(lower[m]) for m in matches) + "?"
    shown = ", ".join(list(candidates)[:20]) or "none"
    return f" There are: {shown}" + (", ..." if len(candidates) > 20 else ".")


def _near_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f" There is no folder {path.parent}."
    return _near(path.name, sorted(p.name for p in path.parent.glob("*.root")))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
