"""HEPData tables: what HEPData's own validator takes, with the results' numbers."""

import dataclasses

import equinox as eqx
import numpy as np
import pytest

pytest.importorskip("yaml", reason="the extra `hepdata` is not installed")

import yaml

from fitkit import hepdata

DIGITS = 1e-5  # tables have six


@pytest.fixture(scope="module")
def results(invented, fitted):
    return {**invented, "fit": fitted}


@pytest.fixture(scope="module")
def tables(results):
    limits = [results["limit"], results["limit"]]
    return [
        hepdata.cls_scan(results["tests"]),
        hepdata.upper_limits([500, 600], limits, parameter="Mass", units="GeV"),
        hepdata.parameters(results["fit"]),
        hepdata.correlation(results["fit"]),
        hepdata.intervals(results["interval"]),
        hepdata.pulls(results["pulls"]),
        hepdata.ranking(results["ranking"]),
        hepdata.scan(results["scan"]),
        *hepdata.contour(results["contour"]),
        *hepdata.yields(results["yields"], results["data"]),
    ]


def named(tables, name):
    (found,) = (table.document() for table in tables if table.name == name)
    return found


def column(variable):
    return [row["value"] for row in variable["values"]]


def errors(variable, label):
    """By row: (minus, plus) or one number."""
    found = []
    for row in variable["values"]:
        (error,) = (e for e in row["errors"] if e["label"] == label)
        pair = error.get("asymerror")
        found.append((pair["minus"], pair["plus"]) if pair else error["symerror"])
    return np.array(found)


# The validator leaves its files open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_hepdata_takes_it(tables, tmp_path):
    validator = pytest.importorskip(
        "hepdata_validator.full_submission_validator",
        reason="hepdata-validator is not installed",
    )
    described = dataclasses.replace(
        tables[0], location="Figure 1", keywords={"cmenergies": [13000.0]}
    )
    folder = hepdata.write(tmp_path / "new", [described, *tables[1:]], comment="All.")
    check = validator.FullSubmissionValidator()
    assert check.validate(directory=str(folder)), check.get_messages()
    # The validator sees a fault where there is one.
    (folder / tables[2].file).write_text("independent_variables: []\n")
    assert not check.validate(directory=str(folder))


def test_files_hold_what_the_tables_say(tables, tmp_path):
    folder = hepdata.write(tmp_path, tables, comment="All.")
    text = (folder / "submission.yaml").read_text(encoding="utf-8")
    head, *entries = yaml.safe_load_all(text)
    assert head == {"comment": "All."}
    assert [entry["name"] for entry in entries] == [table.name for table in tables]
    for entry, table in zip(entries, tables, strict=True):
        written = yaml.safe_load((folder / entry["data_file"]).read_text("utf-8"))
        assert written == table.document()


def test_tests(tables, results):
    found, tests = named(tables, "CLs"), results["tests"]
    assert column(found["independent_variables"][0]) == [0.5, 1.0, 2.0]
    observed, expected = found["dependent_variables"]
    order = np.argsort(tests.poi_value)
    np.testing.assert_allclose(column(observed), tests.cls[order], rtol=DIGITS)
    band = np.asarray(tests.cls_expected)[order]
    np.testing.assert_allclose(column(expected), band[:, 2], rtol=DIGITS)
    for label, ends in (("1 sigma", [1, 3]), ("2 sigma", [0, 4])):
        np.testing.assert_allclose(
            errors(expected, label), band[:, ends] - band[:, 2:3], rtol=DIGITS
        )
    assert all("errors" not in row for row in observed["values"])


def test_limits(tables, results):
    found, limit = named(tables, "Upper limits"), results["limit"]
    (mass,) = found["independent_variables"]
    assert mass["header"] == {"name": "Mass", "units": "GeV"}
    assert column(mass) == [500, 600]
    observed, expected = found["dependent_variables"]
    assert observed["qualifiers"] == [
        {"name": "CL", "value": 95.0, "units": "%"},
        {"name": "TEST", "value": "QMuTilde"},
        {"name": "BAND", "value": "normal"},
    ]
    np.testing.assert_allclose(column(observed), [limit.observed] * 2, rtol=DIGITS)
    band = limit.expected
    np.testing.assert_allclose(
        errors(expected, "2 sigma"),
        [[band[0] - band[2], band[4] - band[2]]] * 2,
        rtol=DIGITS,
    )


def test_parameters_and_correlation(tables, results):
    best = results["fit"]
    found = named(tables, "Parameters")
    assert column(found["independent_variables"][0]) == list(best.names)
    (values,) = found["dependent_variables"]
    np.testing.assert_allclose(column(values), best.y, rtol=DIGITS)
    covariance = np.linalg.inv(best.hessian)
    sigma = np.sqrt(np.diagonal(covariance))
    np.testing.assert_allclose(errors(values, "fit"), sigma, rtol=DIGITS)
    found = named(tables, "Correlations")
    pairs = zip(*map(column, found["independent_variables"]), strict=True)
    assert list(pairs) == [(a, b) for a in best.names for b in best.names]
    matrix = covariance / np.outer(sigma, sigma)
    (rho,) = map(column, found["dependent_variables"])
    np.testing.assert_allclose(rho, np.ravel(matrix), rtol=DIGITS)


def test_intervals(tables, results):
    interval = results["interval"]
    (values,) = named(tables, "Intervals")["dependent_variables"]
    np.testing.assert_allclose(column(values), interval.best, rtol=DIGITS)
    ends = np.transpose([interval.low - interval.best, interval.high - interval.best])
    np.testing.assert_allclose(errors(values, "profile likelihood"), ends, rtol=DIGITS)


def test_pulls_and_impacts(tables, results):
    found = named(tables, "Pulls")
    assert column(found["independent_variables"][0]) == list(results["pulls"].names[:2])
    (values,) = found["dependent_variables"]
    known = np.isfinite(results["pulls"].pull)
    np.testing.assert_allclose(
        column(values), results["pulls"].pull[known], rtol=DIGITS
    )
    constraint = results["pulls"].constraint[known]
    np.testing.assert_allclose(errors(values, "fit"), constraint, rtol=DIGITS)
    ranked = results["ranking"]
    columns = map(column, named(tables, "Impacts")["dependent_variables"])
    wanted = (ranked.up, ranked.down, ranked.prefit_up, ranked.prefit_down)
    for drawn, values in zip(columns, (*wanted, ranked.by_observable), strict=True):
        written = [np.nan if value == "-" else value for value in drawn]
        np.testing.assert_allclose(written, values, rtol=DIGITS)


def test_scan_and_contours(tables, results):
    found, scan = named(tables, "Scan of mu"), results["scan"]
    (delta,) = map(column, found["dependent_variables"])
    np.testing.assert_allclose(delta, scan.delta, rtol=DIGITS)
    for i, level in enumerate(("68.27", "95.45")):
        found = named(tables, f"Contour, {level} percent")
        (x,) = map(column, found["independent_variables"])
        (y,) = map(column, found["dependent_variables"])
        points = results["contour"].points[i]
        np.testing.assert_allclose(np.transpose([x, y]), points, rtol=DIGITS)
    bad = eqx.tree_at(lambda s: s.converged, scan, np.array([True, False, True, False]))
    (values,) = hepdata.scan(bad).independent
    assert column(values) == [2.0, 1.0]


def test_yields(tables, results):
    name, expected = "SR_#1 $\\x$", results["yields"]
    found = named(tables, f"Yields in {name}")
    *samples, total, observed = found["dependent_variables"]
    assert [s["header"]["name"] for s in samples] == list(expected.samples[name])
    for sample in samples:
        values = expected.samples[name][sample["header"]["name"]]
        np.testing.assert_allclose(column(sample), values, rtol=DIGITS)
    np.testing.assert_allclose(column(total), expected.total[name], rtol=DIGITS)
    error = expected.error[name]
    np.testing.assert_allclose(errors(total, "total"), error, rtol=DIGITS)
    assert column(observed) == [47.0, 0.0]


def test_what_is_not_a_number_is_a_dash(results):
    # The factor `k` has no constraint: no impact before the fit.
    table = hepdata.ranking(results["ranking"])
    assert [value == "-" for value in column(table.dependent[2])] == [
        False,
        False,
        True,
    ]
    broken = eqx.tree_at(lambda r: r.error["CR"], results["yields"], np.array([np.nan]))
    (table,) = (t for t in hepdata.yields(broken) if t.name == "Yields in CR")
    assert table.dependent[-1]["values"] == [{"value": 300.0}]


def test_errors(tables, tmp_path):
    with pytest.raises(ValueError, match="at least one table"):
        hepdata.write(tmp_path, [])
    with pytest.raises(ValueError, match=r"names of their own.*CLs.*replace"):
        hepdata.write(tmp_path, [tables[0], tables[0]])
    with pytest.raises(ValueError, match=r"names of their own.*submission"):
        hepdata.write(tmp_path, [dataclasses.replace(tables[0], name="Submission")])
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="1 to 64 letters; got 65"):
        dataclasses.replace(tables[0], name="x" * 65)
    one = {"header": {"name": "x"}, "values": [{"value": 1}]}
    with pytest.raises(ValueError, match=r"different numbers of values: \[1, 3\]"):
        dataclasses.replace(tables[0], independent=[one])
    with pytest.raises(TypeError, match="result of one `fit`; got Table"):
        hepdata.parameters(tables[0])
