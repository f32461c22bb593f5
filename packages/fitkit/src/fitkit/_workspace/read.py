"""From a HistFactory JSON document to a model and its data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from .._histfactory.data import bins_by_channel
from .._histfactory.model import Model
from .._histfactory.problem import warn
from .._model.constraints import Normal, Poisson
from .._model.model import Data
from .check import observed_counts
from .choices import UNSET, Choices, Unset
from .custom import Makers, taken_out
from .document import load
from .error import WorkspaceError
from .parse import parse
from .patching import patched
from .to_model import model_of


def read_workspace(
    source: str | Path | Mapping[str, Any],
    *,
    measurement: str | int | None = None,
    patch: Any = None,
    poi: str | Sequence[str] | Literal[Unset.UNSET] | None = UNSET,
    normsys_code: str | Mapping[str, str] = "4",
    histosys_code: str | Mapping[str, str] = "4p",
    staterror_constraint: type[Normal] | type[Poisson] = Normal,
    mc_statistics: Literal["parameters", "profiled"] = "parameters",
    modifier_types: Makers | None = None,
) -> tuple[Model, Data]:
    r"""The model and the observed data of a HistFactory JSON document.

    Reads what pyhf reads (its schema 1.0.0), and gives the likelihood that pyhf gives.

    Args:
        source: path of the file, or the decoded document, perhaps with NumPy arrays.
        measurement: name or index of the measurement whose parameter settings and
            parameter of interest apply; by default the first.
        patch: a JSON Patch (RFC 6902) to apply first: its operations, the path of
            a file with them, or a list of several, applied in turn.
        poi: the parameter of interest: by default the measurement's own, a name for
            another, several names for joint tests, None for none. Where the
            measurement's own is not in the model, as in background-only documents, the
            model has none and one warning says so.
        normsys_code: interpolation of `normsys`, "1" or "4"; or by modifier name, the
            default for others. The format has no place for this choice; the default
            is pyhf's.
        histosys_code: interpolation of `histosys`, "0", "2" or "4p"; likewise.
        staterror_constraint: the class `Normal` (as pyhf) or `Poisson`; likewise.
        mc_statistics: whether `staterror` and `shapesys` are `"parameters"` (as pyhf),
            one for each bin, or `"profiled"` in closed form; see `Model`.
        modifier_types: of modifiers that the format does not have, as pyhf's own
            `modifier_set` adds them: from their type to a function of name and data
            that returns a modifier, such as `ExpressionFactor`. They follow the others
            of their sample; their arguments take settings as normfactors do.

    Returns:
        `(model, data)`: a `Model`, and `Data` with the document's observations and
        the nominal auxiliary measurements.

    Raises:
        WorkspaceError: for a document that cannot be used, whatever the reason; the
            message names the place in the document and the way out.

    Example:
        >>> import fitkit
        >>> document = {
        ...     "channels": [{"name": "SR", "samples": [
        ...         {"name": "signal", "data": [5.0], "modifiers": [
        ...             {"name": "mu", "type": "normfactor", "data": None}]},
        ...         {"name": "background", "data": [50.0], "modifiers": [
        ...             {"name": "xs", "type": "normsys",
        ...              "data": {"lo": 0.9, "hi": 1.1}}]}]}],
        ...     "observations": [{"name": "SR", "data": [55.0]}],
        ...     "measurements": [
        ...         {"name": "m", "config": {"poi": "mu", "parameters": []}}],
        ...     "version": "1.0.0"}
        >>> model, data = fitkit.read_workspace(document)
        >>> sorted(model.parameter_names), model.poi
        (['mu', 'xs'], 'mu')
    """
    name = f"{source}: " if isinstance(source, (str, Path)) else ""
    choices = Choices(
        measurement,
        poi,
        normsys_code,
        histosys_code,
        staterror_constraint,
        mc_statistics,
    )
    document = load(source)
    try:
        if patch is not None:
            document = patched(document, patch)
        if modifier_types is not None:
            document, extra = taken_out(document, modifier_types)
            choices = choices._replace(extra=extra)
        workspace = parse(document)
        model, without = model_of(workspace, choices)
        counts = observed_counts(workspace, model)
    except WorkspaceError as error:
        # A file that cannot be read, and a patch's own, are named already.
        if name and not str(error).startswith(name):
            raise WorkspaceError(f"{name}{error}") from error.__cause__
        raise
    if without:
        warn(without)
    return model, Data(bins_by_channel(model.layout, counts), model.nominal_aux)
