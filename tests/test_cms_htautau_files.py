"""H→ττ described as files against the same analysis in Python; jagged real branches."""

import importlib.util

import numpy as np
import pytest

import neoskit

uproot = pytest.importorskip("uproot", reason="needs the extra `neoskit[root]`")


@pytest.fixture(scope="module")
def folder(data_folder):
    folder = data_folder / "events"
    if not (folder / "cms_htautau").is_dir():
        pytest.skip(f"no CMS open data at {folder}")
    return folder


@pytest.fixture(scope="module")
def analysis(root, folder):
    described = neoskit.Analysis.from_toml(root / "examples" / "cms_htautau_files.toml")
    source = described.config.source.model_copy(
        update={"folder": str(folder / "cms_htautau")}
    )
    config = described.config.model_copy(update={"source": source})
    return neoskit.Analysis(config, described.base)


@pytest.fixture(scope="module")
def python(root, folder):
    """The dataset that the Python code of the other example makes, and its features."""
    path = root / "examples" / "cms_htautau.py"
    spec = importlib.util.spec_from_file_location("cms_htautau", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.dataset(folder / "cms_htautau"), module


def in_one_order(features, weights):
    return np.lexsort([*np.asarray(features).T, np.asarray(weights)])


def test_every_event_is_that_of_the_python_code(analysis, python):
    expected, module = python
    found = analysis.dataset()
    assert found.counted == expected.counted
    samples = dict(found.samples())
    assert samples.keys() == dict(expected.samples()).keys()
    columns = [found.feature_names.index(name) for name in module.FEATURES[:-1]]
    for key, theirs in expected.samples():
        ours = samples[key]
        assert len(ours) == len(theirs), key
        if key.channel in found.counted:
            order, other = np.argsort(ours.weights), np.argsort(theirs.weights)
        else:
            # Their last feature is 1 where there are two jets, ours where there are
            # not. All else is equal to the last bit of float32.
            features = np.c_[
                ours.features[:, columns], 1 - ours.features[:, -1]
            ].astype(np.float32)
            order = in_one_order(features, ours.weights)
            other = in_one_order(theirs.features, theirs.weights)
            np.testing.assert_array_equal(features[order], theirs.features[other])
        np.testing.assert_allclose(
            ours.weights[order], theirs.weights[other], rtol=1e-14
        )


def test_recorded_events_are_those_of_the_python_code(analysis, python, folder):
    _, module = python
    theirs, ours = module.observed(folder / "cms_htautau"), analysis.observed()
    assert {c: len(e) for c, e in ours.items()} == {
        c: len(e) for c, e in theirs.items()
    }


def test_the_model_has_the_parameters_of_the_other_description(analysis, root):
    other = neoskit.Analysis.from_toml(root / "examples" / "cms_htautau.toml")
    names = {norm.name for norm in other.config.measurement.normalisations}
    systematics = analysis.measurement().systematics
    places = systematics.normalisations
    assert {n.name for of in places.values() for n in of} == names
    for norm in other.config.measurement.normalisations:
        for process in norm.processes:
            for channel in ("signal_region", "w_control"):
                (one,) = places[channel, process]
                assert (one.name, one.lo, one.hi) == pytest.approx(
                    (norm.name, norm.down, norm.up)
                )


def test_check_finds_what_is_known_of_the_sample(analysis):
    result = analysis.check()
    assert result.passed
    raw = {(r.channel, r.process): r.raw for r in result.yields}
    # The catalogue's counts, above 21 GeV.
    assert raw["signal_region", "ggH"] == 470
    negative = {
        (r.channel, r.process): r.negative for r in result.yields if r.negative > 0
    }
    assert set(negative) == {("signal_region", "qcd"), ("w_control", "qcd")}


def test_jagged_branches_of_a_real_file(folder):
    events = neoskit.read_root(
        folder / "uproot-HZZ.root",
        {
            "n": "count(Muon_Px)",
            "pt": "max(sqrt(Muon_Px**2 + Muon_Py**2), 0)",
            "second": "at(Jet_E, 1, -999)",
        },
        tree="events",
        weight="EventWeight",
        selection="NMuon > 0 and any(abs(Muon_Charge) == 1)",
        missing={"second": neoskit.Missing((-999,), 60.0, "no_second")},
    )
    with uproot.open(folder / "uproot-HZZ.root") as file:
        branches = file["events"].arrays(
            ["NMuon", "Muon_Px", "Muon_Py", "Jet_E", "EventWeight"], library="np"
        )
    keep = branches["NMuon"] > 0
    pt = [
        np.sqrt(px.astype(float) ** 2 + py.astype(float) ** 2).max()
        for px, py in zip(
            branches["Muon_Px"][keep], branches["Muon_Py"][keep], strict=True
        )
    ]
    none = np.array([len(e) < 2 for e in branches["Jet_E"][keep]])
    np.testing.assert_array_equal(events.features[:, 0], branches["NMuon"][keep])
    np.testing.assert_allclose(events.features[:, 1], pt, rtol=1e-6)  # float32
    np.testing.assert_array_equal(events.features[:, 3], none)
    assert np.all(events.features[none, 2] == 60.0)
    np.testing.assert_allclose(events.weights, branches["EventWeight"][keep])
