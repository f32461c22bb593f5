"""One group of points as a pure function of contents and options, for any process."""

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from .._fit.diagnose import FitError
from .._fit.fit import fit, fit_options, fixed_poi_fit, poi_mask
from .._hypotest.asymptotics import Asymptotics
from .._hypotest.hypotest import hypotest
from .._hypotest.limit import upper_limit
from .._hypotest.statistic import QMuTilde
from .._model import AbstractModel, Data
from .._workspace import WorkspaceError, read_workspace
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
        reading: those of `read_workspace`.
        lanes: how many points make a full batch.
    """

    points: tuple[Point, ...]
    compute: Callable[..., Any]
    options: Mapping[str, Any]
    reading: Mapping[str, Any]
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


def run(task: Task) -> list[Row]:
    """Read the points of a group, fit those of one shape together, and say how it went.

    Returns:
        One row for each point, in order, of plain numbers and lists.
    """
    # A worker process starts with jax's defaults; only this call changes them.
    with jax.enable_x64(True):
        return _run(task)


def _run(task: Task) -> list[Row]:
    rows: list[Row] = [{} for _ in task.points]
    read: dict[int, tuple[AbstractModel, Data, Lane]] = {}
    for number, point in enumerate(task.points):
        try:
            read[number] = _read(task, point)
        except (WorkspaceError, ValueError) as error:
            rows[number] = {"converged": False, "message": str(error)}
    groups: dict[Any, list[int]] = {}
    for number, (*_, lane) in read.items():
        groups.setdefault(lane.shape(), []).append(number)
    for members in groups.values():
        # Powers of two, so that groups of any size share a few compilations.
        size = min(task.lanes, 1 << (len(members) - 1).bit_length())
        batch = stacked([read[number][2] for number in members], size)
        found = {k: np.asarray(v) for k, v in _computed(task, batch).items()}
        for i, number in enumerate(members):
            row = {name: column[i].tolist() for name, column in found.items()}
            row["converged"] = bool(np.all(found["converged"][i]))
            row["message"] = "" if row["converged"] else _why(task, *read[number][:2])
            rows[number] = row
    return rows


def _read(task: Task, point: Point) -> tuple[AbstractModel, Data, Lane]:
    if point.problem:
        raise WorkspaceError(point.problem)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        model, data = read_workspace(point.document, patch=point.patch, **task.reading)
    options = fit_options(*[model, *(task.options[k] for k in list(_FITS)[:3])])
    if task.compute is fit and model.poi is None:
        poi = np.zeros(options.init.given.shape, dtype=bool)
    elif model.poi is None and caught:
        # Why there is none, as the reader says it, names the place in the document.
        raise WorkspaceError(str(caught[-1].message))
    else:
        poi = poi_mask(model, "grid")
    return model, data, Lane(model.negative_log_likelihood(data), options, poi)


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


def _why(task: Task, model: AbstractModel, data: Data) -> str:
    """Why a point has not converged: the fits to its data again, one at a time."""
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
