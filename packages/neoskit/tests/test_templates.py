"""Templates are sums over events, hard or smooth, with their statistical error."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neoskit
from neoskit import (
    Binning,
    Counting,
    CrossFit,
    Dataset,
    Events,
    LearnedEdges,
    NeuralObservable,
    Pipeline,
    Process,
    SoftSelection,
)

# Compiled: one by one the operations would each be compiled for their shapes.
hard = eqx.filter_jit(lambda pipeline, dataset: pipeline.hard_templates(dataset))
soft = eqx.filter_jit(lambda pipeline, dataset: pipeline.templates(dataset))
value = eqx.filter_jit(lambda pipeline, x: pipeline.observable(x, None).value)
raw_counts = eqx.filter_jit(lambda pipeline, dataset: pipeline.raw_counts(dataset))


def test_hard_templates_are_numpys_histograms(pipeline, control):
    templates = hard(pipeline, control)
    edges = np.asarray(pipeline.edges)
    for name, process in control.channels["SR"].items():
        for (_, events), template in zip(
            process.samples(),
            [templates["SR"][name].nominal]
            + [t for pair in templates["SR"][name].variations.values() for t in pair],
            strict=True,
        ):
            values = value(pipeline, events.features)
            expected = np.histogram(values, edges, weights=events.weights)[0]
            squares = np.histogram(values, edges, weights=events.weights**2)[0]
            assert template.yields == pytest.approx(expected)
            assert template.variance == pytest.approx(squares)


def test_smooth_templates_tend_to_the_hard_ones(pipeline, control):
    narrow = pipeline.with_bandwidth(jnp.asarray(1e-7))
    for smooth, exact in zip(
        jax.tree.leaves(soft(narrow, control)),
        jax.tree.leaves(hard(pipeline, control)),
        strict=True,
    ):
        np.testing.assert_allclose(smooth, exact, atol=1e-6)


def test_a_counted_channel_is_its_sum_of_weights(pipeline, control):
    template = soft(pipeline, control)["CR"]["W"]
    assert template.nominal.yields == pytest.approx([200.0])
    assert template.nominal.variance == pytest.approx([100 * 2.0**2])
    up, down = template.variations["energy"]
    assert (up.yields, down.yields) == (pytest.approx([210.0]), pytest.approx([190.0]))


def test_scoring_in_pieces_changes_nothing(pipeline, blobs, monkeypatch):
    whole = hard(pipeline, blobs)
    monkeypatch.setattr("neoskit._templates.scoring._EVENTS_AT_ONCE", 97)
    pieces = eqx.filter_jit(Pipeline.hard_templates)(pipeline, blobs)
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(pieces), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_raw_counts_are_events_of_positive_weight(pipeline, control):
    raw = raw_counts(pipeline, control)["SR"]
    assert raw["W"].sum() == 300
    assert raw["QCD"].sum() == 200  # 50 of 250 have a negative weight


def test_the_histogram_is_float64_though_the_network_is_float32(blobs):
    pipeline = Pipeline(
        NeuralObservable(2, (4,), key=jax.random.key(0)),
        Binning([0.0, 0.5, 1.0], bandwidth=0.1),
        neoskit.Measurement(("signal",), mc_statistics=False),
    )
    yields = soft(pipeline, blobs)["SR"]["signal"].nominal.yields
    assert yields.dtype == jnp.float64


@pytest.mark.parametrize("is_hard", [False, True])
def test_a_selection_is_counted(is_hard):
    events = Events([[40.0], [46.0], [50.0]], [1.0, 2.0, 3.0])
    pipeline = Pipeline(
        SoftSelection([45.0]),
        Counting(bandwidth=1e-3),
        neoskit.Measurement(("signal",), mc_statistics=False),
    )
    dataset = Dataset({"SR": {"signal": Process(events)}})
    fill = pipeline.hard_templates if is_hard else pipeline.templates
    template = fill(dataset)["SR"]["signal"].nominal
    assert template.yields == pytest.approx([5.0])
    assert template.variance == pytest.approx([13.0])
    with pytest.raises(TypeError, match="no bin edges"):
        _ = pipeline.edges


def test_a_selection_can_be_binned_in_a_feature():
    events = Events([[40.0, 0.1], [46.0, 0.2], [50.0, 0.8]])
    selection = SoftSelection([45.0, 0.0], binned=1)
    pipeline = Pipeline(
        selection,
        Binning([0, 0.5, 1.0]),
        neoskit.Measurement(("signal",), mc_statistics=False),
    )
    dataset = Dataset({"SR": {"signal": Process(events)}})
    template = hard(pipeline, dataset)["SR"]["signal"].nominal
    assert template.yields == pytest.approx([1.0, 1.0])


def test_a_selection_without_a_value_cannot_be_binned():
    pipeline = Pipeline(
        SoftSelection([45.0]),
        Binning([0, 1]),
        neoskit.Measurement(("signal",), mc_statistics=False),
    )
    dataset = Dataset({"SR": {"signal": Process(Events([[1.0]]))}})
    with pytest.raises(ValueError, match="Use `Counting`"):
        pipeline.templates(dataset)


def test_edges_that_do_not_increase_are_refused():
    with pytest.raises(ValueError, match=r"edges\[2\]=0.3 after edges\[1\]=0.5"):
        Binning([0.0, 0.5, 0.3, 1.0])
    with pytest.raises(ValueError, match="at least two"):
        Binning([0.0])


@pytest.mark.parametrize("bandwidth", [0.0, -0.1, np.nan])
def test_a_bandwidth_is_positive(bandwidth):
    with pytest.raises(
        ValueError, match=r"`Binning\(bandwidth=...\)` must be positive"
    ):
        Binning([0.0, 1.0], bandwidth=bandwidth)
    with pytest.raises(ValueError, match=r"`Counting\(bandwidth=...\)` must be positi"):
        Counting(bandwidth=bandwidth)


def test_learned_edges_start_where_they_are_told_and_stay_in_order():
    edges = LearnedEdges([0.0, 0.1, 0.6, 1.0], min_width=0.05)
    assert edges.values == pytest.approx([0.0, 0.1, 0.6, 1.0])
    far = eqx.tree_at(lambda e: e.raw, edges, jnp.array([50.0, -50.0, 0.0]))
    assert jnp.diff(far.values) == pytest.approx([0.9, 0.05, 0.05], abs=1e-9)


def test_learned_edges_need_room():
    with pytest.raises(ValueError, match="smaller `min_width`"):
        LearnedEdges([0.0, 0.1, 1.0], min_width=0.2)


def test_with_edges_fixes_the_edges(pipeline):
    assert pipeline.with_edges([0.0, 0.5, 1.0]).edges.tolist() == [0.0, 0.5, 1.0]


def test_cross_fit_scores_each_event_with_the_other_network(pipeline, control):
    # Of the same shape, so that all three are one compilation.
    other = eqx.tree_at(
        lambda p: p.observable.network.layers,
        pipeline,
        jax.tree.map(lambda x: -0.5 * x, pipeline.observable.network.layers),
    )
    both = CrossFit((pipeline, other))
    events = control.channels["SR"]["W"].nominal
    fold = np.asarray(neoskit.fold_of(events, 2))
    values = np.where(
        fold == 0, value(pipeline, events.features), value(other, events.features)
    )
    expected = np.histogram(values, pipeline.edges, weights=events.weights)[0]
    filled = hard(both, control)
    assert filled["SR"]["W"].nominal.yields == pytest.approx(expected)
    assert filled["CR"]["W"].nominal.yields == pytest.approx([200.0])
    same = hard(CrossFit((pipeline, pipeline)), control)
    for a, b in zip(
        jax.tree.leaves(same),
        jax.tree.leaves(hard(pipeline, control)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_cross_fit_needs_common_edges(pipeline):
    with pytest.raises(ValueError, match="different bin edges"):
        CrossFit((pipeline, pipeline.with_edges([0.0, 0.2, 0.4, 0.6, 1.0])))
    with pytest.raises(ValueError, match="at least two pipelines"):
        CrossFit((pipeline,))
    counted = Pipeline(pipeline.observable, Counting(), pipeline.measurement)
    with pytest.raises(ValueError, match="some folds are binned and some are counted"):
        CrossFit((pipeline, counted))


def test_selections_are_cross_fitted_without_bins():
    events = Events([[40.0], [46.0], [50.0], [60.0]], [1.0, 2.0, 3.0, 4.0])
    dataset = Dataset({"SR": {"signal": Process(events)}})
    folds = [
        Pipeline(
            SoftSelection([at]),
            Counting(),
            neoskit.Measurement(("signal",), mc_statistics=False),
        )
        for at in (45.0, 55.0)
    ]
    both = CrossFit(tuple(folds))
    passes = np.where(np.asarray(neoskit.fold_of(events, 2)) == 0, 45.0, 55.0)
    expected = events.weights[events.features[:, 0] >= passes].sum()
    assert not both.binned
    template = both.hard_templates(dataset)["SR"]["signal"].nominal
    assert template.yields == pytest.approx([expected])
    with pytest.raises(TypeError, match="no bin edges"):
        _ = both.edges


def test_observed_events_are_binned_only_when_asked():
    events = Events([[0.1], [0.9], [0.95]])
    dataset = Dataset({"SR": {"signal": Process(events)}}, observed={"SR": events})
    pipeline = Pipeline(
        SoftSelection([-1.0], binned=0),
        Binning([0, 0.5, 1]),
        neoskit.Measurement(["signal"], mc_statistics=False),
    )
    assert pipeline.observed(dataset)["SR"] == pytest.approx([1.0, 2.0])
