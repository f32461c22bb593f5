"""Events keep their weights, their twins and their names through every subset."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neoskit import Dataset, Events, Process, fold_of, keep_only, leave_out, split
from neoskit._events import SampleKey
from neoskit._events.split import batch, batches, sums_of_weights


def sums(dataset):
    return {key: float(e.weights.sum()) for key, e in dataset.samples()}


def one(events, **variations):
    return Dataset({"SR": {"p": Process(events, variations)}})


def test_features_are_float32_and_weights_float64():
    events = Events(np.ones((2, 3)), [0.1, 0.2])
    assert events.features.dtype == jnp.float32
    assert events.weights.dtype == jnp.float64
    assert events.names == ("x0", "x1", "x2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0],), r"features\[:, None\]"),
        (([[1.0]], [1.0, 2.0]), "weights.*one entry per event"),
        (([[1.0]], None, None, [1, 2]), "index.*one entry per event"),
        (([[1.0]], None, ("a", "b")), "names 2 features"),
    ],
)
def test_shapes_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Events(*arguments)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_non_finite_feature_names_process_feature_and_count(bad):
    features = np.ones((5, 2))
    features[1:4, 1] = bad
    events = Events(features, names=("pt", "mjj"))
    with pytest.raises(ValueError, match=r"feature 'mjj'.*'Z'.*'SR'.*3 of 5"):
        Dataset({"SR": {"Z": Process(events)}})


def test_a_non_finite_feature_of_a_variation_names_the_variation():
    good, bad = Events([[1.0]]), Events([[np.nan]])
    with pytest.raises(ValueError, match="'tes:down'"):
        one(good, tes=(good, bad))


def test_a_non_finite_weight_is_named():
    with pytest.raises(ValueError, match=r"weights of process 'p'.*1 of 2"):
        one(Events([[1.0], [2.0]], [1.0, np.nan]))


def test_features_of_a_counted_channel_may_be_anything():
    events = Events([[np.nan]])
    dataset = Dataset({"CR": {"p": Process(events)}}, counted=("CR",))
    assert dataset.scored == ()


def test_non_finite_observed_events_are_named():
    good, bad = Events([[1.0]]), Events([[np.inf]])
    with pytest.raises(ValueError, match="observed events of channel 'SR'"):
        Dataset({"SR": {"p": Process(good)}}, observed={"SR": bad})


def test_an_empty_process_is_an_error_that_names_it():
    empty = Events(np.zeros((0, 1)))
    with pytest.raises(ValueError, match="rocess 'p' of channel 'SR' has no events"):
        one(empty)


def test_a_channel_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="channel 'CR' that it does not have"):
        Dataset({"SR": {"p": Process(Events([[1.0]]))}}, counted=("CR",))


def test_samples_must_agree_in_their_features():
    a, b = Events([[1.0]], names=("pt",)), Events([[1.0]], names=("eta",))
    with pytest.raises(ValueError, match="same features"):
        Dataset({"SR": {"a": Process(a), "b": Process(b)}})


def test_split_shares_no_event_and_keeps_all_sums(control):
    parts = split(control, (0.5, 0.25), seed=4)
    for part in parts:
        assert sums(part) == pytest.approx(sums(control))
    for key, events in control.scored_samples():
        of = [dict(part.samples())[key] for part in parts]
        assert not set(of[0].index.tolist()) & set(of[1].index.tolist())
        assert sum(map(len, of)) < len(events)


def test_split_fractions_are_exact(blobs):
    train, test = split(blobs, (0.8, 0.2))
    assert {len(events) for _, events in train.samples()} == {320}
    assert {len(events) for _, events in test.samples()} == {80}


def test_split_depends_on_the_seed(blobs):
    index = [
        split(blobs, (0.5,), seed=s)[0].channels["SR"]["signal"].nominal.index
        for s in (0, 0, 1)
    ]
    assert jnp.array_equal(index[0], index[1])
    assert not jnp.array_equal(index[0], index[2])


def test_split_keeps_an_event_with_its_shifted_twins():
    # The shift loses events 0…9 and gains 100…119, as a selection after it does.
    nominal = Events(np.zeros((100, 1)))
    up = Events(np.zeros((110, 1)), index=np.arange(10, 120))
    train, test = split(one(nominal, tes=(up, nominal)), (0.6, 0.4))

    def indices(part):
        process = part.channels["SR"]["p"]
        return {i for _, e in process.samples() for i in e.index.tolist()}

    assert not indices(train) & indices(test)
    assert indices(train) | indices(test) == set(range(120))


def test_split_leaves_counted_channels_complete(control):
    part, _ = split(control, (0.5, 0.5))
    assert len(part.channels["CR"]["W"].nominal) == 100


@pytest.mark.parametrize("fractions", [(0.8, 0.3), (0.5, 0.0), (-0.1,)])
def test_split_refuses_what_is_no_fraction(blobs, fractions):
    with pytest.raises(ValueError, match="add up to at most 1"):
        split(blobs, fractions)


@pytest.mark.parametrize("fractions", [(), 0.8, (np.nan, 0.2)])
def test_split_needs_shares(blobs, fractions):
    with pytest.raises(ValueError, match=r"`split\(fractions=...\)`"):
        split(blobs, fractions)


@pytest.mark.parametrize("part", [leave_out, keep_only])
def test_a_fold_that_is_not_there_is_refused(blobs, part):
    with pytest.raises(ValueError, match=r"fold=.* must be one of 0 … 1; got 2"):
        part(blobs, 2, 2)
    with pytest.raises(ValueError, match=r"folds=.* at least 2; got 1"):
        part(blobs, 0, 1)
    with pytest.raises(ValueError, match=r"folds=.* at least 1; got 0"):
        fold_of(blobs.channels["SR"]["signal"].nominal, 0)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "bell\a"])
def test_names_that_do_not_print_are_refused(name):
    process = Process(Events([[1.0]]))
    for channels in ({name: {"p": process}}, {"SR": {name: process}}):
        with pytest.raises(ValueError, match=r"`Dataset\(channels=...\)`: the name"):
            Dataset(channels)
    with pytest.raises(ValueError, match="the name"):
        one(process.nominal, **{name: (process.nominal, process.nominal)})


def test_folds_share_out_all_events(control):
    for key, events in control.samples():
        folds = np.asarray(fold_of(events, 2))
        assert set(folds.tolist()) == {0, 1}
        # A fair coin: five standard deviations.
        assert abs(folds.mean() - 0.5) < 2.5 / np.sqrt(len(events)), key


def test_a_fold_depends_on_the_index_alone():
    index = [7, 2**40 + 3, 12345]
    a = Events(np.zeros((3, 1)), index=index)
    b = Events(np.ones((3, 1)), [2.0, 3.0, 4.0], index=index)
    assert jnp.array_equal(fold_of(a, 5), fold_of(b, 5))


def test_leave_out_and_keep_only_are_complementary(control):
    total = sums(control)
    for fold in range(2):
        assert sums(leave_out(control, fold, 2)) == pytest.approx(total)
        for key, events in leave_out(control, fold, 2).scored_samples():
            assert not (fold_of(events, 2) == fold).any(), key
    kept = [sums(keep_only(control, fold, 2)) for fold in range(2)]
    for key, whole in total.items():
        assert kept[0][key] + kept[1][key] == pytest.approx(whole)


def test_keep_only_concerns_observed_events():
    events = Events(np.zeros((50, 1)))
    dataset = Dataset({"SR": {"p": Process(events)}}, observed={"SR": events})
    halves = [keep_only(dataset, fold, 2).observed["SR"].weights for fold in range(2)]
    assert jnp.array_equal(halves[0] + halves[1], jnp.ones(50))


def test_a_batch_stands_for_the_whole_with_signed_weights(control):
    totals = sums_of_weights(control)
    rows = next(batches(control, 60, seed=0))
    small = jax.jit(batch)(control, rows, totals)
    assert sums(small) == pytest.approx(sums(control))
    assert len(small.channels["SR"]["QCD"].nominal) == 60
    assert len(small.channels["CR"]["W"].nominal) == 100


def test_an_epoch_of_batches_has_every_event_once(blobs):
    key = SampleKey("SR", "signal", "")
    steps = itertools.islice(batches(blobs, 100, seed=0), 4)
    seen = np.concatenate([rows[key] for rows in steps])
    assert sorted(seen) == list(range(400))


def test_batches_resume_where_they_were(blobs):
    key = SampleKey("SR", "signal", "")
    whole = list(itertools.islice(batches(blobs, 150, seed=5), 7))
    later = next(batches(blobs, 150, seed=5, start=6))
    assert np.array_equal(whole[6][key], later[key])


def test_twins_are_drawn_together(blobs):
    rows = next(batches(blobs, 50, seed=0))
    nominal = rows[SampleKey("SR", "background", "")]
    assert np.array_equal(nominal, rows[SampleKey("SR", "background", "shape:up")])
    assert not np.array_equal(nominal, rows[SampleKey("SR", "signal", "")])


def test_a_sample_smaller_than_the_batch_is_used_whole(control):
    rows = next(batches(control, 1000, seed=0))
    assert sorted(rows[SampleKey("SR", "W", "energy:up")]) == list(range(310))


def reweighted(count=50):
    """A nominal sample with a variation of its weights, and one of its features."""
    draw = np.random.default_rng(3)
    nominal = Events(draw.normal(size=(count, 2)), draw.uniform(0.5, 1.5, count))
    up = nominal.with_weights(nominal.weights * 1.2)
    moved = Events(nominal.features + 1, nominal.weights, index=nominal.index)
    return one(nominal, pileup=(up, nominal), scale=(moved, nominal))


def test_variations_of_the_weights_alone_have_the_nominal_events():
    dataset = reweighted()
    process = dataset.channels["SR"]["p"]
    # Features of the nominal sample and of the one that moves, and no others.
    tables = [x for x in jax.tree.leaves(dataset) if np.ndim(x) == 2]
    assert len(tables) == 2
    assert list(process.variations) == ["pileup", "scale"]
    samples = dict(process.samples())
    for shift in ("pileup:up", "pileup:down", "scale:down"):
        assert samples[shift].features is samples[""].features
    np.testing.assert_allclose(samples["pileup:up"].weights, 1.2 * samples[""].weights)
    assert sums(dataset)[SampleKey("SR", "p", "pileup:up")] == pytest.approx(
        1.2 * sums(dataset)[SampleKey("SR", "p", "")]
    )


def test_whose_features_each_sample_has():
    dataset, nominal = reweighted(), SampleKey("SR", "p", "")
    expected = {key: nominal for key, _ in dataset.samples()}
    expected[SampleKey("SR", "p", "scale:up")] = SampleKey("SR", "p", "scale:up")
    assert dataset.features_of() == expected

    @jax.jit
    def traced(dataset):
        assert dataset.features_of() == expected
        return dataset

    traced(dataset)


@pytest.mark.parametrize(
    "part",
    [
        lambda d: split(d, (0.5, 0.5))[0],
        lambda d: leave_out(d, 0, 2),
        lambda d: keep_only(d, 0, 2),
        lambda d: d.map(lambda _, events: events.with_weights(2 * events.weights)),
        lambda d: d.take(lambda _: np.arange(7)),
        lambda d: jax.tree.map(jnp.asarray, d),
    ],
)
def test_a_part_keeps_events_once(part):
    of = part(reweighted())
    plain = dict(part(unshared(reweighted())).samples())
    for key, events in of.samples():
        for field in ("features", "weights", "index"):
            np.testing.assert_array_equal(
                getattr(events, field), getattr(plain[key], field)
            )
    tables = [x for x in jax.tree.leaves(of) if np.ndim(x) == 2]
    assert len(tables) == 2


def unshared(dataset):
    """The same with features of its own for every sample."""

    def own(events):
        return Events(
            np.array(events.features),
            events.weights,
            events.names,
            np.array(events.index),
        )

    return Dataset(
        {
            channel: {
                name: Process(
                    own(process.nominal),
                    {k: (own(u), own(d)) for k, (u, d) in process.variations.items()},
                )
                for name, process in processes.items()
            }
            for channel, processes in dataset.channels.items()
        },
        dataset.counted,
    )


def test_a_change_of_variations_alone_is_kept():
    moved = reweighted().map(
        lambda key, events: (
            Events(events.features + 5, events.weights, index=events.index)
            if key.shift
            else events
        )
    )
    up = moved.channels["SR"]["p"].variations["pileup"][0]
    nominal = moved.channels["SR"]["p"].nominal
    np.testing.assert_allclose(up.features, nominal.features + 5)


def test_rows_are_taken_inside_jit_of_one_array():
    dataset = reweighted()
    rows = {key: np.arange(4) for key, _ in dataset.samples()}

    @jax.jit
    def shared(dataset, rows):
        taken = dataset.take(lambda key: rows[key])
        samples = dict(taken.channels["SR"]["p"].samples())
        assert samples["pileup:up"].features is samples[""].features
        assert samples["scale:up"].features is not samples[""].features
        return taken

    taken = shared(dataset, rows)
    for key, events in dataset.samples():
        expected = events.take(np.arange(4))
        found = dict(taken.samples())[key]
        np.testing.assert_array_equal(found.features, expected.features)
        np.testing.assert_array_equal(found.weights, expected.weights)


def test_folds_of_all_partitions_are_filled_up_to_one_length(control):
    from neoskit._events import lengths_of_folds, padded

    lengths = lengths_of_folds(control, 2)
    for partition in range(20):
        few = leave_out(control, 1, 2, seed=partition)
        more = padded(few, lengths)
        for (key, before), (_, after) in zip(
            few.samples(), more.samples(), strict=True
        ):
            count = len(before)
            assert len(after) == lengths.get(key, count) >= count
            assert np.array_equal(after.features[:count], before.features)
            assert np.array_equal(after.weights[:count], before.weights)
            assert np.all(after.weights[count:] == 0)


def test_other_weights_are_those_that_are_told(control):
    def changed(key, events):
        return events.weights * (2.0 if key.shift else 3.0)

    quick = control.with_weights(changed)
    checked = control.map(lambda k, e: e.with_weights(changed(k, e)))
    for (key, a), (_, b) in zip(quick.samples(), checked.samples(), strict=True):
        assert np.array_equal(a.weights, b.weights), key
        assert np.array_equal(a.features, b.features)
