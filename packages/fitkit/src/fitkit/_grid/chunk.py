"""One group of points as a pure function of contents and options, for any process."""

import copy
import dataclasses
import warnings
from collections.abc import Callable, Hashable, Mapping
from typing import Any, final

import numpy as np

from .._fit.diagnose import FitError
from .._fit.fit import fit, fixed_poi_fit
from .._fit.poi import free_poi_mask
from .._histfactory.likelihood import HistFactoryLikelihood, derived
from .._histfactory.model import Model
from .._hypotest.asymptotics import Asymptotics
from .._hypotest.discovery import discovery
from .._hypotest.hypotest import hypotest
from .._hypotest.limit import upper_limit
from .._hypotest.results import names_of_missing
from .._hypotest.statistic import Q0, QMuTilde
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.model import AbstractModel, Data
from .._numerics.namespace import as_floats
from .._workspace import WorkspaceError, read_workspace
from .._workspace.choices import Choices
from .._workspace.many import SeriesReader
from .batch import (
    BEST_FIT,
    DISCOVERY,
    EXCLUSION,
    LIMITS,
    Member,
    discoveries,
    fits,
    limits,
    stacked,
    tests,
)
from .points import Point

Settings = Callable[[Any], AbstractModel]
"""What holds in all fits of a point, as a function of its model."""

# What each computation takes.
OPTIONS: dict[Callable[..., Any], dict[str, Any]] = {
    hypotest: {
        "poi_value": 1.0,
        "statistic": QMuTilde(),
        "calculator": Asymptotics(),
    },
    upper_limit: {
        "level": 0.05,
        "tolerance": 1e-8,
        "statistic": QMuTilde(),
        "calculator": Asymptotics(),
    },
    discovery: {"statistic": Q0(), "calculator": Asymptotics()},
    fit: {},
}
_COLUMNS = {
    hypotest: EXCLUSION,
    upper_limit: LIMITS,
    discovery: DISCOVERY,
    fit: BEST_FIT,
}


@final
@dataclasses.dataclass(frozen=True)
class Task:
    """A group of points and what to compute of each; it pickles where `settings` does.

    Attributes:
        points: the group.
        compute: `hypotest`, `upper_limit`, `discovery` or `fit`.
        options: all of its keyword arguments.
        reading: what `read_workspace` is told.
        settings: what holds in all fits, or None.
    """

    points: tuple[Point, ...]
    compute: Callable[..., Any]
    options: Mapping[str, Any]
    reading: Choices
    settings: Settings | None = None

    @property
    def columns(self) -> dict[str, tuple[int, ...]]:
        """The numbers that each point gets, with their shapes."""
        values = np.shape(self.options.get("poi_value", 0.0))
        return {name: values + shape for name, shape in _COLUMNS[self.compute].items()}


Row = dict[str, Any]
"""Of one point: its columns, `converged`, and a `message` where something is wrong."""


def run(task: Task, reader: SeriesReader | None = None, ahead: int = 0) -> list[Row]:
    """Read the points of a group, fit those of one shape together, and say how it went.

    Args:
        task: the group.
        reader: that of other groups in this process, with the same `reading`.
        ahead: how many points this process will have in other groups.

    Returns:
        One row for each point, in order, of plain numbers and lists.
    """
    reader = reader or SeriesReader(task.reading)
    rows: list[Row] = [{} for _ in task.points]
    members: dict[int, Member] = {}
    groups: dict[Hashable, list[int]] = {}
    for number, point in enumerate(task.points):
        # One bad point is a row that says so; the others do not suffer.
        try:
            members[number] = _member(task, point, reader)
        except (WorkspaceError, ValueError) as error:
            rows[number] = {"converged": False, "message": str(error)}
            continue
        groups.setdefault(members[number].shape(), []).append(number)
    # Patches may add modifiers: points of other shapes are batches of their own.
    for numbers in groups.values():
        batch = stacked([members[number] for number in numbers])
        columns = _computed(task, batch, ahead)
        converged = columns.pop("converged")
        listed = {name: column.tolist() for name, column in columns.items()}
        for i, number in enumerate(numbers):
            values = {name: column[i] for name, column in listed.items()}
            good, message = _status(task, task.points[number], converged[i])
            rows[number] = values | {"converged": good, "message": message}
    return rows


def _read(
    task: Task, point: Point, reader: SeriesReader
) -> tuple[AbstractModel, AbstractNegativeLogLikelihood]:
    """The model of a point with what holds in its fits, and its likelihood."""
    if point.problem:
        raise WorkspaceError(point.problem)
    if point.model is not None:
        model, data = point.model
        if task.settings is not None:
            model = _with_settings(task.settings, model, AbstractModel)
        return model, model.negative_log_likelihood(data)
    return _from_document(task.settings, point, reader)


def _from_document(
    settings: Settings | None, point: Point, reader: SeriesReader
) -> tuple[Model, HistFactoryLikelihood]:
    structure, likelihood = reader(point.document, point.patch)
    # The model of the structure, with the numbers of this document.
    model = copy.copy(structure.model)
    object.__setattr__(model, "arrays", likelihood.arrays)
    if settings is None:
        return model, likelihood
    model = _with_settings(settings, model, Model)
    # What is fixed since its bin is empty follows from the numbers of each point.
    constraints, interpolation = derived(model.arrays)
    likelihood = dataclasses.replace(
        likelihood,
        arrays=model.arrays,
        constraints=constraints,
        interpolation=interpolation,
    )
    return model, likelihood


def _with_settings(settings: Settings, model: Any, kind: type) -> Any:
    model = settings(model)
    if not isinstance(model, kind):
        raise TypeError(
            "`grid(settings=...)` returns the model with settings, such as "
            f"`model.with_fixed(...)`; got {type(model).__name__}."
        )
    return model


def _member(task: Task, point: Point, reader: SeriesReader) -> Member:
    model, likelihood = _read(task, point, reader)
    parameters = model.parameter_vectors()
    if model.poi is not None:
        return Member(likelihood, parameters, free_poi_mask(model, "grid"))
    if task.compute is fit:
        return Member(likelihood, parameters, np.zeros(parameters.init.shape, bool))
    if point.model is not None:
        raise WorkspaceError(
            f"the model of {point.name!r} has no parameter of interest."
        )
    of = "the document" if point.patch is None else "the patched document"
    raise WorkspaceError(
        f"{of} has no parameter of interest: no sample has the modifier that the "
        "measurement names. Is the signal missing? `poi=...` chooses another "
        "parameter, and `grid(..., compute=fit)` needs none."
    )


def settings_of(task: Task) -> Any:
    """What `settings` makes of each point: masks, starts, bounds, fixed entries."""
    if task.settings is None:
        return None
    # Read once more, and not by the reader of the fits: keys are made before them all.
    reader, told = SeriesReader(task.reading), []
    for point in task.points:
        try:
            model, likelihood = _read(task, point, reader)
            whole: Any = model
            if isinstance(likelihood, HistFactoryLikelihood):
                whole = likelihood.arrays.counted
            told.append((tuple(model.parameter_vectors()), whole))
        except (WorkspaceError, ValueError) as error:
            told.append(str(error))
    return told


def _computed(task: Task, members: Member, ahead: int) -> dict[str, np.ndarray]:
    options = task.options
    rest = members, members.poi.shape[-1], None, ahead
    if task.compute is fit:
        return fits((), *rest)
    how = options["statistic"], options["calculator"]
    if task.compute is discovery:
        return discoveries(how, *rest)
    if task.compute is upper_limit:
        level, tolerance = map(as_floats, (options["level"], options["tolerance"]))
        return limits((level, *how, tolerance), *rest)
    return tests((as_floats(options["poi_value"]), *how), *rest)


def _status(task: Task, point: Point, converged: np.ndarray) -> tuple[bool, str]:
    """Whether a point has its result, and what is wrong with it."""
    if task.compute is not upper_limit:
        good = bool(np.all(converged))
        return good, "" if good else _why(task, point)
    # Without the observed limit there is no result; one of the band may be missing.
    if not converged[0]:
        return False, _why(task, point)
    missing = names_of_missing(converged)
    return True, f"no limit at {missing}; the others stand" if missing else ""


def _read_again(task: Task, point: Point) -> tuple[AbstractModel, Data]:
    if point.model is not None:
        return point.model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # told when it was read
        # Modifiers of types that the format has not are no part of a grid.
        reading = task.reading._asdict()
        del reading["extra"]
        return read_workspace(point.document, patch=point.patch, **reading)


def _why(task: Task, point: Point) -> str:
    """Why a point has not converged: the fits to its data again, one at a time."""
    model, data = _read_again(task, point)
    if task.settings is not None:
        model = task.settings(model)
    # In the order in which a test makes them: the first that fails tells the reason.
    try:
        fit(model, data)
        if task.compute is not fit:
            fixed_poi_fit(model, data, task.options["statistic"].asimov_poi)
        if task.compute is hypotest:
            for value in np.atleast_1d(task.options["poi_value"]):
                fixed_poi_fit(model, data, float(value))
    except FitError as error:
        return str(error)
    if task.compute is upper_limit:
        return "the search for the limit did not end: CLs may not reach the level."
    return "a fit of the Asimov data found no minimum."
