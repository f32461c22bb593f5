"""The measurement as HEPData tables, made by fitkit of the hard model."""

from pathlib import Path

import numpy as np

import fitkit

from .._events import Dataset
from .._pipeline import AbstractPipeline
from .._results.evaluate import hard_templates
from .workspace import data

# CLs up to twice the expected limit: the crossing is in the middle of the scan.
_STRENGTHS = 21


def export_hepdata(
    folder: str | Path,
    pipeline: AbstractPipeline,
    dataset: Dataset,
    *,
    unblind: bool = False,
    mu: float = 1.0,
) -> Path:
    """Write yields, CLs scan, pulls, ranking and correlations as HEPData tables.

    The yields are those before the fit. Without `unblind` the scan is of the
    background-only expectation, and the fit is to what is expected at the strength
    `mu`; recorded events are not looked at.

    Args:
        folder: made if it is not there; the submission is its content, zipped.
        pipeline: trained.
        dataset: the events that the templates are made of.
        unblind: whether scan, fit and yields are of the recorded events.
        mu: the strength that is assumed where recorded events are not looked at.

    Returns:
        The folder.

    Raises:
        RuntimeError: float64 is off, or PyYAML is not installed (the extra
            `fitkit[hepdata]`).
        ValueError: a bin has signal, but no background; a fit finds no minimum; or
            `unblind` without recorded events in every channel.
    """
    fitkit.require_float64()
    try:
        from fitkit import hepdata
    except ImportError as error:
        raise RuntimeError(
            f"HEPData tables need `{error.name}`. Install it with: pip install "
            "'fitkit[hepdata]'."
        ) from None
    model = pipeline.measurement.model(hard_templates(pipeline, dataset))
    observed = data(pipeline, dataset, model, unblind=unblind)
    fitted_to = observed if unblind else fitkit.asimov_data(model, mu)
    best = fitkit.fit(model, fitted_to)
    before = fitkit.predicted_yields(model)
    tables = [
        *hepdata.yields(before, observed if unblind else None),
        hepdata.cls_scan(_scan(model, observed), poi=str(model.poi)),
        hepdata.pulls(fitkit.pulls(model, fitted_to, best=best)),
        hepdata.correlation(best),
    ]
    # Of a model whose strength alone is fitted there is no impact to rank.
    ranked = fitkit.ranking(model, fitted_to)
    if ranked.names:
        tables.insert(3, hepdata.ranking(ranked))
    what = (
        "Fits to the recorded events."
        if unblind
        else f"Expected results: CLs of background-only data, fits to what is expected "
        f"at {model.poi} = {mu:g}. Recorded events were not looked at."
    )
    return hepdata.write(folder, tables, comment=what)


def _scan(model: fitkit.Model, observed: fitkit.Data) -> list[fitkit.HypotestResult]:
    limit = float(fitkit.upper_limit(model, observed, throw=False).expected[2])
    # A limit that does not exist leaves the strengths that anyone would look at.
    highest = 2 * limit if np.isfinite(limit) and limit > 0 else 2.0
    strengths = np.linspace(0.0, highest, _STRENGTHS)[1:]
    return [fitkit.hypotest(model, observed, float(value)) for value in strengths]
