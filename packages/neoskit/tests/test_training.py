"""Training: one compilation, schedules, seeds, interruption, resumption, failure."""

import errno
import functools
import os
import platform
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neoskit
from neoskit import (
    Stage,
    TrainingFailed,
    anneal,
    cross_fit,
    initial_state,
    load_checkpoint,
    save_checkpoint,
    train,
)
from neoskit._train import state as state_module

ADAM = optax.adam(1e-2)
# The function of this name hides its module.
cross_fit_module = sys.modules["neoskit._train.cross_fit"]


def leaves(pipeline):
    return jax.tree.leaves(eqx.filter(pipeline, eqx.is_inexact_array))


def same(a, b):
    return all(map(jnp.array_equal, leaves(a), leaves(b)))


OF_TRAIN = ("seed", "held_out", "monitor", "every", "callback", "progress", "keep")


def run(pipeline, dataset, objective=neoskit.binary_cross_entropy, **options):
    """One stage, without pseudo-events."""
    of_train = {name: options.pop(name) for name in OF_TRAIN if name in options}
    options = {"steps": 5, "optimiser": ADAM, "pseudo_events": 0.0} | options
    stage = Stage(objective, **options)
    return train(pipeline, dataset, stage, **{"progress": False} | of_train)


def test_cross_entropy_falls_to_the_optimum_of_the_blobs(pipeline):
    dataset = neoskit.gaussian_blobs(2000, seed=3)
    training = run(pipeline, dataset, steps=300, optimiser=optax.adam(3e-2))
    # The likelihood ratio of two unit Gaussians 2√2 apart has an entropy of 0.194
    # nats; the sample's own optimum is within its statistical error, 0.01.
    assert training.losses[-1] == pytest.approx(0.194, abs=0.02)
    assert training.losses[0] > 0.5


def test_cross_entropy_is_the_mean_of_its_classes(pipeline, control):
    logits = {
        key: np.asarray(pipeline.observable.logits(events.features))
        for key, events in control.scored_samples()
    }
    for variations in (False, True):
        sums = {True: [0.0, 0.0], False: [0.0, 0.0]}
        for key, events in control.scored_samples():
            if key.shift and not variations:
                continue
            signal = key.process == "signal"
            entropy = np.log1p(np.exp(logits[key] * (-1 if signal else 1)))
            sums[signal][0] += (events.weights * entropy).sum()
            sums[signal][1] += events.weights.sum()
        expected = 0.5 * sum(top / bottom for top, bottom in sums.values())
        objective = neoskit.BinaryCrossEntropy(variations=variations)
        value = neoskit.loss(pipeline, control, objective)
        assert float(value) == pytest.approx(expected)


def test_cross_entropy_needs_logits(blobs):
    pipeline = neoskit.Pipeline(
        neoskit.SoftSelection([0.0, 0.0]),
        neoskit.Counting(),
        neoskit.Measurement(("signal",), mc_statistics=False),
    )
    with pytest.raises(TypeError, match="observable with logits"):
        run(pipeline, blobs)


def test_a_user_objective_is_trained(pipeline, blobs, rough_variance):
    training = run(pipeline, blobs, rough_variance, steps=40)
    assert training.losses[-1] < 0.8 * training.losses[0]
    whole = neoskit.loss(pipeline, blobs, rough_variance)
    assert training.losses[0] == pytest.approx(float(whole))


def test_the_logarithm_scales_the_gradient_alone(pipeline, blobs, rough_variance):
    sgd = optax.sgd(1.0)
    plain, log = (
        run(pipeline, blobs, rough_variance, steps=1, optimiser=sgd, logarithm=flag)
        for flag in (False, True)
    )
    assert plain.losses == pytest.approx(log.losses)
    start, *ends = (
        p.observable.network.layers[-1].bias
        for p in (pipeline, plain.pipeline, log.pipeline)
    )
    moved = [end - start for end in ends]
    assert float(moved[0][0] / moved[1][0]) == pytest.approx(plain.losses[0], rel=1e-6)


def test_the_step_is_compiled_once_while_the_bandwidth_anneals(
    pipeline, blobs, monkeypatch
):
    traced = []
    exact = state_module.of_batch

    def counted(*args):
        traced.append(args)
        return exact(*args)

    monkeypatch.setattr(state_module, "of_batch", counted)
    schedule = anneal(0.5, 0.05, steps=6)
    optimiser = optax.adam(1e-3)  # not seen before: the step must be compiled
    training = run(
        pipeline, blobs, steps=6, bandwidth=schedule, batch_size=64, optimiser=optimiser
    )
    run(training.state, blobs, steps=2, batch_size=64, optimiser=optimiser)
    assert len(traced) == 1
    assert float(training.pipeline.binning.bandwidth.value) == pytest.approx(0.05)


@pytest.mark.parametrize("arguments", [(0.0, 0.1, 3), (0.1, 0.2, 0)])
def test_a_schedule_that_makes_no_sense_is_refused(arguments):
    with pytest.raises(ValueError, match="anneal"):
        anneal(*arguments)


def test_the_seed_alone_decides_the_batches(pipeline, blobs):
    a, b, c = (run(pipeline, blobs, batch_size=50, seed=s) for s in (1, 1, 2))
    assert same(a.pipeline, b.pipeline)
    assert not same(a.pipeline, c.pipeline)


def test_only_what_is_learned_moves(pipeline, blobs):
    # Weight decay pulls at everything that it is given.
    training = run(pipeline, blobs, optimiser=optax.adamw(1e-2, weight_decay=0.5))
    after, before = training.pipeline, pipeline
    assert jnp.array_equal(
        after.observable.network.scale.value, before.observable.network.scale.value
    )
    assert jnp.array_equal(after.edges, before.edges)
    assert not jnp.array_equal(
        after.observable.network.layers[0].weight,
        before.observable.network.layers[0].weight,
    )


def test_learned_edges_are_trained(pipeline, blobs, rough_variance):
    learned = neoskit.Pipeline(
        pipeline.observable,
        neoskit.Binning(neoskit.LearnedEdges([0.0, 0.3, 0.6, 1.0]), bandwidth=0.1),
        pipeline.measurement,
    )
    training = run(learned, blobs, rough_variance)
    edges = training.pipeline.edges
    assert edges[0] == 0.0
    assert edges[-1] == 1.0
    assert not jnp.array_equal(edges, learned.edges)
    assert jnp.all(jnp.diff(edges) > 0)


def test_chunks_train_like_all_events_at_once(pipeline, blobs, rough_variance):
    whole = run(pipeline, blobs, rough_variance, steps=3)
    parts = run(pipeline, blobs, rough_variance, steps=3, chunk_size=130)
    np.testing.assert_allclose(whole.losses, parts.losses, rtol=1e-9)


def interrupted_at(stop):
    def callback(state, numbers):
        if int(state.step) == stop:
            raise KeyboardInterrupt

    return callback


@pytest.mark.parametrize("stop", [2, 4, 5])
@pytest.mark.parametrize("kind", ["last", "average", "best"])
def test_a_training_goes_on_as_if_it_had_never_ended(
    pipeline, blobs, tmp_path, stop, kind
):
    part, validation = neoskit.split(blobs, (0.7, 0.3))
    keep = {
        "last": neoskit.KeepLast(),
        "average": neoskit.KeepAverage(0.5),
        "best": neoskit.KeepBest(validation),
    }[kind]
    stages = [
        Stage(neoskit.binary_cross_entropy, 4, ADAM, batch_size=90),
        Stage(neoskit.BinaryCrossEntropy(variations=True), 3, ADAM, batch_size=70),
    ]
    options = {"keep": keep, "seed": 3, "progress": False}
    whole = train(pipeline, part, stages, **options)
    first = train(pipeline, part, stages, callback=interrupted_at(stop), **options)
    assert first.interrupted
    save_checkpoint(tmp_path / "state.eqx", first.state)
    read = load_checkpoint(tmp_path / "state.eqx", pipeline, stages, keep)
    second = train(read, part, stages, **options)
    assert same(whole.pipeline, second.pipeline)
    losses = np.concatenate([first.losses, second.losses])
    assert np.array_equal(whole.losses, losses)
    assert int(second.state.step) == 7
    assert int(second.state.stage) == 2


def test_a_training_that_is_done_stays_as_it_is(pipeline, blobs):
    stage = Stage(neoskit.binary_cross_entropy, 2, ADAM)
    done = train(pipeline, blobs, stage, progress=False)
    again = train(done.state, blobs, stage, progress=False)
    assert same(done.pipeline, again.pipeline)
    assert len(again.losses) == 0


def test_a_checkpoint_of_something_else_is_refused(pipeline, tmp_path):
    path = tmp_path / "state.eqx"
    stage = Stage(neoskit.binary_cross_entropy, 3, ADAM)
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        load_checkpoint(path, pipeline, stage)
    save_checkpoint(path, initial_state(pipeline, stage))
    other = neoskit.Pipeline(
        neoskit.NeuralObservable(2, (7,), key=jax.random.key(0)),
        pipeline.binning,
        pipeline.measurement,
    )
    with pytest.raises(ValueError, match="does not fit"):
        load_checkpoint(path, other, stage)
    whole = path.read_bytes()
    for part in (whole[:40], whole[:-10], b"[]\n", b"{}\n", whole[:-1] + b"?"):
        path.write_bytes(part)
        with pytest.raises(ValueError, match=r"state.eqx is damaged: "):
            load_checkpoint(path, pipeline, stage)


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    pipeline, blobs, tmp_path, monkeypatch
):
    stage = Stage(neoskit.binary_cross_entropy, 3, ADAM)
    path = tmp_path / "state.eqx"
    save_checkpoint(path, initial_state(pipeline, stage))
    before = path.read_bytes()

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        train(
            pipeline,
            blobs,
            stage,
            after_step=functools.partial(save_checkpoint, path),
            progress=False,
        )
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state.eqx"]


def test_after_step_sees_every_step_and_the_next_stage(pipeline, blobs):
    stages = [
        Stage(neoskit.binary_cross_entropy, 2, ADAM),
        Stage(neoskit.BinaryCrossEntropy(variations=True), 2, ADAM),
    ]
    seen = []

    def stop(state):
        seen.append((int(state.stage), int(state.stage_step), int(state.step)))
        if len(seen) == 3:
            raise KeyboardInterrupt

    training = train(pipeline, blobs, stages, after_step=stop, progress=False)
    assert training.interrupted
    train(training.state, blobs, stages, after_step=stop, progress=False)
    assert seen == [(0, 1, 1), (1, 0, 2), (1, 1, 3), (2, 0, 4)]


def test_a_stage_that_ended_early_ends_again(pipeline, blobs):
    """Also where it is gone on with from its last step."""
    part, validation = neoskit.split(blobs, (0.5, 0.5))
    keep = neoskit.KeepBest(validation, patience=1)
    stage = Stage(neoskit.binary_cross_entropy, 30, optax.adam(2.0))
    seen = {}
    options = {"keep": keep, "progress": False}
    whole = train(
        pipeline,
        part,
        stage,
        callback=lambda state, _: seen.update({int(state.step): state}),
        **options,
    )
    assert len(whole.losses) < 30
    again = train(seen[len(whole.losses)], part, stage, **options)
    assert len(again.losses) == 0
    assert same(again.pipeline, whole.pipeline)


def test_held_out_events_are_followed(pipeline, blobs, rough_variance):
    part, held_out = neoskit.split(blobs, (0.7, 0.3))
    seen = []
    training = run(
        pipeline,
        part,
        rough_variance,
        held_out=held_out,
        every=2,
        callback=lambda state, numbers: seen.append((int(state.step), numbers)),
    )
    values = training.monitored["objective"]
    assert list(values) == [0, 2, 4, 5]
    hard = rough_variance(
        eqx.filter_jit(neoskit.Pipeline.hard_model)(training.pipeline, held_out)
    )
    assert values[5] == pytest.approx(float(hard))
    assert [step for step, _ in seen] == [0, 2, 4, 5]
    assert seen[-1][1] == {"loss": training.losses[-1], "objective": values[5]}
    assert "step 5" in repr(training)


def test_monitoring_needs_held_out_events(pipeline, blobs, rough_variance):
    with pytest.raises(ValueError, match="held_out"):
        run(pipeline, blobs, monitor={"x": rough_variance})


def test_an_interrupt_keeps_what_was_trained(pipeline, blobs):
    training = run(pipeline, blobs, steps=50, callback=interrupted_at(3))
    assert training.interrupted
    assert int(training.state.step) == len(training.losses) == 3
    assert not same(training.pipeline, pipeline)


def test_an_objective_that_is_not_finite_stops_and_keeps_the_last_good(pipeline, blobs):
    def bad(model):
        # Finite at first; −1 where the training leads.
        return jnp.asarray(-1.0) * model.expected_data(model.init).main["SR"].sum()

    with pytest.raises(TrainingFailed, match=r"step 0.*logarithm=False") as failure:
        run(pipeline, blobs, bad)
    assert same(failure.value.training.pipeline, pipeline)
    assert int(failure.value.training.state.step) == 0


def test_batches_and_chunks_exclude_each_other(pipeline, blobs):
    with pytest.raises(ValueError, match="not both"):
        run(pipeline, blobs, batch_size=5, chunk_size=5)


def test_a_schedule_that_comes_to_zero_keeps_the_training(pipeline, blobs):
    fall = optax.linear_schedule(0.2, 0.0, 2)
    with pytest.raises(
        TrainingFailed, match=r"step 2: `Stage\(bandwidth=...\)`"
    ) as end:
        run(pipeline, blobs, bandwidth=fall)
    assert len(end.value.training.losses) == 2


@pytest.mark.parametrize("option", ["batch_size", "chunk_size"])
def test_options_of_zero_name_themselves(option):
    with pytest.raises(ValueError, match=rf"`Stage\({option}=...\)` .* at least 1"):
        Stage(neoskit.expected_cls, **{option: 0})


def test_following_after_no_step_at_all_is_refused(pipeline, blobs):
    with pytest.raises(ValueError, match=r"`train\(every=...\)` .* at least 1"):
        run(pipeline, blobs, every=0)


def test_steps_are_not_negative(pipeline, blobs):
    with pytest.raises(ValueError, match=r"`Stage\(steps=...\)` must be at least 0"):
        Stage(neoskit.expected_cls, -1)
    assert len(run(pipeline, blobs, steps=0).losses) == 0


def test_there_must_be_something_to_learn(pipeline, control):
    with pytest.raises(ValueError, match="no channel that is scored"):
        run(pipeline, control.only(["CR"]))


def test_folds_that_cannot_be_joined_are_refused_before_any_training(
    pipeline, blobs, monkeypatch
):
    def learned(events, fold):
        edges = neoskit.LearnedEdges([0.0, 0.5, 1.0])
        binning = neoskit.Binning(edges, bandwidth=0.1)
        return neoskit.Pipeline(pipeline.observable, binning, pipeline.measurement)

    def different(events, fold):
        return pipeline.with_edges([0.0, 0.4 + 0.1 * fold, 1.0])

    def no_training(*args, **options):
        pytest.fail("trained in vain")

    monkeypatch.setattr(cross_fit_module, "train", no_training)
    bce = neoskit.binary_cross_entropy
    with pytest.raises(ValueError, match="train its bin edges"):
        cross_fit(learned, blobs, bce)
    with pytest.raises(ValueError, match="different bin edges"):
        cross_fit(different, blobs, bce)
    with pytest.raises(ValueError, match=r"cross_fit\(folds=...\)` must be at least 2"):
        cross_fit(learned, blobs, bce, folds=1)


def test_float64_off_is_an_error(pipeline, blobs):
    with jax.enable_x64(False), pytest.raises(RuntimeError, match="jax_enable_x64"):
        run(pipeline, blobs)


def test_the_progress_bar_shows_the_loss(pipeline, blobs, capsys):
    pytest.importorskip("tqdm")
    training = run(pipeline, blobs, progress=True)
    assert f"loss {training.losses[-1]:.4g}" in capsys.readouterr().err
    run(pipeline, blobs, progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("partition", [0, 5])
def test_cross_fitting_never_shows_an_event_to_its_own_network(control, partition):
    seen = {}

    def build(events, fold):
        seen[fold] = events
        return neoskit.Pipeline(
            neoskit.NeuralObservable(2, (3,), key=jax.random.key(fold)),
            neoskit.Binning([0.0, 0.5, 1.0], bandwidth=0.1),
            neoskit.Measurement(("signal",), mc_statistics=False),
        )

    both, trainings = cross_fit(
        build,
        control,
        Stage(neoskit.binary_cross_entropy, 2, ADAM),
        progress=False,
        partition=partition,
    )
    assert same(both.folds[1], trainings[1].pipeline)
    assert both.partition == partition
    for fold, events in seen.items():
        for _, sample in events.scored_samples():
            assert not (neoskit.fold_of(sample, 2, seed=partition) == fold).any()
    # Going on with them keeps the folds: each network still sees the same events.
    further, _ = cross_fit(
        both, control, Stage(neoskit.binary_cross_entropy, 1, ADAM), progress=False
    )
    assert further.partition == partition
    assert not same(further.folds[0], both.folds[0])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about the GNU C library")
def test_freed_memory_is_kept():
    """What malloc says of itself: a large block is freed, and not given back."""
    script = """
import ctypes
from neoskit._train.memory import freed_memory_kept

library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
NAMES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in NAMES.split()]

library.mallinfo2.restype = Info
SIZE = 24 * 2**20
with freed_memory_kept():
    mapped = library.mallinfo2().hblkhd
    library.free(library.malloc(SIZE))
    after = library.mallinfo2()
    assert after.hblkhd == mapped, "taken from the system, and given back"
    assert after.keepcost >= SIZE, "given back"
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_counted_channels_are_in_the_objective(pipeline, control):
    """They are summed once, before the first step; batches see them, too."""

    def objective(model):
        found = model.expected_data({**model.init, "energy": jnp.asarray(0.5)}).main
        return jnp.log(found["CR"][0]) + 0.01 * found["SR"].sum()

    expected = float(neoskit.loss(pipeline, control, objective))
    for options in ({}, {"chunk_size": 100}):
        stage = Stage(objective, 1, ADAM, logarithm=False, pseudo_events=0.0, **options)
        training = train(pipeline, control, stage, progress=False)
        assert training.losses[0] == pytest.approx(expected, rel=1e-12)


def test_a_step_has_no_calls_back_to_python(pipeline, control, monkeypatch):
    """So that it runs beside Python, and is stored in the compilation cache."""
    traced = []

    def look(*arguments):
        traced.append(str(eqx.filter_make_jaxpr(state_module.advance)(*arguments)[0]))
        return state_module.advance(*arguments)

    monkeypatch.setattr(sys.modules["neoskit._train.steps"], "advance", look)
    train(pipeline, control, Stage(neoskit.expected_cls, 1, ADAM), progress=False)
    assert "callback" not in traced[0]
