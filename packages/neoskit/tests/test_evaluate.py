"""What may be quoted, and the workspace that others can check it with."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit
import neoskit
from neoskit import Dataset, Events, Process, evaluate, export_workspace
from neoskit._results.sample_errors import soft_templates, values_of


@pytest.fixture
def rich(pipeline):
    measurement = neoskit.Measurement(
        ("signal",),
        {"QCD": (fitkit.NormSys("qcd", 0.8, 1.25),), "W": (fitkit.NormFactor("w"),)},
        mc_statistics=True,
        floor=1e-3,
    )
    return neoskit.Pipeline(
        pipeline.observable, pipeline.binning, measurement
    ).with_edges([0.0, 0.5, 1.0])


def test_the_numbers_are_fitkits_on_hard_bins(rich, control):
    evaluation = evaluate(rich, control)
    model = eqx.filter_jit(neoskit.Pipeline.hard_model)(rich, control)
    background = model.expected_data({**model.init, "mu": 0.0})
    test = fitkit.hypotest(model, background, 1.0)
    assert evaluation.cls == pytest.approx(np.asarray(test.cls_expected))
    assert evaluation.numbers["expected_cls"] == evaluation.cls[2]
    assert np.all(np.diff(evaluation.upper_limit) > 0)
    # The definition of a limit.
    at_limit = fitkit.hypotest(model, background, evaluation.upper_limit[2])
    assert float(at_limit.cls_expected[2]) == pytest.approx(0.05, rel=1e-5)
    assert evaluation.raw_counts["SR"]["W"].sum() == 300
    text = repr(evaluation)
    for number in evaluation.numbers.values():
        assert f"{number:.4g}" in text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pyhf's own
def test_the_workspace_gives_pyhf_the_same_expected_cls(rich, control, tmp_path):
    pyhf = pytest.importorskip("pyhf")
    path = export_workspace(tmp_path / "workspace.json", rich, control)
    workspace = pyhf.Workspace(json.loads(path.read_text()))
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3))
    model = workspace.model()
    _, expected = pyhf.infer.hypotest(
        1.0, workspace.data(model), model, test_stat="qtilde", return_expected=True
    )
    ours = evaluate(rich, control).cls[2]
    # The tolerance of the comparison that the project promises.
    assert ours == pytest.approx(float(expected), rel=1e-5)


def test_unblinding_exports_the_recorded_events(pipeline, blobs, tmp_path):
    observed = Events(np.zeros((7, 2)))
    dataset = Dataset(blobs.channels, observed={"SR": observed})
    blind = export_workspace(tmp_path / "blind.json", pipeline, dataset)
    assert sum(json.loads(blind.read_text())["observations"][0]["data"]) > 50
    path = export_workspace(tmp_path / "open.json", pipeline, dataset, unblind=True)
    assert sum(json.loads(path.read_text())["observations"][0]["data"]) == 7


def test_unblinding_without_data_is_an_error(pipeline, blobs, tmp_path):
    with pytest.raises(ValueError, match="no recorded events for the channels SR"):
        export_workspace(tmp_path / "w.json", pipeline, blobs, unblind=True)


def test_a_bin_without_background_is_named(pipeline):
    high, low = np.full((20, 2), 3.0), np.full((20, 2), -3.0)
    dataset = Dataset(
        {
            "SR": {
                "signal": Process(Events(np.concatenate([high, low]))),
                "background": Process(Events(low)),
            }
        }
    )
    value = pipeline.observable(jnp.stack([jnp.full(2, 3.0), jnp.full(2, -3.0)]), None)
    middle = float(value.value.mean())
    narrow = pipeline.with_edges([0.0, middle, 1.0])
    with pytest.raises(ValueError, match=r"'SR', bin \d: 20 signal.*no background"):
        evaluate(narrow, dataset)


def test_a_model_that_determines_nothing_says_so(pipeline, blobs):
    free = neoskit.Pipeline(
        pipeline.observable,
        neoskit.Binning([0.0, 1.0]),
        neoskit.Measurement(
            ("signal",), {"background": (fitkit.NormFactor("b"),)}, mc_statistics=False
        ),
    )
    evaluation = evaluate(free, blobs)
    assert "does not determine it" in evaluation.missing["poi_uncertainty"]
    assert np.isnan(evaluation.poi_uncertainty)
    # Any background takes the place of the signal.
    assert evaluation.cls[2] == pytest.approx(1.0)
    assert evaluation.significance == pytest.approx(0.0, abs=1e-5)


def test_a_number_that_does_not_exist_costs_none_of_the_others(rich, control):
    # As uncertain as it is strong: no strength can be excluded.
    uncertain = eqx.tree_at(
        lambda pipeline: pipeline.measurement.modifiers,
        rich,
        {**rich.measurement.modifiers, "signal": (fitkit.Lumi("lumi", sigma=0.9),)},
    )
    evaluation = evaluate(uncertain, control)
    assert set(evaluation.missing) == {"upper_limit"}
    assert not np.isfinite(evaluation.upper_limit[2])
    assert np.isfinite(evaluation.cls).all()
    assert np.isfinite([evaluation.poi_uncertainty, evaluation.significance]).all()
    assert "no upper_limit: for " in repr(evaluation)


def test_float64_off_is_an_error(pipeline, blobs):
    with jax.enable_x64(False), pytest.raises(RuntimeError, match="jax_enable_x64"):
        evaluate(pipeline, blobs)


@pytest.fixture
def counted():
    """One bin of events with weights, and a measurement without uncertainties."""
    generator = np.random.default_rng(8)
    samples = {
        name: Process(
            Events(generator.normal(0.0, 1.0, (count, 1)), total * draws / draws.sum())
        )
        for name, count, total in (("signal", 60, 20.0), ("background", 90, 100.0))
        for draws in [generator.exponential(1.0, count)]
    }
    pipeline = neoskit.Pipeline(
        # Passes everything, by far.
        neoskit.SoftSelection([-100.0]),
        neoskit.Counting(bandwidth=0.1),
        neoskit.Measurement(("signal",), mc_statistics=False),
    )
    return pipeline, Dataset({"SR": samples})


def test_an_error_is_that_of_the_sample(counted):
    r"""In one bin $\sigma_\mu = \sqrt{s+b}/s$; errors go through its derivatives."""
    pipeline, dataset = counted
    evaluation = evaluate(pipeline, dataset, replicas=400)
    weights = {
        name: np.asarray(process.nominal.weights)
        for name, process in dataset.channels["SR"].items()
    }
    (s, b), (of_s, of_b) = (
        [sum_(weights[name]) for name in ("signal", "background")]
        for sum_ in (np.sum, lambda w: (w**2).sum())
    )
    assert evaluation.poi_uncertainty == pytest.approx(np.sqrt(s + b) / s, rel=1e-6)
    by_b = 0.5 / (np.sqrt(s + b) * s)
    by_s = by_b - np.sqrt(s + b) / s**2
    linear = np.sqrt(by_s**2 * of_s + by_b**2 * of_b)
    # The error of a standard deviation is 1/√800 = 3.5 %; three times that, and as
    # much for the second order of a signal that is known to 18 %.
    assert evaluation.errors["poi_uncertainty"] == pytest.approx(linear, rel=0.2)
    assert evaluation.errors.keys() == evaluation.numbers.keys()
    assert f"± {evaluation.errors['significance']:.2g} of the sample" in (
        repr(evaluation)
    )
    with pytest.raises(ValueError, match="must be at least 2; got 1"):
        evaluate(pipeline, dataset, replicas=1)


def test_soft_minus_hard(rich, control, rough_variance):
    objectives = {"mine": rough_variance, "bce": neoskit.binary_cross_entropy}
    evaluation = evaluate(rich, control, soft=True, objectives=objectives)
    hard, soft = (rough_variance(m(control)) for m in (rich.hard_model, rich.model))
    assert evaluation.objectives["mine"] == pytest.approx(float(hard))
    assert evaluation.smoothing_bias["mine"] == pytest.approx(float(soft - hard))
    entropy = neoskit.loss(rich, control, neoskit.binary_cross_entropy)
    assert evaluation.objectives["bce"] == pytest.approx(float(entropy))
    # It has no bins.
    assert evaluation.smoothing_bias["bce"] == 0.0
    assert evaluation.errors == {}


def test_an_objective_without_a_value_costs_no_other(rich, control):
    def impossible(model):
        raise ValueError("no such thing")

    evaluation = evaluate(rich, control, objectives={"impossible": impossible})
    assert np.isnan(evaluation.objectives["impossible"])
    assert evaluation.missing == {"impossible": "no such thing"}
    assert np.isfinite([*evaluation.numbers.values()]).all()


def test_a_bin_that_few_events_make_is_named(counted):
    pipeline, dataset = counted
    assert evaluate(pipeline, dataset).thin == ()
    signal = dataset.channels["SR"]["signal"]
    nine = Process(Events(np.zeros((9, 1)), np.full(9, 2.0)))
    evaluation = evaluate(pipeline, Dataset({"SR": {"signal": signal, "b": nine}}))
    (thin,) = evaluation.thin
    assert thin == ("SR", 0, pytest.approx(20.0), 18.0, 9)
    said = "20 signal events on a background of 18, known from 9 simulated events"
    assert said in repr(evaluation)


def test_folds_are_judged_together(pipeline, blobs):
    """Of one pipeline in both folds the whole is the pipeline's own."""
    both = neoskit.CrossFit((pipeline, pipeline))
    jax.tree.map(
        # Sums of a few hundred weights in another order.
        lambda ours, whole: np.testing.assert_allclose(ours, whole, rtol=1e-12),
        soft_templates(both, blobs),
        soft_templates(pipeline, blobs),
    )
    objectives = {"bce": neoskit.binary_cross_entropy}
    values, missing = values_of(objectives, both.hard_model(blobs), both, blobs)
    parts = [
        float(
            neoskit.loss(
                pipeline, neoskit.keep_only(blobs, k, 2), neoskit.binary_cross_entropy
            )
        )
        for k in range(2)
    ]
    assert values["bce"] == pytest.approx(np.mean(parts))
    assert missing == {}
