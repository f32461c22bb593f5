"""Events on disk give what the same events in memory give."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import optax
import pytest

import neoskit
from neoskit import SampleKey, Stage, StoredDataset, leave_out, split, train
from neoskit._events.stored import partition
from neoskit._gradient import pseudo_events


@pytest.fixture
def weighted(control):
    """The control dataset, with a variation of the weights alone."""
    channels = {name: dict(of) for name, of in control.channels.items()}
    w = channels["SR"]["W"]
    varied = {
        "scale": tuple(
            w.nominal.with_weights(w.nominal.weights * factor) for factor in (1.1, 0.8)
        )
    }
    channels["SR"]["W"] = neoskit.Process(w.nominal, {**w.variations, **varied})
    return neoskit.Dataset(channels, control.counted)


def stored_of(dataset, folder=None, chunk_size=70):
    return StoredDataset.write(
        dataset.samples(), folder, counted=dataset.counted, chunk_size=chunk_size
    )


def pieces(dataset, size):
    """The samples of a dataset in pieces, those of one process side by side."""
    for channel, processes in dataset.channels.items():
        for name, process in processes.items():
            longest = max(len(events) for _, events in process.samples())
            for start in range(0, longest, size):
                nominal = None
                for shift, events in process.samples():
                    rows = np.arange(start, min(start + size, len(events)))
                    if events.features is process.nominal.features and nominal:
                        piece = nominal.with_weights(events.weights[rows])
                    else:
                        piece = events.take(rows)
                    nominal = nominal or piece
                    yield SampleKey(channel, name, shift), piece


def assert_same_events(some, others):
    for (key, a), (other, b) in zip(some.samples(), others.samples(), strict=True):
        assert key == other
        np.testing.assert_array_equal(a.features, b.features)
        np.testing.assert_array_equal(a.index, b.index)
        # Factors that keep a sum of weights are made of sums in another order.
        np.testing.assert_allclose(a.weights, b.weights, rtol=1e-13)


def test_what_is_written_is_read(weighted, tmp_path):
    stored = StoredDataset.write(
        pieces(weighted, 37), tmp_path / "events", counted=("CR",), chunk_size=70
    )
    assert stored.scored == ("SR",)
    assert_same_events(weighted, stored.in_memory())
    # Features of a variation of the weights are on disk once.
    key = SampleKey("SR", "W", "scale:up")
    assert stored.parts[key].weights_alone
    again = StoredDataset.open(tmp_path / "events")
    assert_same_events(weighted, again.in_memory())


def test_a_variation_that_is_of_the_weights_in_some_parts_only(tmp_path):
    rng = np.random.default_rng(0)

    def part():
        return neoskit.Events(rng.normal(size=(30, 2)), rng.uniform(size=30))

    first, second, shifted = part(), part(), part()
    nominal, up, down = (SampleKey("SR", "b", s) for s in ("", "e:up", "e:down"))
    written = [
        (nominal, first),
        (up, first.with_weights(2 * first.weights)),
        (down, first.with_weights(0.5 * first.weights)),
        (nominal, second),
        (up, shifted),  # of other events than the nominal ones
    ]
    stored = StoredDataset.write(written, tmp_path / "events", chunk_size=7)
    found = dict(stored.in_memory().samples())
    both = np.concatenate([first.features, shifted.features])
    np.testing.assert_array_equal(found[up].features, both)
    np.testing.assert_array_equal(found[down].features, first.features)
    np.testing.assert_array_equal(found[down].weights, 0.5 * first.weights)


def test_chunks_have_one_shape_and_every_event_once(weighted):
    chunks = stored_of(weighted).chunks()
    assert len(chunks) == 5
    shapes = {tuple(len(events) for _, events in chunks[i].samples()) for i in range(5)}
    assert len(shapes) == 1
    for key, events in weighted.samples():
        parts = [dict(chunks[i].samples())[key].weights for i in range(5)]
        there = np.concatenate([part[part != 0] for part in parts])
        np.testing.assert_array_equal(there, events.weights)


@pytest.mark.parametrize("in_bucket", [partition._IN_BUCKET, 50])
def test_a_split_has_the_same_events_as_in_memory(weighted, in_bucket, monkeypatch):
    monkeypatch.setattr(partition, "_IN_BUCKET", in_bucket)
    stored = stored_of(weighted)
    for shares in ((0.7, 0.3), (0.5, 0.2, 0.1)):
        both = zip(
            split(weighted, shares, seed=3), split(stored, shares, seed=3), strict=True
        )
        for memory, disk in both:
            assert_same_events(memory, disk.in_memory())
    _, aside = split(split(stored, (0.7, 0.3), seed=3)[1], (0.5, 0.5), seed=4)
    _, expected = split(split(weighted, (0.7, 0.3), seed=3)[1], (0.5, 0.5), seed=4)
    assert_same_events(expected, aside.in_memory())
    disk = leave_out(stored, 1, 3, seed=5)
    assert_same_events(leave_out(weighted, 1, 3, seed=5), disk.in_memory())


def test_a_split_is_removed_with_its_dataset(weighted, tmp_path):
    stored = stored_of(weighted, tmp_path / "events")
    parts = split(stored, (0.5, 0.5))
    folders = [part.folder for part in parts]
    # As long as somebody has them they are made once.
    assert [part.folder for part in split(stored, (0.5, 0.5))] == folders
    assert split(stored, (0.5, 0.5), seed=1)[0].folder not in folders
    assert all(folder.is_dir() for folder in folders)
    del parts
    assert not any(folder.exists() for folder in folders)
    assert_same_events(weighted, stored.in_memory())


def test_means_and_spreads_of_features(weighted):
    of_memory = neoskit.standardisation(weighted)
    of_disk = neoskit.standardisation(stored_of(weighted))
    for a, b in zip(of_memory, of_disk, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_pseudo_events(weighted):
    in_memory = pseudo_events(weighted, ("signal",), 2.0)
    on_disk = pseudo_events(stored_of(weighted), ("signal",), 2.0)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), in_memory, on_disk
    )


def everything(rough_variance):
    """An objective of the model, of the events and of an adversary that is trained."""
    adversary = neoskit.AdversarialCrossEntropy(
        ("energy", "scale"), hidden=(4,), key=jax.random.key(0)
    )
    return neoskit.WeightedSum(
        ((1.0, rough_variance), (0.5, neoskit.binary_cross_entropy), (0.3, adversary))
    )


def test_the_gradient_is_that_of_all_events(pipeline, weighted, rough_variance):
    objective = everything(rough_variance)
    whole = eqx.filter_jit(neoskit.value_and_gradient)(pipeline, weighted, objective)
    disk = neoskit.value_and_gradient_chunked(
        pipeline, stored_of(weighted), objective, chunk=70
    )
    # Sums in another order: rounding of float64, 400 events.
    for a, b in zip(*map(jax.tree.leaves, (whole, disk)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-14)


def test_chunks_in_memory_of_weights_alone(pipeline, weighted):
    entropy = neoskit.BinaryCrossEntropy(variations=True)
    memory = eqx.filter_jit(neoskit.value_and_gradient_chunked)(
        pipeline, weighted, entropy, chunk=70
    )
    disk = neoskit.value_and_gradient_chunked(
        pipeline, stored_of(weighted), entropy, chunk=70
    )
    for a, b in zip(*map(jax.tree.leaves, (memory, disk)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-14)


def test_templates_and_counts_of_chunks(pipeline, weighted):
    stored = stored_of(weighted)
    for of in (
        eqx.filter_jit(neoskit.Pipeline.templates),
        neoskit.Pipeline.hard_templates,
        neoskit.Pipeline.raw_counts,
    ):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9),
            of(pipeline, weighted),
            getattr(pipeline, of.__name__)(stored),
        )
    # The order is that of the model's processes and parameters.
    hard = pipeline.hard_templates(stored)
    assert list(hard["SR"]) == ["signal", "W", "QCD"]
    assert list(hard["SR"]["W"].variations) == ["energy", "scale"]
    folds = neoskit.CrossFit((pipeline, pipeline), 3)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12),
        folds.hard_templates(weighted),
        folds.hard_templates(stored),
    )


def test_replicas_are_those_in_memory(pipeline, weighted):
    stored = stored_of(weighted)
    memory, disk = (
        pipeline.hard_filler(of)(neoskit.resample(of, 1, 2))
        for of in (weighted, stored)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), memory, disk
    )
    with pytest.raises(ValueError, match="have others, as a replica has"):
        split(neoskit.resample(stored, 1), (0.5, 0.5))


def test_a_training_goes_the_same_way(pipeline, weighted, rough_variance):
    stages = [
        Stage(neoskit.binary_cross_entropy, 3, chunk_size=70),
        Stage(rough_variance, 3, optax.adam(1e-2), chunk_size=70),
    ]
    ends = []
    for events in (weighted, stored_of(weighted)):
        seen, judges = split(events, (0.7, 0.3), seed=1)
        seen, aside = split(seen, (0.8, 0.2), seed=2)
        monitor = {"both": everything(rough_variance)}
        training = train(
            pipeline,
            seen,
            stages,
            keep=neoskit.KeepBest(aside),
            held_out=judges,
            monitor=monitor,
            progress=False,
        )
        ends.append((training, neoskit.evaluate(training.pipeline, judges)))
    (memory, at_once), (disk, by_chunks) = ends
    # Of six steps of Adam, whose first ones divide by a derivative's own size.
    np.testing.assert_allclose(memory.losses, disk.losses, rtol=1e-8)
    followed = [[*t.monitored["both"].values()] for t in (memory, disk)]
    np.testing.assert_allclose(*followed, rtol=1e-8)
    np.testing.assert_allclose(at_once.cls, by_chunks.cls, rtol=1e-6)
    assert list(at_once.model.parameter_names) == list(by_chunks.model.parameter_names)


def test_batches_are_refused(pipeline, blobs):
    stage = Stage(neoskit.binary_cross_entropy, 2, batch_size=10)
    with pytest.raises(ValueError, match=r"batch_size=...\)` draws events at random"):
        train(pipeline, stored_of(blobs), stage, progress=False)


def test_what_cannot_be_written_or_opened(weighted, tmp_path):
    with pytest.raises(ValueError, match=r"has no events\. Loosen the selection"):
        StoredDataset.write(
            [(SampleKey("SR", "b", ""), neoskit.Events(np.zeros((0, 2))))]
        )
    with pytest.raises(ValueError, match=r"no events were stored there"):
        StoredDataset.open(tmp_path)
    stored = stored_of(weighted, tmp_path / "events")
    with pytest.raises(ValueError, match="is not empty"):
        stored_of(weighted, tmp_path / "events")
    with pytest.raises(ValueError, match="has the events of other files"):
        StoredDataset.open(tmp_path / "events", digest="another")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        stored_of(weighted, tmp_path / "file" / "events")
    sample = stored.parts[SampleKey("SR", "signal", "")]
    (sample.folder / "weights.bin").write_bytes(b"short")
    with pytest.raises(ValueError, match="is shorter than it was written"):
        stored.in_memory()
    with pytest.raises(ValueError, match=r"chunk_size=...\)` must be at least 1"):
        dataclasses.replace(stored, chunk_size=0)


def test_few_events_stand_for_all(weighted):
    few = stored_of(weighted).in_memory(50)
    for (key, a), (_, b) in zip(weighted.samples(), few.samples(), strict=True):
        assert len(b) == min(50, len(a)), key
        for sign in (1, -1):
            sums = [np.maximum(sign * e.weights, 0).sum() for e in (a, b)]
            # Of a sign that the first events have none of, nothing can stand for.
            if sums[1]:
                assert sums[0] == pytest.approx(sums[1])
