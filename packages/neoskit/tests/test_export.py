"""What others read: histograms, tables, and the observable without neoskit."""

import importlib.metadata
import json
import subprocess
import sys
import warnings
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import fitkit
import neoskit
from neoskit._export.observable import portable

NAMES = ("a", "b")
EVENTS = np.random.default_rng(3).normal(0.3, 0.6, (200, 2)).astype(np.float32)
# An interpreter in which these cannot be imported: None in the place of a module.
WITHOUT = """
import runpy, sys
sys.modules.update(dict.fromkeys(("neoskit", "fitkit", "relaxed", "equinox")))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def network(seed, **options):
    return neoskit.NeuralObservable(2, (6, 5), key=jax.random.key(seed), **options)


def quantiles(observable):
    """Edges that some events are below, and some above."""
    return np.quantile(np.asarray(observable(EVENTS, None).value), [0.1, 0.3, 0.6, 0.9])


def binned(observable, edges=None, **options):
    edges = quantiles(observable) if edges is None else edges
    binning = neoskit.Binning(edges, **options)
    return neoskit.Pipeline(observable, binning, neoskit.Measurement(("signal",)))


def counted(observable, binning):
    return neoskit.Pipeline(observable, binning, neoskit.Measurement(("signal",)))


PIPELINES = {
    "relu, standardised": binned(network(0, standardise=([1.0, -1.0], [2.0, 0.5]))),
    "tanh": binned(network(1, activation=jax.numpy.tanh)),
    "silu": binned(network(2, activation=jax.nn.silu)),
    "sigmoid, learned edges": binned(
        network(3, activation=jax.nn.sigmoid),
        neoskit.LearnedEdges(quantiles(network(3, activation=jax.nn.sigmoid))),
    ),
    "float64": binned(network(4, dtype=jax.numpy.float64)),
    "residual": binned(neoskit.Residual(neoskit.FeatureScore(0, "logit"), network(5))),
    "ensemble": binned(neoskit.Ensemble([network(6), network(7)])),
    "softmax": counted(
        neoskit.SoftmaxObservable(
            2, 3, (6,), key=jax.random.key(8), start=network(8), train_start=True
        ),
        neoskit.Categories(),
    ),
    "selection": counted(neoskit.SoftSelection([0.1, 0.2]), neoskit.Counting()),
    "selection, binned": binned(
        neoskit.SoftSelection([0.1, -0.5], binned=1), [-0.2, 0.5, 0.8], flow="clip"
    ),
    "folds": neoskit.CrossFit(
        tuple(binned(network(seed), quantiles(network(9))) for seed in (9, 10, 11))
    ),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Events as a table, with the fold of each as the last column."""
    folds = (np.arange(200) % 3).astype(np.int32)
    path = tmp_path_factory.mktemp("events") / "events.csv"
    rows = np.column_stack([EVENTS.astype(float), folds])
    np.savetxt(path, rows, "%.9g", ",", header="a,b,fold", comments="")
    return path, EVENTS, folds


def scored_by(script, table):
    path = table[0]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, script, path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    header, *lines = done.stdout.split()
    columns = np.array([line.split(",") for line in lines], float).T
    return dict(zip(header.split(","), columns, strict=True))


def of_pipeline(pipeline, events, folds):
    """Value and bin of each event by the pipeline itself: one event, one template."""
    parts = pipeline.folds if isinstance(pipeline, neoskit.CrossFit) else [pipeline]
    every = []
    for part in parts:
        scored = part.observable(events, None)
        one = [
            np.asarray(
                part.binning.fill_hard(
                    jax.tree.map(lambda x, i=i: x[i : i + 1], scored), np.ones(1)
                ).yields
            )
            for i in range(len(events))
        ]
        bins = np.where(np.sum(one, 1) > 0, np.argmax(one, 1), -1)
        value = bins if scored.value is None else np.asarray(scored.value)
        every.append((value, bins))
    fold = folds if len(parts) > 1 else 0 * folds
    return tuple(np.choose(fold, [one[i] for one in every]) for i in (0, 1))


def check(outputs, expected, edges):
    value, bins = expected
    # Another compiler rounds float32 elsewhere, and an event that is so close to an
    # edge may be on its other side.
    if "score" in outputs:
        assert outputs["score"] == pytest.approx(value, abs=2e-6)
        clear = np.abs(value[:, None] - np.asarray(edges)).min(axis=1) > 2e-6
        assert clear.sum() > 190
    else:
        clear = np.ones(len(bins), bool)
    assert np.array_equal(outputs["bin"][clear], bins[clear])
    assert len(set(bins)) > 1, "the test tells no bins apart"


@pytest.mark.parametrize("name", PIPELINES)
def test_every_observable_is_a_portable_file(name, table, tmp_path):
    pipeline = PIPELINES[name]
    _, events, folds = table
    file = neoskit.export_stablehlo(tmp_path, pipeline, NAMES)
    again = jax.export.deserialize(bytearray(file.read_bytes()))
    folded = (folds,) if name == "folds" else ()
    outputs = {k: np.asarray(v) for k, v in again.call(events, *folded).items()}
    expected = of_pipeline(pipeline, events, folds)
    check(outputs, expected, pipeline.edges if pipeline.binned else None)
    description = json.loads((tmp_path / "observable.json").read_text())
    assert description["features"] == ["a", "b"]
    assert set(description["outputs"]) == set(outputs)
    assert "cuda" in again.platforms


def test_the_example_scores_events_without_neoskit(table, tmp_path):
    _, events, folds = table
    for name in ("relu, standardised", "folds"):
        pipeline = PIPELINES[name]
        neoskit.export_stablehlo(tmp_path / name, pipeline, NAMES)
        outputs = scored_by(tmp_path / name / "score.py", table)
        check(outputs, of_pipeline(pipeline, events, folds), pipeline.edges)


@pytest.fixture(scope="module")
def jax2onnx():
    """It, where it knows the jax that is there: it uses jax's insides."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("jax2onnx")
        try:
            module.to_onnx(jax.nn.relu, [jax.ShapeDtypeStruct((2,), np.float32)])
        except (AttributeError, ImportError) as error:
            version = importlib.metadata.version("jax2onnx")
            pytest.skip(f"jax2onnx {version} with jax {jax.__version__}: {error}")
    return module


# jax2onnx imports much that warns of its own future.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("jax2onnx")
@pytest.mark.parametrize("name", PIPELINES)
def test_every_observable_is_onnx(name, table, tmp_path):
    import onnxruntime

    pipeline = PIPELINES[name]
    _, events, folds = table
    file = neoskit.export_onnx(tmp_path, pipeline, NAMES)
    session = onnxruntime.InferenceSession(file)
    given = {"features": events} | ({"fold": folds} if name == "folds" else {})
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(None, given), strict=True))
    expected = of_pipeline(pipeline, events, folds)
    check(outputs, expected, pipeline.edges if pipeline.binned else None)
    assert set(names) == set(portable(pipeline)(*given.values()))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("jax2onnx")
def test_the_onnx_example_scores_events_without_neoskit(table, tmp_path):
    _, events, folds = table
    neoskit.export_stablehlo(tmp_path, PIPELINES["folds"], NAMES)
    neoskit.export_onnx(tmp_path, PIPELINES["folds"], NAMES)
    outputs = scored_by(tmp_path / "score_onnx.py", table)
    pipeline = PIPELINES["folds"]
    check(outputs, of_pipeline(pipeline, events, folds), pipeline.edges)
    description = json.loads((tmp_path / "observable.json").read_text())
    assert description["folds"] == 3
    assert set(description["sha256"]) == {"observable.onnx", "observable.stablehlo"}


def test_an_edge_belongs_to_the_bins_that_it_has_in_a_measurement(tmp_path):
    """0.3 is no float32: the events at the numbers beside it are told apart."""
    edges = [0.1, 0.3, 0.9]
    pipeline = binned(neoskit.SoftSelection([-9.0, -9.0], binned=0), edges)
    near = np.float32(edges)
    beside = [np.nextafter(near, np.float32(x)) for x in (0, 1)]
    events = np.stack([np.concatenate([near, *beside])] * 2, axis=1)
    file = neoskit.export_stablehlo(tmp_path, pipeline, NAMES)
    again = jax.export.deserialize(bytearray(file.read_bytes()))
    expected = of_pipeline(pipeline, events, np.zeros(len(events), int))[1]
    assert set(expected) == {-1, 0, 1}
    assert np.array_equal(np.asarray(again.call(events)["bin"]), expected)


def test_onnx_says_that_it_does_not_know_this_jax(monkeypatch, tmp_path):
    def to_onnx(*_, **__):
        raise AttributeError("module 'jax._src.core' has no attribute 'ClosedJaxpr'")

    monkeypatch.setitem(sys.modules, "jax2onnx", SimpleNamespace(to_onnx=to_onnx))
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.17.1")
    message = rf"jax2onnx 0\.17\.1 does not work with jax {jax.__version__}: .*Closed"
    with pytest.raises(RuntimeError, match=message):
        neoskit.export_onnx(tmp_path, PIPELINES["tanh"], NAMES)


def test_onnx_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    with pytest.raises(RuntimeError, match=r"pip install 'neoskit\[onnx\]'"):
        neoskit.export_onnx(tmp_path, PIPELINES["tanh"], NAMES)


@pytest.fixture
def rich(pipeline):
    measurement = neoskit.Measurement(
        ("signal",),
        {"QCD": (fitkit.NormSys("qcd", 0.8, 1.25),), "W": (fitkit.NormFactor("w"),)},
        floor=1e-3,
    )
    return neoskit.Pipeline(
        pipeline.observable, pipeline.binning, measurement
    ).with_edges([0.0, 0.5, 1.0])


def test_templates_are_root_and_uhi_histograms(rich, control, tmp_path):
    uproot, hist = pytest.importorskip("uproot"), pytest.importorskip("hist")
    import uhi.io.json
    import uhi.schema

    root = neoskit.export_root(tmp_path / "templates.root", rich, control)
    file = neoskit.export_uhi(tmp_path / "templates.json", rich, control)
    uhi.schema.validate(json.loads(file.read_text()))
    read = json.loads(file.read_text(), object_hook=uhi.io.json.object_hook)
    templates = rich.hard_templates(control)
    w = templates["SR"]["W"]
    known = {
        "SR/W": w.nominal,
        "SR/W_energyUp": w.variations["energy"][0],
        "SR/W_energyDown": w.variations["energy"][1],
        "SR/QCD": templates["SR"]["QCD"].nominal,
        "CR/W": templates["CR"]["W"].nominal,
    }
    assert set(read) == {*known, "SR/signal", "CR/W_energyUp", "CR/W_energyDown"}
    with uproot.open(root) as opened:
        for name, template in known.items():
            for one in (opened[name].to_hist(), hist.Hist(read[name])):
                # Written as they are: 64 bits to 64 bits.
                assert np.array_equal(one.values(), template.yields)
                assert np.array_equal(one.variances(), template.variance)
    assert hist.Hist(read["SR/W"]).axes[0].edges.tolist() == [0.0, 0.5, 1.0]
    assert hist.Hist(read["CR/W"]).axes[0].edges.tolist() == [0.0, 1.0]


def test_hepdata_tables_are_those_of_the_hard_model(rich, control, tmp_path):
    yaml = pytest.importorskip("yaml")
    folder = neoskit.export_hepdata(tmp_path / "tables", rich, control)

    def table(name):
        return yaml.safe_load((folder / f"{name}.yaml").read_text())

    def values(column):
        return [float(value["value"]) for value in column["values"]]

    model = rich.hard_model(control)
    columns = {
        c["header"]["name"]: c for c in table("yields_in_sr")["dependent_variables"]
    }
    expected = model.expected_data(model.init).main["SR"]
    # Six digits are written, of strengths too.
    assert values(columns["Total"]) == pytest.approx(expected, rel=1e-4)
    scan = table("cls")
    strengths = values(scan["independent_variables"][0])
    background = fitkit.asimov_data(model, 0.0)
    for i in (0, 9, 19):
        test = fitkit.hypotest(model, background, strengths[i])
        band = values(scan["dependent_variables"][1])
        assert band[i] == pytest.approx(float(test.cls_expected[2]), rel=1e-4)
    # The tenth of twenty strengths is the limit: that is where CLs is 5 %.
    assert values(scan["dependent_variables"][1])[9] == pytest.approx(0.05, rel=1e-4)
    ranked = fitkit.ranking(model, fitkit.asimov_data(model, 1.0))
    assert ranked.names[0] in (folder / "impacts.yaml").read_text()
    assert "not looked at" in (folder / "submission.yaml").read_text()
