"""Networks compute in their own precision; selections are hard where asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neoskit import (
    Binning,
    Categories,
    Ensemble,
    FeatureScore,
    Measurement,
    NeuralObservable,
    Pipeline,
    Residual,
    SoftmaxObservable,
    SoftSelection,
    standardisation,
    trained_leaves,
)


def test_nothing_in_a_float32_network_is_float64():
    network = NeuralObservable(2, (8, 8), key=jax.random.key(0))
    jaxpr = jax.make_jaxpr(lambda x: network(x, None).value)(jnp.ones((4, 2)))
    kinds = {v.aval.dtype for eqn in jaxpr.eqns for v in eqn.outvars}
    assert jnp.dtype("float64") not in kinds
    assert jnp.dtype("float32") in kinds


def test_a_network_is_its_layers():
    network = NeuralObservable(
        2,
        (3,),
        key=jax.random.key(1),
        dtype=jnp.float64,
        activation=jnp.tanh,
        standardise=(np.array([1.0, -1.0]), np.array([2.0, 0.5])),
    )
    x = np.array([[0.3, 0.4], [2.0, -3.0]])
    first, last = network.network.layers
    hidden = np.tanh((x - [1, -1]) / [2, 0.5] @ first.weight.T + first.bias)
    logits = (hidden @ last.weight.T + last.bias)[:, 0]
    assert network.logits(x) == pytest.approx(logits)
    assert network(x, None).value == pytest.approx(1 / (1 + np.exp(-logits)))


def test_no_hidden_layer_is_a_linear_observable():
    network = NeuralObservable(3, (), key=jax.random.key(0))
    assert len(network.network.layers) == 1


def test_a_network_says_how_many_features_it_takes():
    network = NeuralObservable(2, (4,), key=jax.random.key(0))
    with pytest.raises(ValueError, match="takes 2 features, the events have 3"):
        network(jnp.ones((1, 3)), None)


@pytest.mark.parametrize("sizes", [(0, (4,)), (2, (0,))])
def test_a_layer_without_a_neuron_is_refused(sizes):
    with pytest.raises(ValueError, match="at least 1; got 0"):
        NeuralObservable(*sizes, key=jax.random.key(0))


def test_standardisation_needs_a_scored_channel(control):
    with pytest.raises(ValueError, match="all channels of this dataset are counted"):
        standardisation(control.only(["CR"]))


def test_standardisation_must_fit_the_features():
    with pytest.raises(ValueError, match="mean must have one entry for each of the 2"):
        NeuralObservable(
            2, (4,), key=jax.random.key(0), standardise=(np.zeros(3), np.ones(3))
        )


def test_standardisation_looks_at_nominal_scored_events(control):
    mean, scale = standardisation(control)
    rows = np.concatenate(
        [np.asarray(p.nominal.features) for p in control.channels["SR"].values()]
    )
    assert mean == pytest.approx(rows.mean(0), abs=1e-6)
    assert scale == pytest.approx(rows.std(0), abs=1e-6)


def test_standardisation_is_not_trained(pipeline):
    marks = trained_leaves(pipeline)
    assert marks.observable.network.layers[0].weight is True
    assert marks.observable.network.mean is False
    assert marks.binning.edges.array is False
    assert marks.binning.bandwidth is False


@pytest.mark.parametrize(("keep", "passes"), [("above", [0, 1]), ("below", [1, 0])])
def test_a_selection_without_bandwidth_is_a_cut(keep, passes):
    selection = SoftSelection([45.0], keep=keep)
    weight = selection(jnp.array([[40.0], [50.0]]), None).weight
    assert weight.tolist() == passes


def test_a_selection_is_the_product_of_its_cuts():
    selection = SoftSelection([0.0, 1.0], keep=("above", "below"))
    weight = selection(jnp.array([[1.0, 0.0], [1.0, 2.0], [-1.0, 0.0]]), None).weight
    assert weight.tolist() == [1, 0, 0]


def test_a_selection_tends_to_the_cut():
    selection = SoftSelection([45.0], scale=10.0)
    features = jnp.array([[44.0], [45.0], [46.0]])
    soft = selection(features, jnp.asarray(1e-3)).weight
    assert soft == pytest.approx([0.0, 0.5, 1.0], abs=1e-12)


def test_a_selection_has_a_gradient_in_its_threshold():
    def passed(threshold):
        selection = SoftSelection(threshold, scale=2.0)
        return selection(
            jnp.array([[44.0], [47.0]], float), jnp.asarray(0.5)
        ).weight.sum()

    at, h = jnp.array([45.0]), 1e-4
    slope = (passed(at + h) - passed(at - h)) / (2 * h)
    assert jax.grad(passed)(at)[0] == pytest.approx(float(slope), rel=1e-6)


def test_a_selection_that_is_misspelt_is_refused():
    with pytest.raises(ValueError, match='"above" or "below"'):
        SoftSelection([1.0], keep="over")
    with pytest.raises(ValueError, match="2 thresholds, the events have 1"):
        SoftSelection([1.0, 2.0])(jnp.ones((1, 1)), None)


FEATURES = np.random.default_rng(0).normal(size=(50, 2))


def test_a_residual_starts_at_its_base_and_trains_the_correction_alone():
    base = NeuralObservable(2, (4,), key=jax.random.key(0))
    residual = Residual(base, NeuralObservable(2, (3,), key=jax.random.key(1)))
    assert jnp.array_equal(residual.logits(FEATURES), base.logits(FEATURES))
    marks = trained_leaves(
        Pipeline(
            residual, Binning([0.0, 1.0]), Measurement(("s",), mc_statistics=False)
        )
    )
    assert marks.observable.base is False
    assert marks.observable.correction.network.layers[0].weight is True
    # It is silent, not dead: the last layer has a gradient.
    slope = jax.grad(lambda r: r.logits(FEATURES).sum(), allow_int=True)(residual)
    assert jnp.any(slope.correction.network.layers[-1].weight != 0)


def test_somebody_elses_score_is_a_classifier():
    features = np.array([[0.25, 3.0], [1.0, -3.0]])
    logits = FeatureScore(0).logits(features)
    assert logits[0] == pytest.approx(np.log(1 / 3))
    assert np.isfinite(logits[1])
    assert FeatureScore(1, "logit").logits(features).tolist() == [3.0, -3.0]
    with pytest.raises(ValueError, match=r"column=2\)`: the events have 2 features"):
        FeatureScore(2).logits(features)
    with pytest.raises(ValueError, match='"probability" or "logit"'):
        FeatureScore(0, "percent")


def test_an_ensemble_is_the_mean_of_its_members_logits():
    members = [NeuralObservable(2, (4,), key=jax.random.key(k)) for k in range(3)]
    mean = np.mean([member.logits(FEATURES) for member in members], axis=0)
    assert Ensemble(members).logits(FEATURES) == pytest.approx(mean, abs=1e-6)
    with pytest.raises(ValueError, match="at least one"):
        Ensemble([])


def test_memberships_add_up_and_harden():
    observable = SoftmaxObservable(2, 4, (8,), key=jax.random.key(2))
    soft = observable(FEATURES, 0.3).membership
    assert soft.sum(axis=1) == pytest.approx(np.ones(50), abs=1e-6)
    hard = observable(FEATURES, None).membership
    assert np.array_equal(hard.argmax(axis=1), soft.argmax(axis=1))
    assert set(np.unique(hard)) == {0.0, 1.0}
    # Float32 outputs, so a difference of two of them may be as small as 1e-5.
    cold = observable(FEATURES, 1e-6).membership
    assert cold == pytest.approx(np.asarray(hard), abs=1e-2)


def test_memberships_begin_at_the_bins_of_a_classifier():
    base = NeuralObservable(2, (4,), key=jax.random.key(0))
    bins = SoftmaxObservable(2, 5, (8,), key=jax.random.key(1), start=base)
    value = np.asarray(base(FEATURES, None).value)
    expected = np.floor(5 * value)
    found = np.asarray(bins(FEATURES, None).membership).argmax(axis=1)
    assert np.array_equal(found, expected)


def test_categories_fill_memberships_and_nothing_else(blobs):
    observable = SoftmaxObservable(2, 3, (8,), key=jax.random.key(1))
    signal = blobs.channels["SR"]["signal"].nominal
    scored = observable(signal.features, 0.5)
    for straight in (False, True):
        binning = Categories(bandwidth=0.5, straight_through=straight)
        filled = binning.fill(scored, signal.weights)
        hard = binning.fill_hard(scored, signal.weights)
        expected = signal.weights @ np.asarray(scored.membership, float)
        shown = hard.yields if straight else expected
        assert filled.yields == pytest.approx(np.asarray(shown))
        assert hard.yields.sum() == pytest.approx(20.0)
    with pytest.raises(ValueError, match="use `Binning`"):
        Categories().fill(FeatureScore(0)(FEATURES, 0.1), np.ones(50))
    with pytest.raises(ValueError, match="positive"):
        Categories(bandwidth=0.0)
