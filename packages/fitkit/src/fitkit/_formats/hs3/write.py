"""From a model and its data to an HS3 document."""

import dataclasses
import importlib.metadata
import json
import math
from pathlib import Path
from typing import Any, final

import numpy as np

from ..._histfactory.constraint_terms import constraint_terms
from ..._histfactory.model import Model
from ..._histfactory.modifiers import ParameterKind
from ..._model.constraints import Normal, Poisson
from ..._model.model import Data
from ..._workspace.error import WorkspaceError
from ..._workspace.write import channels_of, check_arguments
from .codes import WORDS
from .names import entry_names_of

_ENDLESS = 1e30  # ROOT's word for no bound: JSON has no infinity
_ANALYSIS, _LIKELIHOOD, _DOMAIN, _POINT = (
    "analysis",
    "likelihood",
    "default_domain",
    "default_values",
)
_OF_BINS = ("ShapeFactor", "ShapeSys", "StatError")


def write_hs3(
    path: str | Path, model: Model, data: Data, *, analysis: str = _ANALYSIS
) -> None:
    """Write a model and its data as an HS3 document of version 0.2.

    One analysis of one likelihood. Constraints that a modifier implies are named by
    their kind; all others, as that of the luminosity or one whose measurement is not
    the nominal one, are written out as distributions of their own.

    Args:
        path: the file to write, as a rule with the ending `.hs3.json`.
        model: a model with concrete numbers (not inside `jax.jit`).
        data: observed counts and auxiliary data.
        analysis: the name of the analysis.

    Raises:
        WorkspaceError: where HS3 cannot express the model, or a number is not finite.

    Example:
        >>> import fitkit, tempfile, pathlib
        >>> model = fitkit.uncorrelated_background([12.0], [50.0], [3.0])
        >>> data = model.data({"singlechannel": [51.0]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "search.hs3.json"
        ...     fitkit.write_hs3(path, model, data)
        ...     again, same = fitkit.read_hs3(path)
        >>> again.parameter_names, [float(n) for n in same.main["singlechannel"]]
        (('mu', 'uncorr_bkguncrt'), [51.0])

    References:
        HS3 0.2, arXiv:2606.01760.
    """
    document = hs3_document(model, data, analysis=analysis)
    Path(path).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")


def hs3_document(
    model: Model, data: Data, *, analysis: str = _ANALYSIS
) -> dict[str, Any]:
    """The decoded document that `write_hs3` writes."""
    check_arguments(model, data, "write_hs3")
    if model.profiled_names:
        raise WorkspaceError(
            f"the factors of {model.profiled_names[0]!r} are profiled, which HS3 "
            'cannot express. Write the model with `mc_statistics="parameters"`: '
            "readers choose for themselves."
        )
    if masked := model.masked_channels:
        raise WorkspaceError(
            f"channels are masked ({', '.join(masked)}), which HS3 cannot express. "
            "Write the model without masks."
        )
    return _Writing(model, data).document(analysis)


@final
class _Writing:
    """A model on its way to a document."""

    def __init__(self, model: Model, data: Data):
        self.model, self.data = model, data
        shapes = model.parameter_shapes
        taken = {name for name, shape in shapes.items() if shape == ()}
        self.entries = {
            name: [name]
            if shape == ()
            else entry_names_of(name, math.prod(shape), taken)
            for name, shape in shapes.items()
        }
        self.parameters = model.parameters
        self.codes = _codes(model)
        self.sizes = {channel: size for channel, size, _ in model.layout.channels}
        modifiers = model.layout.modifiers
        self.factors = {name for *_, kind, name in modifiers if kind == "Lumi"}
        self.constraints: list[dict[str, Any]] = []
        self.functions: list[dict[str, Any]] = []
        self.auxiliary: list[str] = []
        # Of each parameter of many bins, how many of its bins stand before a channel.
        self.begun: dict[tuple[str, str], int] = {}
        seen: dict[str, int] = {}
        for channel, _, kind, name in model.layout.modifiers:
            if kind in _OF_BINS and (name, channel) not in self.begun:
                # All but a staterror have the same parameters in every channel.
                start = seen.get(name, 0) if kind == "StatError" else 0
                self.begun[name, channel] = start
                seen[name] = start + self.sizes[channel]

    def document(self, analysis: str) -> dict[str, Any]:
        """The document."""
        written_out = self._written_out()
        channels = [
            self._channel(each, written_out) for each in channels_of(self.model)
        ]
        interest = (
            {"parameters_of_interest": [*self.model.pois]} if self.model.pois else {}
        )
        return {
            "metadata": {
                "hs3_version": "0.2",
                "packages": [
                    {"name": "fitkit", "version": importlib.metadata.version("fitkit")}
                ],
            },
            "distributions": [*channels, *self.constraints],
            **({"functions": self.functions} if self.functions else {}),
            "data": [
                {
                    "name": f"observed_{name}",
                    "type": "binned",
                    "axes": _axes(name, size),
                    "contents": _numbers(self.data.main[name]),
                }
                for name, size, _ in self.model.layout.channels
            ],
            "likelihoods": [
                {
                    "name": _LIKELIHOOD,
                    "distributions": [each["name"] for each in channels],
                    "data": [f"observed_{name}" for name in self.model.channel_names],
                    "aux_distributions": self.auxiliary,
                }
            ],
            "domains": [
                {"name": _DOMAIN, "type": "product_domain", "axes": self._domain()}
            ],
            "parameter_points": [{"name": _POINT, "parameters": self._point()}],
            "analyses": [
                {
                    "name": analysis,
                    "likelihood": _LIKELIHOOD,
                    "domains": [_DOMAIN],
                    "init": _POINT,
                    **interest,
                }
            ],
        }

    # --- channels ---------------------------------------------------------------------
    def _channel(
        self, content: dict[str, Any], written_out: set[str]
    ) -> dict[str, Any]:
        name = content["name"]
        size = len(content["samples"][0]["data"])
        return {
            "name": f"model_{name}",
            "type": "histfactory_dist",
            "axes": _axes(name, size),
            "samples": [
                self._sample(name, sample, written_out) for sample in content["samples"]
            ],
        }

    def _sample(
        self, channel: str, content: dict[str, Any], written_out: set[str]
    ) -> dict[str, Any]:
        data: dict[str, Any] = {"contents": content["data"]}
        errors = [m for m in content["modifiers"] if m["type"] == "staterror"]
        if errors:
            data["errors"] = errors[0]["data"]
            if any(each["data"] != data["errors"] for each in errors):
                raise WorkspaceError(
                    f"sample {content['name']!r} of channel {channel!r} has several "
                    "staterrors with different errors, which HS3 cannot express."
                )
        modifiers = [
            self._modifier(channel, m, written_out) for m in content["modifiers"]
        ]
        return {"name": content["name"], "data": data, "modifiers": modifiers}

    def _modifier(
        self, channel: str, content: dict[str, Any], written_out: set[str]
    ) -> dict[str, Any]:
        name, kind = content["name"], content["type"]
        written: dict[str, Any] = {"name": name, "type": kind}
        out = name in written_out
        match kind:
            case "normfactor" | "lumi":
                return written | {"type": "normfactor", "parameter": name}
            case "normsys":
                written |= {"parameter": name, "data": content["data"]}
            case "histosys":
                sides = {
                    side: {"contents": content["data"][f"{side}_data"]}
                    for side in ("lo", "hi")
                }
                written |= {"parameter": name, "data": sides}
            case "shapefactor" | "shapesys" | "staterror":
                start = self.begun[name, channel]
                entries = self.entries[name][start : start + self.sizes[channel]]
                written |= {"parameters": entries}
                if kind == "shapefactor":
                    return written
                poisson = isinstance(self.parameters[name].constraint, Poisson)
                written |= {"constraint": "Poisson" if poisson else "Gauss"}
                if kind == "shapesys":
                    written |= {"data": {"vals": content["data"]}}
                if out:
                    written |= {"constraints": [_constraint(e) for e in entries]}
                return written
            case _:
                raise WorkspaceError(
                    f"{kind} {name!r} of channel {channel!r}: HS3 has no such modifier."
                )
        if out:
            # By kind and by name, as ROOT writes it: a reader takes one of the two.
            written |= {
                "constraint_name": _constraint(name),
                "constraint_type": "Gauss",
            }
        else:
            written |= {"constraint": "Gauss"}
        if (code := self.codes[kind, name]) in WORDS:
            written |= {"interpolation": WORDS[code]}
        return written

    # --- constraints ------------------------------------------------------------------
    def _written_out(self) -> set[str]:
        """The parameters whose constraints their modifiers do not imply."""
        model, places = self.model, self.model.parameter_shapes.places
        given = np.asarray(model.arrays.sigma_given)
        of: set[str] = set()
        for name, _, kind in model.layout.parameters:
            constraint = self.parameters[name].constraint
            if constraint is None:
                continue
            aux = np.atleast_1d(np.asarray(self.data.aux[name], dtype=float))
            second = np.atleast_1d(
                np.asarray(
                    constraint.sigma
                    if isinstance(constraint, Normal)
                    else constraint.tau,
                    dtype=float,
                )
            )
            factor = name in self.factors
            if kind == ParameterKind.NORMAL and not factor:
                implied = bool((aux == 0).all() and (second == 1).all())
            elif kind == ParameterKind.NORMAL:
                implied = False
            else:
                nominal = (
                    second if isinstance(constraint, Poisson) else np.ones(aux.size)
                )
                implied = bool((aux == nominal).all()) and not given[places[name]].any()
            if implied:
                continue
            of.add(name)
            poisson = isinstance(constraint, Poisson)
            for entry, measured, width in zip(
                self.entries[name], aux, second, strict=True
            ):
                self._write_out(entry, float(measured), float(width), poisson)
            if factor:
                self.auxiliary.append(_constraint(name))
        return of

    def _write_out(self, entry: str, aux: float, width: float, poisson: bool) -> None:
        if not poisson:
            self.constraints.append(
                {
                    "name": _constraint(entry),
                    "type": "gaussian_dist",
                    "x": entry,
                    "mean": aux,
                    "sigma": width,
                }
            )
            return
        self.constraints.append(
            {
                "name": _constraint(entry),
                "type": "poisson_dist",
                "x": aux,
                "mean": f"{entry}_expected",
            }
        )
        self.functions.append(
            {
                "name": f"{entry}_expected",
                "type": "product",
                "factors": [entry, width],
            }
        )

    # --- parameters -------------------------------------------------------------------
    def _domain(self) -> list[dict[str, Any]]:
        axes = []
        for name, entries in self.entries.items():
            parameter = self.parameters[name]
            ends = zip(
                entries,
                _numbers(parameter.lower),
                _numbers(parameter.upper),
                strict=True,
            )
            axes += [
                {
                    "name": entry,
                    "min": max(low, -_ENDLESS),
                    "max": min(high, _ENDLESS),
                }
                for entry, low, high in ends
            ]
        return axes

    def _point(self) -> list[dict[str, Any]]:
        anyway = self._fixed_anyway()
        places, point = self.model.parameter_shapes.places, []
        for name, entries in self.entries.items():
            parameter = self.parameters[name]
            fixed = np.atleast_1d(np.asarray(parameter.fixed))
            # A reader fixes empty bins by itself, unless each says what it is.
            told = not np.array_equal(fixed, anyway[places[name]])
            for entry, value, const in zip(
                entries, _numbers(parameter.init), fixed.tolist(), strict=True
            ):
                about: dict[str, Any] = {"name": entry, "value": value}
                if const or told:
                    about["const"] = const
                point.append(about)
        return point

    def _fixed_anyway(self) -> np.ndarray:
        arrays = self.model.arrays
        unsaid = np.zeros(arrays.kind.shape, dtype=bool)
        terms = constraint_terms(dataclasses.replace(arrays, fixed_given=unsaid))
        return np.asarray(terms.fixed)


def _codes(model: Model) -> dict[tuple[str, str], str]:
    """The interpolation code of each normsys and histosys."""
    arrays = model.arrays
    at = {place.start: name for name, place in model.parameter_shapes.places.items()}
    codes: dict[tuple[str, str], str] = {}
    for kind, index in (
        ("normsys", arrays.normsys_index),
        ("histosys", arrays.histosys_index),
    ):
        runs = [code for code, n in getattr(arrays.codes, kind) for _ in range(n)]
        for entry, code in zip(np.asarray(index).tolist(), runs, strict=True):
            if codes.setdefault((kind, at[entry]), code) != code:
                raise WorkspaceError(
                    f"{kind} {at[entry]!r} has different interpolation codes in "
                    "different samples, which is not written. Give all the same."
                )
    return codes


def _constraint(entry: str) -> str:
    return f"{entry}_constraint"


def _axes(channel: str, bins: int) -> list[dict[str, Any]]:
    """Bins without edges of their own are numbered."""
    name = f"obs_x_{channel}"
    return [{"name": name, "min": 0.0, "max": float(bins), "nbins": bins}]


def _numbers(values: Any) -> list[float]:
    return np.atleast_1d(np.asarray(values, dtype=float)).tolist()
