"""From an HS3 document to a model and its data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ..._histfactory.model import Model
from ..._histfactory.problem import warn
from ..._model.constraints import Normal, Poisson
from ..._model.model import Data
from ..._workspace.choices import UNSET, Unset, chosen_poi
from ..._workspace.document import load, plain
from ..._workspace.error import WorkspaceError
from .channels import parts_of
from .document import Hs3Document, chosen
from .parameters import Parameters
from .terms import Terms
from .to_model import Reading


def read_hs3(
    source: str | Path | Mapping[str, Any],
    *,
    analysis: str | None = None,
    likelihood: str | None = None,
    poi: str | Sequence[str] | Literal[Unset.UNSET] | None = UNSET,
    shapesys_errors: Literal["absolute", "relative"] | None = None,
    staterror_constraint: type[Normal] | type[Poisson] | None = None,
    mc_statistics: Literal["parameters", "profiled"] = "parameters",
) -> tuple[Model, Data]:
    """The model and the observed data of an HS3 document.

    Reads the HistFactory distributions of HS3 0.2 and of ROOT's dialects before and
    after 6.40. Distributions of other kinds are read as constraints where they are some
    (normal and Poisson distributions of one parameter), and refused elsewhere.

    Args:
        source: path of the file, or the decoded document.
        analysis: which analysis, by name; needed where the document has several.
        likelihood: which likelihood, by name, in the place of an analysis: bounds and
            starts are then those of `default_domain` and `default_values`.
        poi: the parameter of interest: by default the analysis's own, all of them where
            it has several; a name for another, or several; None for none.
        shapesys_errors: whether the errors of a shapesys are in events, as in the
            draft's examples and pyhs3, or relative to the yields, as ROOT writes them.
            By default the ranges of its parameters tell, or who wrote the document.
        staterror_constraint: the class `Normal` or `Poisson` for a staterror that names
            no constraint.
        mc_statistics: whether `staterror` and `shapesys` are `"parameters"` or
            `"profiled"` in closed form; see `Model`.

    Returns:
        `(model, data)`: a `Model`, and `Data` with the observations and the nominal
        auxiliary measurements. Parameters have the document's names; those of many bins
        the common part of theirs (`gamma_0`, `gamma_1`: `gamma`).

    Raises:
        WorkspaceError: for a document that cannot be used, whatever the reason; the
            message names the place in the document and the way out.

    Example:
        >>> import fitkit
        >>> document = {
        ...     "metadata": {"hs3_version": "0.2"},
        ...     "distributions": [{"name": "SR", "type": "histfactory_dist",
        ...         "axes": [{"name": "x", "min": 0, "max": 1, "nbins": 1}],
        ...         "samples": [
        ...             {"name": "signal", "data": {"contents": [5.0]}, "modifiers": [
        ...                 {"name": "mu", "parameter": "mu", "type": "normfactor"}]},
        ...             {"name": "background", "data": {"contents": [50.0]},
        ...              "modifiers": [{"name": "xs", "parameter": "alpha_xs",
        ...                  "type": "normsys", "constraint": "Gauss",
        ...                  "data": {"lo": 0.9, "hi": 1.1}}]}]}],
        ...     "data": [{"name": "obs", "type": "binned", "contents": [55.0]}],
        ...     "likelihoods": [
        ...         {"name": "L", "distributions": ["SR"], "data": ["obs"]}],
        ...     "analyses": [{"name": "search", "likelihood": "L",
        ...                   "parameters_of_interest": ["mu"]}]}
        >>> model, data = fitkit.read_hs3(document)
        >>> model.parameter_names, model.poi
        (('mu', 'alpha_xs'), 'mu')

    References:
        HS3 0.2, arXiv:2606.01760; CERN-OPEN-2012-016 (HistFactory).
    """
    name = f"{source}: " if isinstance(source, (str, Path)) else ""
    document = load(source)
    try:
        document = Hs3Document(plain(document))
        about = chosen(document, analysis, likelihood)
        channels, others = parts_of(document, about)
        parameters = Parameters(document, channels)
        terms = Terms(document, about, parameters, others, staterror_constraint)
        interest, without = chosen_poi(
            about.pois,
            "analyses.parameters_of_interest",
            poi,
            [*parameters.scalars, *parameters.vectors],
        )
        reading = Reading(document, about, parameters, terms, shapesys_errors)
        model = reading.model(interest, mc_statistics)
    except RecursionError:
        raise WorkspaceError(
            f"{name}the document is nested too deeply. It is none that can be read."
        ) from None
    except WorkspaceError as error:
        if name and not str(error).startswith(name):
            raise WorkspaceError(f"{name}{error}") from error.__cause__
        raise
    if without:
        warn(without)
    return model, Data({c.name: c.counts for c in channels}, model.nominal_aux)
