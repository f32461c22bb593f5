"""Published documents, read by pyhf and by fitkit in the same run.

Not recorded numbers (`test_reference_likelihoods.py` has those): every parameter,
bound, fixed flag, auxiliary datum and rate, and -2 log L at three points, also of
documents that were pruned, renamed, combined and written again.
"""

import json

import jax
import numpy as np
import pytest

import fitkit

DOCUMENTS = (
    "likelihoods/small/GammaGamma_Higgs.json",
    "likelihoods/small/SRee_SRmm_Srem_v2.json",
    "likelihoods/small/single_channel_big.json",
    "likelihoods/1Lbb_simplified/BkgOnly.json",
    "likelihoods/measurements/agc_ttbar.json",
    "likelihoods/measurements/atlas_ttZ_4l.json",
    "likelihoods/measurements/atlas_1Lbb_700_400.json",
    "likelihoods/bkgonly/stau_SUSY-2018-04.json",
    "likelihoods/bkgonly/onshell_SUSY-2019-09.json",
    "likelihoods/3LRJR/BkgOnly.json",
)


def assert_same(document, theirs, *, measurement=None, tolerance=0.0):
    """All that pyhf says of a model, fitkit says too."""
    config = theirs.model.config
    model, data = fitkit.read_workspace(
        document, measurement=measurement, poi=config.poi_name
    )
    assert set(model.parameter_names) == set(config.par_order)
    assert model.poi == config.poi_name
    assert sorted(model.channel_names) == config.channels
    samples = {name for names in model.sample_names.values() for name in names}
    assert sorted(samples) == config.samples
    np.testing.assert_array_equal(theirs.vector(model.init), config.suggested_init())
    settings = model.parameters
    bounds = np.array(config.suggested_bounds(), dtype=float)
    for side, edge in enumerate(("lower", "upper")):
        ours = {name: getattr(p, edge) for name, p in settings.items()}
        # A factor has no upper bound that nobody gave, where pyhf's has 10.
        given = theirs.vector(ours)
        chosen = np.isfinite(given)
        np.testing.assert_array_equal(given[chosen], bounds[chosen, side])
        assert (bounds[~chosen, side] == 10).all()
    fixed = {name: p.fixed for name, p in settings.items()}
    np.testing.assert_array_equal(theirs.vector(fixed), config.suggested_fixed())
    vector = theirs.data_vector(data)
    np.testing.assert_allclose(vector[config.nmaindata :], config.auxdata, rtol=1e-14)

    rng = np.random.default_rng(4)
    points = [config.suggested_init(), *(theirs.random_point(rng) for _ in range(2))]
    for point in points:
        params = theirs.params(point)
        np.testing.assert_allclose(
            theirs.data_vector(model.expected_data(params)),
            theirs.model.expected_data(point),
            rtol=1e-10,
            atol=1e-10,
        )
        np.testing.assert_allclose(
            -2 * model.logpdf(params, data),
            -2 * theirs.model.logpdf(point, vector)[0],
            rtol=1e-10,
            atol=tolerance,
        )
    return model, data


def cancellation(path):
    """One auxiliary count of 3LRJR is 1.9e11; pyhf sums n log n and loses digits."""
    return 5e-3 if "3LRJR" in path else 0.0


@pytest.mark.parametrize("path", DOCUMENTS)
def test_as_pyhf_reads_it(path, load_json, pyhf_model, tmp_path):
    document = load_json(path)
    tolerance = cancellation(path)
    model, data = assert_same(document, pyhf_model(document), tolerance=tolerance)
    # written again, for pyhf and for fitkit
    fitkit.write_workspace(tmp_path / "again.json", model, data)
    written = json.loads((tmp_path / "again.json").read_text())
    again, _ = assert_same(written, pyhf_model(written), tolerance=tolerance)
    assert again.parameter_names == model.parameter_names
    assert again.channel_names == model.channel_names
    assert again.sample_names == model.sample_names


def test_traced_as_at_once(load_json):
    """One compilation of a document, mapped over points."""
    model, data = fitkit.read_workspace(
        load_json("likelihoods/measurements/agc_ttbar.json")
    )
    rng = np.random.default_rng(5)
    starts = {
        name: value + rng.normal(0, 0.1, (3, *value.shape))
        for name, value in model.init.items()
    }
    values = jax.jit(jax.vmap(lambda params: model.logpdf(params, data)))(starts)
    for i in range(3):
        at = {name: value[i] for name, value in starts.items()}
        np.testing.assert_allclose(values[i], model.logpdf(at, data), rtol=1e-12)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_every_measurement(path, load_json, pyhf_model):
    document = load_json(path)
    names = [each["name"] for each in document["measurements"]]
    if len(names) == 1:
        # of one measurement make two, the second with settings of its own
        first = document["measurements"][0]
        model, _ = fitkit.read_workspace(document, poi=None)
        scalar = next(n for n, s in model.parameter_shapes.items() if s == ())
        settings = [
            each for each in first["config"]["parameters"] if each["name"] != scalar
        ]
        changed = {"name": scalar, "inits": [0.8], "bounds": [[-1.5, 4.0]]}
        own = (e for e in first["config"]["parameters"] if e["name"] == scalar)
        changed = next(own, {}) | changed | {"fixed": True}
        config = first["config"] | {"parameters": [*settings, changed]}
        document = document | {
            "measurements": [first, {"name": "second", "config": config}]
        }
        names.append("second")
    for name in names[1:]:
        theirs = pyhf_model(document, measurement=name)
        assert_same(document, theirs, measurement=name, tolerance=cancellation(path))


# Not the simplified 1Lbb: it has one modifier only, and pyhf takes no model without.
@pytest.mark.parametrize("path", [*DOCUMENTS[:3], "likelihoods/3LRJR/BkgOnly.json"])
def test_pruned_and_renamed(path, load_json, pyhf_model):
    pyhf = pytest.importorskip("pyhf")
    document = load_json(path)
    workspace = pyhf.Workspace(document)
    constrained = ("normsys", "histosys", "staterror", "shapesys")
    modifier = next(name for name, kind in workspace.modifiers if kind in constrained)
    names = {"modifiers": {modifier: "another name"}}
    ours, theirs = fitkit.rename(document, **names), workspace.rename(**names)
    assert ours == dict(theirs)
    pruned = fitkit.prune(ours, modifiers=["another name"])
    assert pruned == dict(theirs.prune(modifiers=["another name"]))
    assert_same(pruned, pyhf_model(pruned), tolerance=cancellation(path))


def test_combined(load_json, pyhf_model):
    """Two analyses side by side; the settings are those of the measurement chosen."""
    pyhf = pytest.importorskip("pyhf")
    left = load_json("likelihoods/small/SRee_SRmm_Srem_v2.json")
    right = load_json("likelihoods/small/GammaGamma_Higgs.json")
    (measurement,) = right["measurements"]
    names = {measurement["name"]: "diphoton"}
    right = fitkit.rename(right, measurements=names)
    ours = fitkit.combine(left, right)
    joined = pyhf.Workspace.combine(
        pyhf.Workspace(left), pyhf.Workspace(right), join="outer"
    )
    assert ours == dict(joined)
    assert_same(ours, pyhf_model(ours))
    # the other measurement knows nothing of the luminosity (pyhf: a bare TypeError)
    with pytest.raises(fitkit.WorkspaceError, match=r"'lumi'.*has no `sigmas`"):
        fitkit.read_workspace(ours, measurement="diphoton")


def test_a_patched_signal_point_of_each_region(sbottom, pyhf_model):
    jsonpatch = pytest.importorskip("jsonpatch")
    for region in "ABC":
        patches = [n for n in sbottom.names if n.startswith(f"Region{region}/patch")]
        operations = sbottom(patches[len(patches) // 2])
        document = sbottom(f"Region{region}/BkgOnly.json")
        patched = jsonpatch.apply_patch(document, operations)
        model, _ = assert_same(patched, pyhf_model(patched))
        ours, _ = fitkit.read_workspace(document, patch=operations)
        assert ours.layout == model.layout
