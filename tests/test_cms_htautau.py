"""The H→ττ example on the CMS open data files: what it selects, shifts and hides."""

import importlib.util
import json

import jax
import numpy as np
import pytest

import neoskit
from neoskit._run.builders import build_pipeline
from neoskit._run.config import read_config

uproot = pytest.importorskip("uproot", reason="needs the extra `neoskit[root]`")


@pytest.fixture(scope="module")
def folder(data_folder):
    folder = data_folder / "events" / "cms_htautau"
    if not folder.is_dir():
        pytest.skip(f"no CMS open data at {folder}")
    return folder


@pytest.fixture(scope="session")
def example(root):
    path = root / "examples" / "cms_htautau.py"
    spec = importlib.util.spec_from_file_location("cms_htautau", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def samples(example, folder):
    return example.simulation(folder)


@pytest.fixture(scope="module")
def dataset(example, folder):
    return example.dataset(folder)


@pytest.fixture(scope="module")
def recipe(example, samples, folder):
    """The events of the published recipe, before the cut at 21 GeV, by charge."""
    halves = {
        "ztt": example.parts(samples, "ztt")[0],
        "zll": example.parts(samples, "zll")[0],
    }
    simulated = {name: c for name, c in samples.items() if name != "dy"} | halves
    both = {
        charge: simulated | example.data(folder, charge)
        for charge in (example.OPPOSITE, example.SAME)
    }
    return {
        charge: {
            name: example.kept(c, example.SIGNAL_REGION, charge, pt_2_above=20.0)
            for name, c in columns.items()
        }
        for charge, columns in both.items()
    }


# Raw counts and sums of weights of the same recipe run by the skim's own authors.
RECIPE = {
    "ggH": (485, 228.540),
    "qqH": (607, 21.944),
    "ztt": (3568, 4706.39),
    "zll": (231, 304.70),
    "tt": (341, 137.10),
    "w1j": (182, 447.12),
    "w2j": (319, 243.10),
    "w3j": (175, 80.64),
    "run_b": (2711, 2711.0),
    "run_c": (4581, 4581.0),
}


@pytest.mark.parametrize("name", RECIPE)
def test_recipe_yields(recipe, example, name):
    count, weights = RECIPE[name]
    kept = recipe[example.OPPOSITE][name]["weight"].astype(float)
    assert kept.size == count
    # Published with two decimals at least: half of the last one, where that is more.
    assert kept.sum() == pytest.approx(weights, rel=1e-5, abs=5e-3)


def test_recipe_qcd(recipe, example):
    same = recipe[example.SAME]
    sums = {name: columns["weight"].sum(dtype=float) for name, columns in same.items()}
    observed = sums["run_b"] + sums["run_c"]
    simulated = sum(sums[n] for n in ("ztt", "zll", "tt", "w1j", "w2j", "w3j"))
    assert example.QCD_OPPOSITE_OVER_SAME * (observed - simulated) == pytest.approx(
        1243.94, rel=1e-5
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        *(("ggH", "ggH"), ("qqH", "qqH"), ("ztt", "ZTT"), ("zll", "ZLL"), ("tt", "TT")),
        *(("w1j", "W1J"), ("w2j", "W2J"), ("w3j", "W3J")),
        *(("run_b", "dataRunB"), ("run_c", "dataRunC")),
    ],
)
@pytest.mark.parametrize("region", ["opposite", "same"])
def test_recipe_histograms(recipe, example, folder, ours, theirs, region):
    """All 30 bins of the visible mass, as the authors' own histograms hold them."""
    suffix = "_cr" if region == "same" else ""
    charge = example.SAME if region == "same" else example.OPPOSITE
    with uproot.open(folder / "histograms.root") as file:
        expected = file[f"{theirs}_m_vis{suffix}"].values()
    kept = recipe[charge][ours]
    counts, _ = np.histogram(
        kept["m_vis"], 30, (20, 140), weights=kept["weight"].astype(float)
    )
    np.testing.assert_allclose(counts, expected, rtol=1e-5)


def test_masses_follow_from_the_branches(samples, example):
    for columns in samples.values():
        ours = example.derived(columns)
        for name in ("mt_1", "mt_2", "m_vis", "pt_vis"):
            # float32 inputs; where the masses are tiny (collinear with the missing
            # momentum) the file's own 1 - cos has lost its digits.
            np.testing.assert_allclose(
                ours[name], columns[name], rtol=1e-6, atol=2e-2 if "mt" in name else 0
            )
            away = columns[name] > 1
            difference = np.abs(ours[name][away] / columns[name][away] - 1)
            assert np.median(difference) < 1e-7


def test_energy_shift_moves_what_it_must(samples, example):
    before = samples["dy"]
    after = example.shift_tau(before, 1.03)
    true = before["gen_match"].astype(bool)
    for name in before:
        np.testing.assert_array_equal(after[name][~true], before[name][~true])
    for name in ("pt_2", "m_2"):
        np.testing.assert_allclose(
            after[name][true], 1.03 * before[name][true].astype(float)
        )
    for name in ("pt_1", "eta_2", "phi_2", "iso_1", "mjj", "weight", "index"):
        np.testing.assert_array_equal(after[name], before[name])

    # Tau and missing momentum together are what they were: the shift balances.
    def transverse(columns):
        pt, phi, met, phi_met = (
            columns[name].astype(float)
            for name in ("pt_2", "phi_2", "pt_met", "phi_met")
        )
        return pt * np.exp(1j * phi) + met * np.exp(1j * phi_met)

    np.testing.assert_allclose(transverse(after), transverse(before), rtol=1e-12)
    # A tau of more energy makes the visible mass larger, and as √E if the muon's
    # and the tau's own masses play no part.
    ratio = after["m_vis"][true] / before["m_vis"][true]
    assert np.median(ratio) == pytest.approx(np.sqrt(1.03), rel=1e-3)


def test_no_energy_shift_is_no_change(samples, example):
    before = samples["ggH"]
    after = example.shift_tau(before, 1.0)
    for name in ("pt_met", "phi_met", "m_vis", "pt_vis", "pt_2", "m_2"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-6, atol=1e-6)


def test_shift_applies_the_selection_again(dataset):
    process = dataset.channels["signal_region"]["ztt"]
    up, down = process.variations["tau_energy_scale"]
    assert len(down) < len(process.nominal) < len(up)
    gained = set(np.asarray(up.index)) - set(np.asarray(process.nominal.index))
    assert gained
    rows = np.isin(np.asarray(up.index), list(gained))
    pt_2 = np.asarray(up.features)[rows, up.names.index("pt_2")]
    assert np.any(pt_2 < 1.03 * 21)  # some came over the cut at 21 GeV


def test_qcd_is_same_charge_data_minus_simulation(dataset, example):
    qcd = dataset.channels["signal_region"]["qcd"].nominal
    file = np.asarray(qcd.index) // 1_000_000
    is_data = np.isin(file, [list(example.FILES).index(n) for n in example.DATA])
    weights = np.asarray(qcd.weights)
    np.testing.assert_array_equal(weights[is_data], 0.8)
    assert np.all(weights[~is_data] < 0)
    assert weights.sum() == pytest.approx(1083.226, rel=1e-6)
    # Subtraction adds to the variance, it takes nothing away.
    assert np.sum(weights**2) > 0.8 * 0.8 * is_data.sum()


def test_every_index_is_one_event(dataset):
    for channel, processes in dataset.channels.items():
        indices = [np.asarray(p.nominal.index) for p in processes.values()]
        joined = np.concatenate(indices)
        assert np.unique(joined).size == joined.size, channel


def test_folds_are_halves_and_follow_the_event(dataset):
    for process in dataset.channels["signal_region"].values():
        share = neoskit.fold_of(process.nominal, 2).mean()
        # Five standard deviations of a fair coin.
        assert abs(share - 0.5) < 2.5 / np.sqrt(len(process.nominal))


def test_missing_jets_are_an_indicator(dataset):
    for _, events in dataset.scored_samples():
        values = dict(zip(events.names, np.asarray(events.features).T, strict=True))
        lacking = values["dijet"] == 0
        assert np.any(lacking)
        assert not np.any(np.asarray(events.features) <= -900)
        np.testing.assert_array_equal(values["njets"][lacking] < 2, True)
        np.testing.assert_array_equal(np.unique(values["mjj"][lacking]), [200.0])
        np.testing.assert_array_equal(np.unique(values["jdeta"][lacking]), [0.0])


def test_blind_dataset_holds_no_opposite_charge_data(dataset, example, folder):
    assert not dataset.observed
    opposite = example.data(folder, example.OPPOSITE)
    hidden = np.concatenate([columns["index"] for columns in opposite.values()])
    for key, events in dataset.samples():
        assert not np.isin(np.asarray(events.index), hidden).any(), key


def test_observed_counts(example, folder):
    observed = example.observed(folder)
    assert set(observed) == set(example.REGIONS)
    for channel, region in example.REGIONS.items():
        expected = sum(
            int(region.mask(columns, example.OPPOSITE, example.PT_2_ABOVE).sum())
            for columns in example.data(folder, example.OPPOSITE).values()
        )
        assert len(observed[channel]) == expected
        np.testing.assert_array_equal(observed[channel].weights, 1)


@pytest.fixture(scope="module")
def run(dataset, root):
    """The example's pipeline after three steps: two networks, merged bins."""
    config = read_config(root / "examples" / "cms_htautau.toml")
    pipeline, _ = neoskit.cross_fit(
        lambda seen, fold: build_pipeline(config, seen, jax.random.key(fold)),
        dataset,
        neoskit.Stage(neoskit.expected_cls, 3, pseudo_events=0.0),
        progress=False,
    )
    edges = neoskit.merged_edges(pipeline, dataset)
    return pipeline.with_edges(edges)


@pytest.mark.slow  # two compilations of the training step, one for each fold
class TestRun:
    def test_merged_bins_have_enough_background(self, run, dataset):
        background = neoskit.background_statistics(run, dataset)["signal_region"]
        assert np.all(background.error < 0.2)
        assert np.all(background.raw >= 10)

    def test_templates_use_all_events(self, run, dataset):
        templates = run.hard_templates(dataset)
        for channel, processes in dataset.channels.items():
            for name, process in processes.items():
                yields = templates[channel][name].nominal.yields
                assert yields.sum() == pytest.approx(
                    float(process.nominal.weights.sum()), rel=1e-9
                )

    def test_pyhf_reads_the_workspace_and_agrees(self, run, dataset, tmp_path):
        pyhf = pytest.importorskip("pyhf")
        file = neoskit.export_workspace(tmp_path / "workspace.json", run, dataset)
        workspace = pyhf.Workspace(json.loads(file.read_text()))
        model = workspace.model()
        data = workspace.data(model)
        # Blind: what is observed is the background expectation, no whole numbers.
        assert not np.allclose(data[:3], np.round(data[:3]))
        pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-6))
        _, expected = pyhf.infer.hypotest(
            1.0, data, model, test_stat="qtilde", return_expected_set=True
        )
        ours = neoskit.evaluate(run, dataset).cls
        np.testing.assert_allclose(ours, np.ravel(expected), rtol=1e-5)

    def test_unblinded_fit(self, run, dataset, example, folder):
        observed = example.observed(folder)
        opened = neoskit.Dataset(dataset.channels, dataset.counted, observed)
        counts = run.observed(opened)
        assert {name: int(n.sum()) for name, n in counts.items()} == {
            name: len(events) for name, events in observed.items()
        }
        result = neoskit.unblind(run.hard_model(dataset), counts)
        strength, error = result.strength
        assert -5 < strength < 5
        assert 0.1 < error < 2
        known = {"tau_energy_scale", "z_norm", "qcd_norm", "lumi"}
        assert set(result.pulls.names) >= known
        # The control channel determines the W yield to a few percent.
        assert float(result.errors["w_norm"]) < 0.1
        assert result.limit.observed > strength
