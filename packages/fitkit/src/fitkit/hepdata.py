"""Results as HEPData tables: what a measurement publishes, in the form HEPData takes.

For each picture of `fitkit.plot` a function of the same name makes the table behind it;
`write` puts tables into a folder that HEPData takes as a submission (zipped). Numbers
have six significant digits; what is not determined is written as `-`. Needs the extra
`fitkit[hepdata]`.

References:
    HEPData submission format, version 1, hepdata-submission.readthedocs.io.
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
import yaml
from jaxtyping import ArrayLike, Float

from ._fit.fit import FitResult
from ._model import Data
from ._points import (
    Limits,
    Tests,
    check_points,
    cls_by_value,
    estimates,
    limits_by_point,
)
from ._profile.interval import Intervals
from ._profile.pulls import Pulls
from ._profile.ranking import Ranking
from ._profile.scan import Contour, Scan
from ._profile.yields import Yields

__all__ = [
    "Table",
    "write",
    "cls_scan",
    "upper_limits",
    "parameters",
    "correlation",
    "intervals",
    "pulls",
    "ranking",
    "scan",
    "contour",
    "yields",
]

# Enough for any comparison; HEPData shows every digit that it is given.
_DIGITS = 6
_LONGEST_NAME = 64  # HEPData's schema takes no more

Errors: TypeAlias = Mapping[str, Sequence[Any] | np.ndarray]
"""By label, one number for each value, or a pair (down, up)."""


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
        if not 0 < len(self.name) <= _LONGEST_NAME:
            raise ValueError(
                f"`hepdata.Table(name=...)` has 1 to {_LONGEST_NAME} letters; got "
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
        >>> jax.config.update("jax_enable_x64", True)
        >>> model = fitkit.uncorrelated_background([5.0], [50.0], [4.0])
        >>> result = fitkit.fit(model, model.data({"singlechannel": [52.0]}))
        >>> folder = hepdata.write(tempfile.mkdtemp(), [hepdata.parameters(result)])
        >>> sorted(path.name for path in folder.iterdir())
        ['parameters.yaml', 'submission.yaml']
    """
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


def cls_scan(tests: Tests, *, poi: str = "mu") -> Table:
    """CLs at each tested value: observed, with its error, and the expected band.

    Args:
        tests: as for `plot.cls_scan`.
        poi: name of the parameter of interest.
    """
    points = cls_by_value(tests, "hepdata.cls_scan")
    # Only pseudo-experiments have a statistical error.
    errors: Errors = {"stat": points.error} if points.error.any() else {}
    return Table(
        "CLs",
        f"CLs against the tested value of {poi}, observed and expected.",
        [_independent(poi, points.values)],
        [
            _dependent("CLs, observed", points.observed, errors),
            _dependent("CLs, expected", points.expected[:, 2], _band(points.expected)),
        ],
    )


def upper_limits(
    values: Float[ArrayLike, " points"],
    limits: Limits,
    *,
    parameter: str,
    units: str = "",
    poi: str = "mu",
) -> Table:
    """Upper limits at each value of a signal's parameter, with the expected band.

    Args:
        values: of the parameter, one for each limit.
        limits: as for `plot.upper_limits`.
        parameter: its name.
        units: its units.
        poi: name of the parameter of interest.
    """
    points = limits_by_point(limits, "hepdata.upper_limits")
    values = check_points(values, len(points.observed), "hepdata.upper_limits")
    said: list[tuple[str, str | float, str]] = [
        ("CL", 100 * (1 - points.level), "%"),
        ("TEST", points.test, ""),
        ("BAND", points.band, ""),
    ]
    expected = points.expected
    return Table(
        "Upper limits",
        f"Upper limits (CLs) on {poi} against {parameter}, observed and expected.",
        [_independent(parameter, values, units)],
        [
            _dependent(f"Limit on {poi}, observed", points.observed, said=said),
            _dependent(
                f"Limit on {poi}, expected", expected[:, 2], _band(expected), said=said
            ),
        ],
    )


def parameters(result: FitResult) -> Table:
    """Best-fit values with their uncertainties, from the inverse Hessian.

    Fixed parameters and those on a bound are left out: they have no symmetric error.
    """
    found = estimates(result, "hepdata.parameters")
    return Table(
        "Parameters",
        "Best-fit values of the parameters, with uncertainties from the inverse "
        "Hessian of the negative log-likelihood.",
        [_independent("Parameter", found.names)],
        [_dependent("Best fit", found.values, {"fit": found.errors})],
    )


def correlation(result: FitResult) -> Table:
    """The correlation of each two parameters of `parameters`, both ways round."""
    found = estimates(result, "hepdata.correlation")
    count = len(found.names)
    return Table(
        "Correlations",
        "Correlations of the parameters after the fit.",
        [
            _independent("First parameter", np.repeat(found.names, count)),
            _independent("Second parameter", np.tile(found.names, count)),
        ],
        [_dependent("Correlation", found.correlation.ravel())],
    )


def intervals(result: Intervals) -> Table:
    """Best-fit values with their profile likelihood intervals, as asymmetric errors."""
    best, low, high = (np.asarray(x) for x in (result.best, result.low, result.high))
    ends = np.stack([low - best, high - best], axis=1)
    return Table(
        "Intervals",
        "Best-fit values with profile likelihood intervals.",
        [_independent("Parameter", result.names)],
        [
            _dependent(
                "Best fit",
                best,
                {"profile likelihood": ends},
                said=[("SIGMAS", result.sigmas, "")],
            )
        ],
    )


def pulls(result: Pulls) -> Table:
    """(best fit - nominal) / width of the constraint, with the uncertainty after it."""
    known = np.isfinite(np.asarray(result.pull))
    return Table(
        "Pulls",
        "Best fit less nominal value, and uncertainty after the fit, in units of the "
        "constraint's width; parameters without a constraint are left out.",
        [_independent("Parameter", np.array(result.names)[known])],
        [
            _dependent(
                "Pull",
                np.asarray(result.pull)[known],
                {"fit": np.asarray(result.constraint)[known]},
            )
        ],
    )


def ranking(result: Ranking) -> Table:
    """Impacts on the parameter of interest, after the fit, before it, by observable."""
    columns = {
        "+1 sigma after the fit": result.up,
        "-1 sigma after the fit": result.down,
        "+1 sigma before the fit": result.prefit_up,
        "-1 sigma before the fit": result.prefit_down,
        "auxiliary measurement +1 sigma": result.by_observable,
    }
    poi = result.poi
    return Table(
        "Impacts",
        f"Change of {poi} with each parameter held one standard deviation from its "
        "best fit, and with its auxiliary measurement shifted by one (to first order).",
        [_independent("Parameter", result.names)],
        [
            _dependent(
                f"Impact on {poi}", np.asarray(values), said=[("SHIFT", how, "")]
            )
            for how, values in columns.items()
        ],
    )


def scan(result: Scan) -> Table:
    """The profile likelihood along a parameter; points that failed are left out."""
    good = np.asarray(result.converged)
    return Table(
        _fitting("Scan of ", result.name),
        f"Twice the negative profile log-likelihood along {result.name}, above its "
        f"minimum at {_rounded(result.best)}.",
        [_independent(result.name, np.asarray(result.values)[good])],
        [_dependent("-2 Delta ln L", np.asarray(result.delta)[good])],
    )


def contour(result: Contour) -> list[Table]:
    """One table for each level: the points along the line, in their order."""
    first, second = result.names
    tables = []
    for i, level in enumerate(result.levels):
        x, y = np.asarray(result.points[i])[np.asarray(result.converged[i])].T
        tables.append(
            Table(
                f"Contour, {100 * level:.4g} percent",
                f"Points along the {100 * level:.4g} % contour of {first} and {second} "
                f"around their best fit at {_rounded(result.best[0])}, "
                f"{_rounded(result.best[1])}.",
                [_independent(first, x)],
                [_dependent(second, y, said=[("CL", 100 * level, "%")])],
            )
        )
    return tables


def yields(result: Yields, data: Data | None = None) -> list[Table]:
    """One table for each channel: every sample, the total, and the observed counts.

    Args:
        result: of `predicted_yields`.
        data: observed counts; left out by default.
    """
    tables = []
    for channel, total in result.total.items():
        columns = [
            _dependent(sample, np.asarray(counts))
            for sample, counts in result.samples.get(channel, {}).items()
        ]
        error = np.asarray(result.error[channel])
        columns.append(_dependent("Total", np.asarray(total), {"total": error}))
        if data is not None:
            columns.append(_dependent("Data", np.asarray(data.main[channel])))
        tables.append(
            Table(
                _fitting("Yields in ", channel),
                f"Expected yields in {channel}, bin by bin"
                + (", and observed counts." if data is not None else "."),
                [_independent("Bin", np.arange(1, np.size(total) + 1))],
                columns,
            )
        )
    return tables


def _fitting(what: str, name: str) -> str:
    """A table's name, cut to what HEPData takes."""
    return (what + name)[:_LONGEST_NAME]


def _band(expected: np.ndarray) -> Errors:
    """Both bands of outcomes, as errors of the median."""
    median = expected[:, 2:3]
    return {
        "1 sigma": expected[:, [1, 3]] - median,
        "2 sigma": expected[:, [0, 4]] - median,
    }


def _independent(name: str, values: ArrayLike | Sequence[str], units: str = "") -> dict:
    header = {"name": name} | ({"units": units} if units else {})
    plain = np.asarray(values).tolist()
    return {
        "header": header,
        "values": [{"value": v if isinstance(v, str) else _rounded(v)} for v in plain],
    }


def _dependent(
    name: str,
    values: ArrayLike,
    errors: Errors | None = None,
    *,
    said: Sequence[tuple[str, str | float, str]] = (),
) -> dict[str, Any]:
    """A dependent variable; `said` are qualifiers: name, value, units."""
    rows = []
    for i, value in enumerate(np.asarray(values).tolist()):
        row: dict[str, Any] = {"value": _rounded(value)}
        each = [_error(label, sizes[i]) for label, sizes in (errors or {}).items()]
        if known := [error for error in each if error]:
            row["errors"] = known
        rows.append(row)
    column: dict[str, Any] = {"header": {"name": name}}
    if said:
        column["qualifiers"] = [
            {
                "name": what,
                "value": value if isinstance(value, str) else _rounded(value),
            }
            | ({"units": units} if units else {})
            for what, value, units in said
        ]
    return column | {"values": rows}


def _error(label: str, size: Any) -> dict[str, Any] | None:
    """One error of one value; none where it is not a number."""
    if not np.all(np.isfinite(size)):
        return None
    if np.ndim(size) == 0:
        return {"symerror": _rounded(size), "label": label}
    down, up = size
    return {
        "asymerror": {"minus": _rounded(down), "plus": _rounded(up)},
        "label": label,
    }


def _rounded(value: Any) -> float | int | str:
    """Six significant digits; `-`, HEPData's word, for what is not a number."""
    if isinstance(value, int):
        return value
    value = float(value)
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else "-"


def _dump(path: Path, documents: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        yaml.safe_dump_all(documents, file, sort_keys=False, allow_unicode=True)
