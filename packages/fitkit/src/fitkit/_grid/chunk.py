"""One group of points as a pure function of contents and options, for any process."""

import dataclasses
import warnings
from collections.abc import Callable, Hashable, Mapping
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from .._fit.diagnose import FitError
from .._fit.fit import fit, fit_options, fixed_poi_fit, poi_mask
from .._fit.minimise import FitOptions
from .._hypotest.asymptotics import Asymptotics
from .._hypotest.hypotest import hypotest
from .._hypotest.limit import upper_limit
from .._hypotest.statistic import QMuTilde
from .._workspace import WorkspaceError, read_workspace
from .._workspace.many import Form, SeriesReader
from .._workspace.to_model import Choices
from .batch import Lane, fits, limits, stacked, tests
from .points import Point

# What each computation takes beside the options of its fits, and its columns with
# their shapes for each point.
_FITS: dict[str, Any] = {"init": None, "fixed": None, "bounds": None, "solver": None}
_TESTS = {"statistic": QMuTilde(), "calculator": Asymptotics()}
OPTIONS: dict[Callable[..., Any], dict[str, Any]] = {
    hypotest: {"poi_value": 1.0, **_TESTS, **_FITS},
    upper_limit: {"level": 0.05, "tolerance": 1e-8, **_TESTS, **_FITS},
    fit: _FITS,
}
_BAND = (5,)
_EXCLUSION: dict[str, tuple[int, ...]] = {
    "cls_observed": (),
    "cls_expected": _BAND,
    "log_cls_observed": (),
    "log_cls_expected": _BAND,
    "statistic": (),
    "statistic_asimov": (),
    "best": (),
}
_DISCOVERY: dict[str, tuple[int, ...]] = {
    "p0_observed": (),
    "p0_expected": _BAND,
    "significance_observed": (),
    "significance_expected": (),
    "statistic": (),
    "statistic_asimov": (),
    "best": (),
}


@final
@dataclasses.dataclass(frozen=True)
class Task:
    """A group of points and what to compute of each; it pickles.

    Attributes:
        points: the group.
        compute: `hypotest`, `upper_limit` or `fit`.
        options: all of its keyword arguments.
        reading: what `read_workspace` is told.
        lanes: how many points make a full batch.
    """

    points: tuple[Point, ...]
    compute: Callable[..., Any]
    options: Mapping[str, Any]
    reading: Choices
    lanes: int

    @property
    def columns(self) -> dict[str, tuple[int, ...]]:
        """The numbers that each point gets, with their shapes."""
        if self.compute is upper_limit:
            return {"observed": (), "expected": _BAND}
        if self.compute is fit:
            return {"best": (), "twice_nll": (), "edm": ()}
        values = np.shape(self.options["poi_value"])
        discovery = self.options["statistic"].discovery
        return {
            name: values + shape
            for name, shape in (_DISCOVERY if discovery else _EXCLUSION).items()
        }


Row = dict[str, Any]
"""Of one point: its columns, `converged`, and a `message` where something is wrong."""


def run(task: Task, reader: SeriesReader | None = None) -> list[Row]:
    """Read the points of a group, fit those of one shape together, and say how it went.

    Args:
        task: the group.
        reader: that of other groups in this process, with the same `reading`.

    Returns:
        One row for each point, in order, of plain numbers and lists.
    """
    # A worker process starts with jax's defaults; only this call changes them.
    with jax.enable_x64(True):
        return _run(task, reader or SeriesReader(task.reading))


class _Lanes:
    """Makes lanes of points; what those of one form share is made once."""

    def __init__(self, task: Task, reader: SeriesReader):
        self._task, self._reader = task, reader
        self._shared: dict[Form, tuple[FitOptions, np.ndarray, int]] = {}
        self._shapes: dict[Hashable, int] = {}

    def __call__(self, point: Point) -> tuple[Lane, int]:
        """The lane of a point, and the number of its shape."""
        if point.problem:
            raise WorkspaceError(point.problem)
        form, likelihood = self._reader(point.document, point.patch)
        if form not in self._shared:
            options, poi = self._options(form)
            lane = Lane(likelihood, options, poi)
            number = self._shapes.setdefault(lane.shape(), len(self._shapes))
            self._shared[form] = options, poi, number
        *shared, shape = self._shared[form]
        return Lane(likelihood, *shared), shape

    def _options(self, form: Form) -> tuple[FitOptions, np.ndarray]:
        model, given = form.model, self._task.options
        options = fit_options(model, given["init"], given["fixed"], given["bounds"])
        if self._task.compute is fit and model.poi is None:
            return options, np.zeros(options.init.given.shape, dtype=bool)
        if form.without_poi:
            raise WorkspaceError(form.without_poi)
        return options, poi_mask(model, "grid")


def _run(task: Task, reader: SeriesReader) -> list[Row]:
    rows: list[Row] = [{} for _ in task.points]
    lanes: dict[int, Lane] = {}
    groups: dict[int, list[int]] = {}
    lane_of = _Lanes(task, reader)
    for number, point in enumerate(task.points):
        try:
            lanes[number], shape = lane_of(point)
            groups.setdefault(shape, []).append(number)
        except (WorkspaceError, ValueError) as error:
            rows[number] = {"converged": False, "message": str(error)}
    for members in groups.values():
        # Powers of two, so that groups of any size share a few compilations.
        size = min(task.lanes, 1 << (len(members) - 1).bit_length())
        batch = stacked([lanes[number] for number in members], size)
        found = {k: np.asarray(v) for k, v in _computed(task, batch).items()}
        of_all = found["converged"].reshape(size, -1)
        good: list[bool] = np.all(of_all, axis=1).tolist()
        listed = {name: column.tolist() for name, column in found.items()}
        for i, number in enumerate(members):
            row = {name: values[i] for name, values in listed.items()}
            row["converged"] = good[i]
            row["message"] = "" if good[i] else _why(task, task.points[number])
            rows[number] = row
    return rows


def _computed(task: Task, lanes: Lane) -> dict[str, Any]:
    options = task.options
    if task.compute is fit:
        return fits(lanes, options["solver"])
    if task.compute is upper_limit:
        level = jnp.asarray(options["level"], dtype=float)
        last = options["tolerance"], options["solver"]
        return limits(lanes, level, options["statistic"], options["calculator"], *last)
    poi_value = jnp.asarray(options["poi_value"], dtype=float)
    names = (*task.columns, "converged")
    how = options["statistic"], options["calculator"], options["solver"]
    return tests(lanes, poi_value, *how, names)


def _why(task: Task, point: Point) -> str:
    """Why a point has not converged: the fits to its data again, one at a time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it has no POI: it is fitted
        model, data = read_workspace(
            point.document, patch=point.patch, **task.reading._asdict()
        )
    how = {name: task.options[name] for name in _FITS}
    try:
        fit(model, data, **how)
        if task.compute is not fit:
            fixed_poi_fit(task.options["statistic"].asimov_poi, model, data, **how)
        if task.compute is hypotest:
            for value in np.atleast_1d(task.options["poi_value"]):
                fixed_poi_fit(float(value), model, data, **how)
    except FitError as error:
        return str(error)
    if task.compute is upper_limit:
        return "the search for the limit did not end: CLs may not reach the level."
    return "a fit of the Asimov data found no minimum."
