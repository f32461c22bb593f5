"""Many signal points or values of the parameter of interest at once."""

import concurrent.futures
import dataclasses
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from .._hypotest.asymptotics import Asymptotics
from .._hypotest.discovery import discovery
from .._hypotest.hypotest import hypotest
from .._hypotest.limit import upper_limit
from .._hypotest.statistic import require_statistic
from .._model.constraints import Normal, Poisson
from .._workspace import UNSET, Patch, PatchSet
from .._workspace.choices import Choices, Unset
from .._workspace.many import SeriesReader
from .cache import key_of, load_rows, save_rows
from .chunk import OPTIONS, Row, Settings, Task, run
from .points import Document, ModelAndData, Point, points_of

_log = logging.getLogger("fitkit.grid")
# Points that a `repr` lists.
_LISTED = 20


@final
@dataclasses.dataclass(frozen=True)
class GridResult:
    """What a grid gave, one row for each point, in the order of the points.

    `result["cls"]` is a column; the columns are named as the attributes of a single
    result.

    Attributes:
        names: of the points.
        labels: of their coordinates, as a patch set has them.
        values: their coordinates.
        columns: numbers by name, each `[points, ...]`; NaN where a point has none.
        converged: whether a point has its result: all fits found their minima, and the
            observed limit exists.
        messages: why it has none, or which expected limits are missing; else empty.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    values: tuple[tuple[int | float | str, ...], ...]
    columns: Mapping[str, np.ndarray]
    converged: np.ndarray
    messages: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, column: str) -> np.ndarray:
        """A column by its name.

        Raises:
            KeyError: where there is none; names those that there are.
        """
        if column not in self.columns:
            raise KeyError(
                f"no column {column!r}; the grid has {', '.join(self.columns)}."
            )
        return self.columns[column]

    def rows(self) -> list[dict[str, Any]]:
        """One dict for each point, of plain numbers and lists, for `json.dumps`."""
        return [
            {
                "name": name,
                "values": list(self.values[i]),
                **{key: column[i].tolist() for key, column in self.columns.items()},
                "converged": bool(self.converged[i]),
                "message": self.messages[i],
            }
            for i, name in enumerate(self.names)
        ]

    def __repr__(self) -> str:
        bad = int(np.sum(~self.converged))
        lines = [f"{len(self)} points, {bad} without a result" if bad else ""]
        lines[0] = lines[0] or f"{len(self)} points, all converged"
        width = max(map(len, self.names[:_LISTED]))
        for i, name in enumerate(self.names[:_LISTED]):
            numbers = (
                f"{key} {np.array2string(column[i], precision=4)}"
                for key, column in list(self.columns.items())[:2]
            )
            text = "  ".join(numbers) if self.converged[i] else self.messages[i]
            lines.append(f"  {name:<{width}}  {text}")
        if len(self) > _LISTED:
            lines.append(f"  … {len(self) - _LISTED} more in `rows()`")
        return "\n".join(lines)


def grid(
    documents: Document | Sequence[Document] | Mapping[str, ModelAndData],
    patches: PatchSet | Iterable[Patch] | Mapping[str, Any] | None = None,
    compute: Callable[..., Any] = hypotest,
    *,
    measurement: str | int | None = None,
    poi: str | Literal[Unset.UNSET] | None = UNSET,
    normsys_code: str | Mapping[str, str] = "4",
    histosys_code: str | Mapping[str, str] = "4p",
    staterror_constraint: type[Normal] | type[Poisson] = Normal,
    mc_statistics: Literal["parameters", "profiled"] = "parameters",
    settings: Settings | None = None,
    chunk: int = 64,
    executor: concurrent.futures.Executor | None = None,
    folder: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> GridResult:
    """Test, limit or fit many points: those of one shape together.

    What the documents of all points have in common is read once. Points are fitted on
    NumPy, one after the other; where there are so many that a program for the rest
    would be sooner, those of one shape are compiled and run together.

    Args:
        documents: the document that the patches are for, as a path or decoded; without
            patches a document, or a sequence of them. Or models by name, each a pair
            `(model, data)` as any reader gives it: `read_combine_card`, `read_hs3`,
            `read_histfactory_xml`.
        patches: a patch set, some of its patches, or patches by name.
        compute: `hypotest` (default), `upper_limit`, `discovery` or `fit`.
        measurement, poi, normsys_code, histosys_code: as in `read_workspace`; nothing
            is read of models.
        staterror_constraint, mc_statistics: likewise.
        settings: what holds in the fits of every point, as a function of its model:
            `lambda model: model.with_masked("VR*").with_fixed(jes=0.0)`. For workers in
            other processes it must pickle, as a function of a module does.
        chunk: how many points are fitted together at most. Bounds the memory; a chunk
            is what an executor hands to a worker and what a file on disk holds.
        executor: any `concurrent.futures.Executor`, such as a `ProcessPoolExecutor`
            that spawns, or Dask's `Client.get_executor()`; by default this process.
        folder: where the results of each chunk are written, so that an interrupted call
            goes on where it ended. What has other inputs or options, or was made by
            another version of fitkit, jax, NumPy and the like, is computed anew, and so
            is a damaged file; the logger `fitkit.grid` says so.
        progress: called with the points that are done and all points.
        **options: of `compute`: `poi_value` (default 1; a sequence tests each point at
            each) of `hypotest`, `level` and `tolerance` of `upper_limit`, `statistic`
            and `calculator` of all but `fit`.

    Returns:
        A row for each point, also for those that cannot be read or do not converge.

    Raises:
        ValueError: for an unknown option, no points, or names that come twice.
        TypeError: where `settings` does not return a model; with `folder`, for inputs
            that have no digest.
        WorkspaceError: where the document that all points share cannot be read.
        concurrent.futures.BrokenExecutor: where a worker process died; chunks that are
            in `folder` are not lost.

    Example:
        >>> import fitkit
        >>> background = {
        ...     "channels": [{"name": "SR", "samples": [
        ...         {"name": "signal", "data": [10.0], "modifiers": [
        ...             {"name": "mu", "type": "normfactor", "data": None}]},
        ...         {"name": "background", "data": [5.0], "modifiers": []}]}],
        ...     "observations": [{"name": "SR", "data": [12.0]}],
        ...     "measurements": [
        ...         {"name": "m", "config": {"poi": "mu", "parameters": []}}],
        ...     "version": "1.0.0"}
        >>> place = "/channels/0/samples/0/data"
        >>> patches = {
        ...     f"s = {s}": [{"op": "replace", "path": place, "value": [s]}]
        ...     for s in (10.0, 20.0)}
        >>> result = fitkit.grid(background, patches)
        >>> result["cls"].round(4)
        array([0.214 , 0.0019])
    """
    chosen = _options(compute, options)
    if chunk < 1:
        raise ValueError(f"`grid(chunk=...)` must be at least 1; got {chunk}.")
    labels, points = points_of(documents, patches)
    reading = Choices(
        measurement,
        poi,
        normsys_code,
        histosys_code,
        staterror_constraint,
        mc_statistics,
    )
    # Chunks of the same size but for the last.
    size = -(-len(points) // -(-len(points) // chunk))
    tasks = [
        Task(tuple(points[i : i + size]), compute, chosen, reading, settings)
        for i in range(0, len(points), size)
    ]
    rows: list[Row] = []
    done = _all_rows(tasks, executor, folder and Path(folder), progress)
    for number in range(len(tasks)):
        rows.extend(done[number])
    return _result(labels, points, tasks[0].columns, rows)


def _options(compute: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    if compute not in OPTIONS:
        known = ", ".join(each.__name__ for each in OPTIONS)
        raise ValueError(f"`grid(compute=...)` must be one of {known}; got {compute}.")
    for name in given:
        if name not in OPTIONS[compute]:
            raise ValueError(
                f"`grid` with `{compute.__name__}` has no option {name!r}. It has: "
                f"{', '.join(OPTIONS[compute])}."
            )
    chosen = {**OPTIONS[compute], **given}
    if not isinstance(chosen.get("calculator", Asymptotics()), Asymptotics):
        raise ValueError(
            "`grid(calculator=...)` must be `Asymptotics`. For pseudo-experiments call "
            f"`{compute.__name__}` on each point."
        )
    _check_statistic(compute, chosen.get("statistic"))
    if np.ndim(chosen.get("poi_value", 0.0)) > 1:
        raise ValueError("`grid(poi_value=...)` must be a number or a list of numbers.")
    return chosen


def _check_statistic(compute: Callable[..., Any], statistic: Any) -> None:
    """Refuse a statistic that the computation does not take, before any fit."""
    if statistic is None:
        return
    call = f"grid(compute={compute.__name__})"
    require_statistic(call, statistic)
    if statistic.discovery != (compute is discovery) or (
        compute is upper_limit and statistic.two_sided
    ):
        raise ValueError(
            f"`{call}` does not take the statistic `{type(statistic).__name__}`. "
            "`Q0` is for `discovery`, the others are for `hypotest`, and those that "
            "exclude for `upper_limit`."
        )


def _all_rows(
    tasks: Sequence[Task],
    executor: concurrent.futures.Executor | None,
    folder: Path | None,
    progress: Callable[[int, int], None] | None,
) -> dict[int, list[Row]]:
    """The rows of each task, from disk or computed; each is written as it comes."""
    done: dict[int, list[Row]] = {}
    keys: list[str] = []
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        # Before anything runs: documents may be changed by whoever owns them.
        keys = [key_of(task) for task in tasks]
        for number, key in enumerate(keys):
            rows = load_rows(folder, key, len(tasks[number].points))
            if rows is not None:
                done[number] = rows
        _log.info(
            "skipped %d of %d groups that are in %s", len(done), len(tasks), folder
        )
    total = sum(len(task.points) for task in tasks)

    def tell() -> None:
        if progress is not None:
            progress(sum(map(len, done.values())), total)

    tell()
    left = [number for number in range(len(tasks)) if number not in done]
    for number, rows in _computed(tasks, left, executor):
        if folder is not None:
            save_rows(folder, keys[number], rows)
        done[number] = rows
        tell()
    return done


def _computed(
    tasks: Sequence[Task],
    left: Sequence[int],
    executor: concurrent.futures.Executor | None,
) -> Iterator[tuple[int, list[Row]]]:
    """Number and rows of each task that is left, as they come."""
    if executor is None:
        reader = SeriesReader(tasks[0].reading)
        # A program that is compiled for one chunk serves those that follow.
        ahead = sum(len(tasks[number].points) for number in left)
        for number in left:
            ahead -= len(tasks[number].points)
            yield number, run(tasks[number], reader, ahead)
        return
    futures = {executor.submit(run, tasks[number]): number for number in left}
    # As they end, not in order: what is done must be on disk if the rest dies.
    try:
        for future in concurrent.futures.as_completed(futures):
            yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()


def _result(
    labels: tuple[str, ...],
    points: Sequence[Point],
    shapes: Mapping[str, tuple[int, ...]],
    rows: Sequence[Row],
) -> GridResult:
    return GridResult(
        names=tuple(point.name for point in points),
        labels=labels,
        values=tuple(point.values for point in points),
        columns={
            name: _column([row.get(name) for row in rows], shape)
            for name, shape in shapes.items()
        },
        converged=np.array([row["converged"] for row in rows], dtype=bool),
        messages=tuple(row["message"] for row in rows),
    )


def _column(values: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray:
    """One number or array for each point; NaN where there is none."""
    # Columns are numbers all through, so that they can be plotted as they are.
    none = np.full(shape, np.nan)
    return np.array([none if each is None else each for each in values], dtype=float)
