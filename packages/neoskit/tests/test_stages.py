"""Stages, the recipe, what is kept, pseudo-events, objectives that add up."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neoskit
from neoskit import (
    AdversarialCrossEntropy,
    BinaryCrossEntropy,
    KeepAverage,
    KeepBest,
    Logarithm,
    Stage,
    binary_cross_entropy,
    expected_cls,
    recipe,
    train,
    value_and_gradient,
    value_and_gradient_chunked,
)
from neoskit._gradient import TrainingModel, of_batch, pseudo_events
from neoskit._train.stage import stages_of

ADAM = optax.adam(1e-2)


def leaves(tree):
    return jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))


def same(a, b):
    return all(map(np.array_equal, leaves(a), leaves(b)))


def test_an_objective_of_the_model_is_trained_by_the_recipe(pipeline):
    first, second = stages_of(expected_cls, pipeline)
    assert (first.name, second.name) == ("binary_cross_entropy", "expected_cls")
    assert (first.steps, second.steps, second.pseudo_events) == (300, 100, 1.0)
    mixed = stages_of(expected_cls + 20 * binary_cross_entropy, pipeline)
    assert mixed[1].name == "expected_cls + 20 * binary_cross_entropy"


def test_bins_of_a_classifier_are_warmed_up_with_it(pipeline, blobs):
    start = neoskit.NeuralObservable(2, (4,), key=jax.random.key(1))
    trained, fixed = (
        neoskit.Pipeline(
            neoskit.SoftmaxObservable(
                2, 4, (4,), key=jax.random.key(2), start=start, train_start=trains
            ),
            neoskit.Categories(bandwidth=0.3),
            pipeline.measurement,
        )
        for trains in (True, False)
    )
    assert len(stages_of(expected_cls, trained)) == 2
    assert len(stages_of(expected_cls, fixed)) == 1
    stage = Stage(binary_cross_entropy, 2, ADAM)
    after = train(trained, blobs, stage, progress=False).pipeline.observable
    assert not same(after.start, trained.observable.start)
    # The cross entropy knows nothing of the bins that are added.
    assert same(after.network, trained.observable.network)


def test_all_others_are_one_stage(pipeline):
    (only,) = stages_of(binary_cross_entropy, pipeline)
    assert only.steps == 100
    cuts = neoskit.Pipeline(
        neoskit.SoftSelection([0.0, 0.0]), neoskit.Counting(), pipeline.measurement
    )
    (only,) = stages_of(expected_cls, cuts)
    assert only.name == "expected_cls"


@pytest.mark.parametrize("nonsense", [3, [], [binary_cross_entropy], "expected_cls"])
def test_what_is_no_stage_is_refused(pipeline, blobs, nonsense):
    with pytest.raises(TypeError, match="a list of stages"):
        train(pipeline, blobs, nonsense)


def test_stages_follow_each_other(pipeline, blobs, rough_variance):
    stages = recipe(
        rough_variance, steps=3, warm_start=4, learning_rate=1e-2, variations=True
    )
    seen = []
    training = train(
        pipeline,
        blobs,
        stages,
        callback=lambda s, _: seen.append((int(s.stage), int(s.step))),
        every=2,
        progress=False,
    )
    assert seen == [(0, 0), (0, 2), (0, 4), (1, 6), (1, 7)]
    alone = train(pipeline, blobs, stages[0], progress=False)
    then = train(alone.pipeline, blobs, stages[1], progress=False)
    assert same(training.pipeline, then.pipeline)
    losses = np.concatenate([alone.losses, then.losses])
    assert np.array_equal(training.losses, losses)
    assert "step 7" in repr(training)


def test_a_failure_names_its_stage(pipeline, blobs):
    def negative(model):
        return -model.expected_data(model.init).main["SR"].sum()

    stages = [Stage(binary_cross_entropy, 2, ADAM), Stage(negative, 2, ADAM)]
    where = "step 0 of stage 2, negative: the logarithm"
    with pytest.raises(neoskit.TrainingFailed, match=where) as failure:
        train(pipeline, blobs, stages, progress=False)
    assert len(failure.value.training.losses) == 2
    alone = train(pipeline, blobs, stages[0], progress=False)
    assert same(failure.value.training.pipeline, alone.pipeline)


def test_the_best_is_chosen_by_the_validation_events(pipeline, blobs):
    part, validation = neoskit.split(blobs, (0.5, 0.5))
    wild = Stage(binary_cross_entropy, 30, optax.adam(0.5))
    values = {}

    def follow(state, numbers):
        loss = neoskit.loss(state.pipeline, validation, binary_cross_entropy)
        values[int(state.step)] = float(loss)

    options = {"callback": follow, "progress": False}
    training = train(pipeline, part, wild, keep=KeepBest(validation), **options)
    found = float(neoskit.loss(training.pipeline, validation, binary_cross_entropy))
    del values[0]  # the untrained pipeline is not a result
    assert found == pytest.approx(min(values.values()), rel=1e-12)
    patient = KeepBest(validation, patience=3)
    short = train(pipeline, part, wild, keep=patient, **options)
    best = min(range(1, len(short.losses) + 1), key=values.__getitem__)
    assert len(short.losses) == best + 3 < 30


def test_the_average_is_over_the_steps(pipeline, blobs):
    seen = []
    stage = Stage(binary_cross_entropy, 3, ADAM)
    training = train(
        pipeline,
        blobs,
        stage,
        keep=KeepAverage(0.9),
        callback=lambda state, _: seen.append(leaves(state.pipeline.observable)),
        progress=False,
    )
    weights = np.array([0.9**2, 0.9, 1.0])
    for i, averaged in enumerate(leaves(training.pipeline.observable)):
        steps = np.stack([parameters[i] for parameters in seen[1:]])
        expected = np.tensordot(weights / weights.sum(), steps, 1)
        np.testing.assert_allclose(averaged, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("wrong", [1.0, -0.1])
def test_a_decay_is_between_0_and_1(wrong):
    with pytest.raises(ValueError, match=r"decay=...\)` must be in \[0, 1\)"):
        KeepAverage(wrong)


def test_pseudo_events_are_of_the_mean_weight(control):
    added = pseudo_events(control, ("signal",), 2.0)
    assert list(added) == ["SR"]
    assert sorted(added["SR"]) == ["QCD", "W"]
    weights = control.channels["SR"]["QCD"].nominal.weights
    assert weights.min() < 0
    expected = 2.0 * (weights**2).sum() / abs(weights).sum()
    assert added["SR"]["QCD"] == pytest.approx(expected)


def test_pseudo_events_are_in_every_bin_of_background(pipeline, control):
    added = pseudo_events(control, ("signal",), 1.0)
    templates = pipeline.hard_templates(control)
    measurement = neoskit.Measurement(("signal",), mc_statistics=True)
    plain = measurement.model(templates)
    more = TrainingModel(measurement, added)(templates)
    at = lambda m, **p: m.expected_data({**m.init, **p}).main  # noqa: E731
    weight = added["SR"]["QCD"] + added["SR"]["W"]
    for energy in (-1.0, 0.0, 1.0):
        a, b = at(plain, energy=energy), at(more, energy=energy)
        # The floor of 0 comes after: negative bins are lifted by less.
        assert np.all(b["SR"] - a["SR"] <= weight + 1e-9)
        assert np.any(np.isclose(b["SR"] - a["SR"], weight))
        assert b["CR"] == pytest.approx(np.asarray(a["CR"]))
    signal = [at(m, mu=2.0)["SR"] - at(m, mu=1.0)["SR"] for m in (plain, more)]
    assert signal[0] == pytest.approx(np.asarray(signal[1]))
    filled = neoskit._gradient.training_model.with_pseudo_events(templates, added)
    before, after = (t["SR"]["W"].nominal.variance for t in (templates, filled))
    assert after - before == pytest.approx(np.full(4, added["SR"]["W"] ** 2))


def test_pseudo_events_are_no_part_of_what_is_judged(pipeline, blobs, rough_variance):
    stage = Stage(rough_variance, 1, ADAM, pseudo_events=50.0)
    training = train(pipeline, blobs, stage, held_out=blobs, progress=False)
    hard = rough_variance(pipeline.hard_model(blobs))
    assert training.monitored["objective"][0] == pytest.approx(float(hard))
    soft = float(neoskit.loss(pipeline, blobs, rough_variance))
    assert training.losses[0] > 1.2 * soft


def test_fixed_nuisances_leave_the_poi(pipeline, blobs):
    templates = pipeline.hard_templates(blobs)
    model = TrainingModel(pipeline.measurement, {}, nuisances_fixed=True)(templates)
    variance = neoskit.poi_variance(model)
    signal, background = (
        templates["SR"][name].nominal.yields for name in ("signal", "background")
    )
    total = signal + background
    information = (signal**2 / np.where(total > 0, total, 1.0)).sum()
    assert float(variance) == pytest.approx(1 / float(information))


def test_objectives_add_up():
    twice = 2 * expected_cls
    total = twice + binary_cross_entropy + neoskit.poi_variance * 0.5
    assert repr(total) == (
        "2 * expected_cls + binary_cross_entropy + 0.5 * poi_variance"
    )
    assert repr(3 * total).startswith("6 * expected_cls + 3 * binary")

    def mine(model):
        return jnp.asarray(1.0)

    assert repr(mine + 1 * expected_cls) == "mine + expected_cls"
    assert repr(Logarithm(expected_cls) + 1 * expected_cls) == (
        "log(expected_cls) + expected_cls"
    )
    with pytest.raises(TypeError, match="Numbers multiply one"):
        expected_cls + 3
    with pytest.raises(TypeError):
        expected_cls * "2"


@pytest.fixture
def mixed(rough_variance):
    adversary = AdversarialCrossEntropy(
        ["energy"], strength=0.7, hidden=(3,), key=jax.random.key(4)
    )
    bce = BinaryCrossEntropy(variations=True)
    return neoskit.WeightedSum(((2.0, rough_variance), (0.5, bce), (0.3, adversary)))


def test_a_sum_is_the_sum_of_its_terms(pipeline, control, mixed):
    parts = [
        weight * float(neoskit.loss(pipeline, control, term))
        for weight, term in mixed.terms
    ]
    whole = neoskit.loss(pipeline, control, mixed)
    assert float(whole) == pytest.approx(sum(parts))


def test_chunks_give_the_gradient_of_a_sum(pipeline, control, mixed):
    whole = eqx.filter_jit(value_and_gradient)(pipeline, control, mixed)
    chunked = eqx.filter_jit(value_and_gradient_chunked)(
        pipeline, control, mixed, chunk=70
    )
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(chunked), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-13)


def test_the_gradient_of_a_sum_with_logarithm(pipeline, control, rough_variance):
    objective = 2 * neoskit.ModelObjective(rough_variance) + binary_cross_entropy
    (_, (gradient, _)) = eqx.filter_jit(of_batch)(
        pipeline, control, objective, None, True
    )
    direction = jax.tree.map(
        lambda g: np.random.default_rng(0).normal(size=g.shape), gradient
    )

    def moved(step):
        shifted = jax.tree.map(
            lambda x, d: x if d is None else x + step * d,
            pipeline,
            direction,
            is_leaf=lambda x: x is None,
        )
        return jnp.log(eqx.filter_jit(neoskit.loss)(shifted, control, objective))

    h = 1e-5
    numeric = float(moved(h) - moved(-h)) / (2 * h)
    exact = sum(
        float((g * d).sum())
        for g, d in zip(
            jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True
        )
    )
    # The error of a central difference is h² times a third derivative of order 10.
    assert exact == pytest.approx(numeric, rel=1e-6)


def told_by_the_score(pipeline, process):
    """Nats that a tenth of the scores tells of the variation."""
    scores = [
        np.asarray(pipeline.observable.logits(events.features))
        for _, events in process.samples()
    ]
    tenths = np.quantile(np.concatenate(scores), np.linspace(0, 1, 11)[1:-1])
    shares = np.stack(
        [np.bincount(np.searchsorted(tenths, x), minlength=10) / len(x) for x in scores]
    )
    ratio = np.where(shares > 0, shares / shares.mean(axis=0), 1.0)
    return (shares * np.log(ratio)).sum() / len(scores)


def test_an_adversary_makes_the_classifier_forget(pipeline):
    dataset = neoskit.gaussian_blobs(600, seed=5)
    background = dataset.channels["SR"]["background"]
    start = Stage(binary_cross_entropy, 300, ADAM)
    classifier = train(pipeline, dataset, start, progress=False).pipeline
    plain, adversarial = (
        train(
            classifier,
            dataset,
            Stage(
                AdversarialCrossEntropy(
                    ["shape"], strength=strength, key=jax.random.key(1)
                ),
                300,
                optax.adam(3e-3),
            ),
            progress=False,
        )
        for strength in (0.0, 3.0)
    )
    alone = Stage(binary_cross_entropy, 300, optax.adam(3e-3))
    alone = train(classifier, dataset, alone, progress=False)
    # Without strength the classifier is that of the cross entropy alone.
    np.testing.assert_allclose(plain.losses, alone.losses, rtol=1e-6)
    told = [told_by_the_score(t.pipeline, background) for t in (plain, adversarial)]
    assert told[1] < 0.6 * told[0]
    with pytest.raises(ValueError, match="must not be negative"):
        AdversarialCrossEntropy(["shape"], strength=-1.0, key=jax.random.key(1))


def test_the_recipe_by_chunks_is_the_recipe_at_once(pipeline, blobs, rough_variance):
    whole, chunked = (
        train(
            pipeline,
            blobs,
            recipe(rough_variance, steps=3, warm_start=3, chunk_size=size),
            progress=False,
        )
        for size in (None, 130)
    )
    np.testing.assert_allclose(whole.losses, chunked.losses, rtol=1e-9)


def test_straight_through_bins_show_hard_counts(pipeline, blobs):
    straight = neoskit.Pipeline(
        pipeline.observable,
        neoskit.Binning(pipeline.edges, bandwidth=0.1, straight_through=True),
        pipeline.measurement,
    )
    shown, hard = straight.templates(blobs), straight.hard_templates(blobs)
    jax.tree.map(np.testing.assert_array_equal, shown, hard)

    def yields(p):
        return p.templates(blobs)["SR"]["signal"].nominal.yields @ jnp.arange(4.0)

    slopes = [
        jax.grad(
            lambda layers, p=p: yields(
                eqx.tree_at(lambda q: q.observable.network.layers, p, layers)
            )
        )(p.observable.network.layers)
        for p in (pipeline, straight)
    ]
    jax.tree.map(np.testing.assert_allclose, *slopes)
