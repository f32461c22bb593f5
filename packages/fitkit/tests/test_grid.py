"""Grids: equal to single calls, on every executor, after every interruption."""

import concurrent.futures
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from importlib import metadata

import jax
import numpy as np
import pytest

import fitkit
from fitkit._grid import batch as _grid_batch
from fitkit._grid.cache import key_of
from fitkit._grid.chunk import Task
from fitkit._grid.points import Point
from fitkit._numerics.batch import Batched
from fitkit._workspace.choices import Choices

# NumPy and a program of one member or many: sums in another order.
SAME = {"rtol": 1e-10, "atol": 1e-12}


def document():
    """A signal over a background that is known to a tenth, two bins."""
    return {
        "channels": [
            {
                "name": "SR",
                "samples": [
                    {
                        "name": "signal",
                        "data": [8.0, 4.0],
                        "modifiers": [
                            {"name": "mu", "type": "normfactor", "data": None}
                        ],
                    },
                    {
                        "name": "background",
                        "data": [50.0, 30.0],
                        "modifiers": [
                            {
                                "name": "xs",
                                "type": "normsys",
                                "data": {"lo": 0.9, "hi": 1.1},
                            }
                        ],
                    },
                ],
            }
        ],
        "observations": [{"name": "SR", "data": [52.0, 33.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


def replaced(yields):
    path = "/channels/0/samples/0/data"
    return [{"op": "replace", "path": path, "value": list(yields)}]


PATCHES = {f"s{k}": replaced([4.0 + 2 * k, 3.0 + k]) for k in range(6)}


@pytest.fixture(scope="module")
def serial():
    return fitkit.grid(document(), PATCHES, chunk=2)


def same(result, wanted):
    for name in wanted.columns:
        np.testing.assert_allclose(result[name], wanted[name], **SAME)
    assert result.names == wanted.names
    assert result.messages == wanted.messages


class TestAgainstSingleCalls:
    def test_cls(self, serial):
        for name, observed, expected in zip(
            serial.names, serial["cls"], serial["cls_expected"], strict=True
        ):
            model, data = fitkit.read_workspace(document(), patch=PATCHES[name])
            single = fitkit.hypotest(model, data)
            np.testing.assert_allclose(observed, single.cls, rtol=1e-8)
            np.testing.assert_allclose(expected, single.cls_expected, rtol=1e-8)
        assert serial.converged.all()

    def test_values_of_the_parameter_of_interest(self, serial):
        result = fitkit.grid(document(), PATCHES, chunk=2, poi_value=[0.5, 1.0])
        assert result["cls_expected"].shape == (6, 2, 5)
        np.testing.assert_allclose(result["cls"][:, 1], serial["cls"], rtol=1e-8)

    def test_fits(self):
        result = fitkit.grid(document(), PATCHES, fitkit.fit, chunk=2)
        model, data = fitkit.read_workspace(document(), patch=PATCHES["s3"])
        single = fitkit.fit(model, data)
        np.testing.assert_allclose(result["best"][3], single.params["mu"], rtol=1e-7)
        np.testing.assert_allclose(result["twice_nll"][3], single.twice_nll, rtol=1e-12)

    def test_discovery(self):
        result = fitkit.grid(document(), PATCHES, fitkit.discovery, chunk=4)
        model, data = fitkit.read_workspace(document(), patch=PATCHES["s3"])
        single = fitkit.discovery(model, data)
        np.testing.assert_allclose(result["p0"][3], single.p0, rtol=1e-8)
        np.testing.assert_allclose(
            result["significance_expected"][3], single.significance_expected, rtol=1e-8
        )

    def test_limits(self):
        result = fitkit.grid(document(), PATCHES, fitkit.upper_limit, chunk=2)
        model, data = fitkit.read_workspace(document(), patch=PATCHES["s3"])
        single = fitkit.upper_limit(model, data)
        # the tolerance of the search
        np.testing.assert_allclose(result["observed"][3], single.observed, rtol=1e-7)
        np.testing.assert_allclose(result["expected"][3], single.expected, rtol=1e-7)

    @pytest.mark.parametrize("side_by_side", [40, 0])
    def test_compiled_they_are_the_same(self, monkeypatch, side_by_side):
        """As with so many points that a program is sooner; side by side or in turn."""
        one_by_one = fitkit.grid(document(), PATCHES, fitkit.fit)
        monkeypatch.setattr("fitkit._numerics.batch.compiling_is_sooner", _always)
        monkeypatch.setattr("fitkit._numerics.batch._MOST_PARAMETERS", side_by_side)
        fits, compiled = Batched(_grid_batch._fit), []
        program = fits._compiled
        monkeypatch.setattr(
            fits, "_compiled", lambda *args: compiled.append(1) or program(*args)
        )
        monkeypatch.setattr("fitkit._grid.chunk.fits", fits)
        same(fitkit.grid(document(), PATCHES, fitkit.fit), one_by_one)
        assert compiled == [1]


def _always(each, left, taken, compiling):
    return left > 0


def blind(model):
    """What holds in the fits of a grid, as a function that pickles."""
    return model.with_masked("CR").with_fixed(xs=0.5)


def with_control_region():
    control = {"name": "CR", "samples": [document()["channels"][0]["samples"][1]]}
    whole = document()
    whole["channels"].append(control)
    whole["observations"].append({"name": "CR", "data": [70.0, 40.0]})
    return whole


class TestSettings:
    def test_masks_and_fixed_parameters(self, tmp_path, caplog):
        result = fitkit.grid(with_control_region(), PATCHES, settings=blind)
        model, data = fitkit.read_workspace(with_control_region(), patch=PATCHES["s2"])
        single = fitkit.hypotest(blind(model), data)
        np.testing.assert_allclose(result["cls"][2], single.cls, rtol=1e-8)
        free = fitkit.grid(with_control_region(), PATCHES)
        assert (abs(free["cls"] / result["cls"] - 1) > 0.01).all()

    def test_a_starved_parameter_stays_fixed(self):
        """What is fixed since a bin is empty follows from each point's numbers."""
        start = document()
        uncertainty = {"name": "mc", "type": "staterror", "data": [2.0, 1.0]}
        start["channels"][0]["samples"][1]["modifiers"].append(uncertainty)
        empty = [
            {"op": "replace", "path": f"/channels/0/samples/1/{where}", "value": value}
            for where, value in (
                ("data/1", 0.0),
                ("modifiers/1/data/1", 0.0),
            )
        ]
        patches = {"full": [], "empty": empty}
        keep = fitkit.grid(start, patches, fitkit.fit, settings=lambda model: model)
        same(keep, fitkit.grid(start, patches, fitkit.fit))

    def test_what_is_wrong_with_them(self):
        with pytest.raises(TypeError, match="returns the model with settings"):
            fitkit.grid(document(), PATCHES, settings=lambda model: None)
        result = fitkit.grid(
            document(), PATCHES, settings=lambda model: model.with_fixed("jes")
        )
        assert not result.converged.any()
        assert "no parameter is called 'jes'" in result.messages[0]
        fixed = fitkit.grid(
            document(), PATCHES, settings=lambda model: model.with_fixed("mu")
        )
        assert "'mu' is fixed" in fixed.messages[0]


class TestBadPoints:
    """They are rows with their reason; the others are as they were."""

    def test_one_that_cannot_be_read(self, serial):
        patches = dict(PATCHES)
        patches["s1"] = [{"op": "remove", "path": "/channels/7"}]
        result = fitkit.grid(document(), patches, chunk=2)
        assert result.converged.tolist() == [True, False, True, True, True, True]
        assert "does not apply" in result.messages[1]
        assert np.isnan(result["cls_expected"][1]).all()
        keep = [0, 2, 3, 4, 5]
        np.testing.assert_allclose(result["cls"][keep], serial["cls"][keep], rtol=1e-8)
        assert "1 without a result" in repr(result)

    def test_one_that_cannot_be_fitted(self):
        patches = dict(PATCHES)
        patches["s2"] = [
            {"op": "replace", "path": f"/channels/0/samples/{i}/data/0", "value": 0.0}
            for i in range(2)
        ]
        result = fitkit.grid(document(), patches, chunk=2)
        assert result.converged.tolist() == [True, True, False, True, True, True]
        assert "channel 'SR' bin 0" in result.messages[2]

    def test_one_without_a_parameter_of_interest(self):
        patches = dict(PATCHES)
        patches["s0"] = [{"op": "remove", "path": "/channels/0/samples/0"}]
        result = fitkit.grid(document(), patches, chunk=2)
        assert "no parameter of interest" in result.messages[0]
        assert "Apply the signal's patch" not in result.messages[0]
        assert result.converged.sum() == 5
        assert fitkit.grid(document(), patches, fitkit.fit).converged.all()

    def test_one_without_an_observed_limit(self):
        """A signal of nothing: its limits are missing, the others stand."""
        patches = {"s1": PATCHES["s1"], "none": replaced([0.0, 0.0])}
        result = fitkit.grid(document(), patches, fitkit.upper_limit)
        assert result.converged.tolist() == [True, False]
        assert "may not reach the level" in result.messages[1]


def test_rows_are_json(serial):
    rows = json.loads(json.dumps(serial.rows()))
    assert [row["name"] for row in rows] == list(serial.names)
    np.testing.assert_array_equal(
        [row["cls_expected"] for row in rows], serial["cls_expected"]
    )


def task(document):
    """A group of one point with this document."""
    point = Point("a", document=document)
    return Task((point,), fitkit.fit, {}, Choices())


class TestOnDisk:
    def restart(self, folder, caplog, patches=PATCHES, start=None, **options):
        caplog.clear()
        start = start or document()
        with caplog.at_level(logging.INFO, "fitkit.grid"):
            result = fitkit.grid(start, patches, chunk=2, folder=folder, **options)
        return result, caplog.text

    def test_it_goes_on_where_it_ended(self, serial, tmp_path, caplog):
        seen = []

        class Interrupted(Exception):
            pass

        def stop(done, total):
            seen.append((done, total))
            if done >= 2:
                raise Interrupted

        with pytest.raises(Interrupted):
            fitkit.grid(document(), PATCHES, chunk=2, folder=tmp_path, progress=stop)
        assert seen == [(0, 6), (2, 6)]
        result, log = self.restart(tmp_path, caplog)
        assert "skipped 1 of 3 groups" in log
        same(result, serial)
        _, log = self.restart(tmp_path, caplog)
        assert "skipped 3 of 3 groups" in log

    @pytest.mark.parametrize("keep", [0, 100, -2])
    def test_a_half_written_file_is_redone(self, serial, tmp_path, caplog, keep):
        self.restart(tmp_path, caplog)
        path = sorted(tmp_path.iterdir())[0]
        path.write_bytes(path.read_bytes()[:keep])
        result, log = self.restart(tmp_path, caplog)
        assert "damaged" in log
        assert "skipped 2 of 3 groups" in log
        same(result, serial)

    def test_a_changed_digit_is_noticed(self, serial, tmp_path, caplog):
        self.restart(tmp_path, caplog)
        path = sorted(tmp_path.iterdir())[0]
        content = json.loads(path.read_text())
        content["rows"][0]["cls"] += 0.1
        path.write_text(json.dumps(content))
        result, log = self.restart(tmp_path, caplog)
        assert "damaged" in log
        same(result, serial)

    def test_what_changed_is_redone(self, serial, tmp_path, caplog):
        self.restart(tmp_path, caplog)
        patches = {**PATCHES, "s5": replaced([20.0, 3.0])}
        result, log = self.restart(tmp_path, caplog, patches)
        assert "skipped 2 of 3 groups" in log
        assert result["cls"][5] < serial["cls"][5]
        _, log = self.restart(tmp_path, caplog, statistic=fitkit.QMu())
        assert "skipped 0 of 3 groups" in log

    def test_the_last_digit_of_an_option_counts(self, tmp_path, caplog):
        """A `repr` of an array has eight digits."""
        value = np.array([1.0, 2.0])
        changed = value + 1e-12
        assert repr(value) == repr(changed)
        for poi_value in (value, changed):
            _, log = self.restart(tmp_path, caplog, poi_value=poi_value)
            assert "skipped 0 of 3 groups" in log

    def test_arrays_in_documents_count_whole(self, tmp_path):
        """Digests of both documents differ where their `repr` is the same."""
        counts = np.full(3000, 50.0)
        changed = counts.copy()
        changed[1500] += 1e-12
        assert repr(counts) == repr(changed)
        assert key_of(task({"data": counts})) != key_of(task({"data": changed}))
        assert key_of(task({"data": counts})) == key_of(task({"data": counts.copy()}))

    def test_types_and_bounds_of_values_count(self):
        """What JSON, or one text after another, would confuse."""
        inputs = [
            {"a": 1},
            {"a": 1.0},
            {"a": True},
            {"a": "1"},
            {"a": [1]},
            {"a": None},
        ]
        inputs += [{"a": "bc", "d": ""}, {"a": "b", "cd": ""}, {"a": ["b", "c"]}]
        keys = {key_of(task(each)) for each in inputs}
        assert len(keys) == len(inputs)
        with pytest.raises(TypeError, match="told apart by their bytes; got a object"):
            key_of(task({"a": object()}))

    @pytest.mark.parametrize(
        "package", ["fitkit", "equinox", "optimistix", "jax", "numpy"]
    )
    def test_another_version_is_another_input(self, monkeypatch, package):
        before = key_of(task({}))
        version = metadata.version
        monkeypatch.setattr(
            metadata, "version", lambda n: "0" if n == package else version(n)
        )
        assert key_of(task({})) != before

    def test_settings_count_by_what_they_do(self, tmp_path, caplog):
        start = with_control_region()
        same_name = [
            lambda model: model.with_masked("CR"),
            lambda model: model.with_fixed(xs=0.5),
            lambda model: model.with_fixed(xs=0.5 + 1e-15),
        ]
        for settings in same_name:
            for skipped in (0, 3):
                _, log = self.restart(tmp_path, caplog, start=start, settings=settings)
                assert f"skipped {skipped} of 3 groups" in log


class TestExecutors:
    def test_processes(self, serial):
        spawn = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=spawn) as pool:
            same(fitkit.grid(document(), PATCHES, chunk=2, executor=pool), serial)

    def test_threads_of_dask(self, serial):
        distributed = pytest.importorskip("distributed")
        with (
            distributed.LocalCluster(
                n_workers=1, processes=False, dashboard_address=":0"
            ) as cluster,
            distributed.Client(cluster) as client,
            client.get_executor() as executor,
        ):
            same(fitkit.grid(document(), PATCHES, chunk=2, executor=executor), serial)


def with_systematics(count):
    """A patch that adds systematics to the background: a model of another shape."""
    path = "/channels/0/samples/1/modifiers/-"
    names = [f"extra{i}" for i in range(count)]
    value = {"type": "normsys", "data": {"lo": 0.95, "hi": 1.05}}
    return [{"op": "add", "path": path, "value": {"name": n, **value}} for n in names]


# Four groups of one shape, then three of others. Each tests so many values that what is
# killed after the first three groups is at work.
MIXED = {f"s{k}": replaced([4.0 + 2 * k, 3.0 + k]) for k in range(8)} | {
    f"{count} more, {s}": [*replaced([s, 4.0]), *with_systematics(count)]
    for count in (1, 2, 3)
    for s in (6.0, 9.0)
}
VALUES = np.linspace(0.2, 3.0, 60).tolist()
GROUPS = 7
ENOUGH = 3  # 43 % of the groups

DRIVER = """
import json, sys
import fitkit

if __name__ == "__main__":
    document, patches, values = json.load(sys.stdin)
    fitkit.grid(document, patches, chunk=2, folder=sys.argv[1], poi_value=values)
"""


@pytest.fixture(scope="module")
def mixed():
    result = fitkit.grid(document(), MIXED, chunk=2, poi_value=VALUES)
    assert result.converged.all()
    return result


@pytest.fixture(scope="module")
def dask():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=4, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.slow
class TestKilled:
    """Of 4 workers in processes, of a pool, or the driver: nothing on disk is lost."""

    def go_on(self, folder, caplog):
        """The result of a restart, with how many groups it skipped."""
        written = len(list(folder.glob("*.json")))
        caplog.clear()
        with caplog.at_level(logging.INFO, "fitkit.grid"):
            result = fitkit.grid(
                document(), MIXED, chunk=2, folder=folder, poi_value=VALUES
            )
        return result, written, caplog.text

    def test_a_worker_of_dask(self, mixed, dask, tmp_path, caplog):
        """Dask hands the work of a dead worker to the others: the call goes on.

        Some are at work when the third group is on disk.
        """
        killed = []

        def kill_one(done, total):
            if done >= 2 * ENOUGH and not killed:
                # those at work: they are in the middle of a group
                tasks = dask.processing()
                # Between two groups nobody may be at work: then anyone.
                at_work = sorted(tasks, key=lambda name: not tasks[name])
                pids = dask.run(os.getpid, workers=at_work[:1])
                killed.extend(pids.values())
                os.kill(killed[0], signal.SIGKILL)

        with dask.get_executor() as executor:
            result = fitkit.grid(
                document(),
                MIXED,
                chunk=2,
                folder=tmp_path,
                poi_value=VALUES,
                executor=executor,
                progress=kill_one,
            )
        assert killed
        assert killed[0] not in dask.run(os.getpid).values()
        same(result, mixed)
        result, written, log = self.go_on(tmp_path, caplog)
        assert written == GROUPS
        assert f"skipped {GROUPS} of {GROUPS} groups" in log
        same(result, mixed)

    def test_four_processes_of_dask(self, mixed, dask):
        with dask.get_executor() as executor:
            same(
                fitkit.grid(
                    document(), MIXED, chunk=2, executor=executor, poi_value=VALUES
                ),
                mixed,
            )

    def test_a_worker_of_a_pool(self, mixed, tmp_path, caplog):
        spawn = multiprocessing.get_context("spawn")
        before = set(multiprocessing.active_children())
        killed = []

        def kill_one(done, total):
            # Once: it is called again before the pool knows of its loss.
            if done >= 2 * ENOUGH and not killed:
                workers = set(multiprocessing.active_children()) - before
                killed.append(workers.pop().pid)
                os.kill(killed[0], signal.SIGKILL)

        with (
            pytest.raises(concurrent.futures.BrokenExecutor),
            concurrent.futures.ProcessPoolExecutor(2, mp_context=spawn) as pool,
        ):
            fitkit.grid(
                document(),
                MIXED,
                chunk=2,
                folder=tmp_path,
                poi_value=VALUES,
                executor=pool,
                progress=kill_one,
            )
        result, written, log = self.go_on(tmp_path, caplog)
        assert ENOUGH <= written < GROUPS
        assert f"skipped {written} of {GROUPS} groups" in log
        same(result, mixed)

    def test_the_driver(self, mixed, tmp_path, caplog):
        command = [sys.executable, "-c", DRIVER, str(tmp_path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as driver:
            driver.stdin.write(json.dumps([document(), MIXED, VALUES]))
            driver.stdin.close()
            while len(list(tmp_path.glob("*.json"))) < ENOUGH:
                assert driver.poll() is None, "the driver ended by itself"
                time.sleep(0.05)
            driver.kill()
        assert driver.returncode == -signal.SIGKILL
        # What a crash of the machine leaves of a file: its beginning.
        path = sorted(tmp_path.glob("*.json"))[0]
        path.write_bytes(path.read_bytes()[:100])
        result, written, log = self.go_on(tmp_path, caplog)
        assert ENOUGH <= written < GROUPS
        assert f"{path} is damaged; its group is computed again" in log
        assert f"skipped {written - 1} of {GROUPS} groups" in log
        same(result, mixed)
        _, _, log = self.go_on(tmp_path, caplog)
        assert f"skipped {GROUPS} of {GROUPS} groups" in log


class TestMessages:
    def test_options(self):
        with pytest.raises(ValueError, match=r"has no option 'levl'.*level"):
            fitkit.grid(document(), PATCHES, fitkit.upper_limit, levl=0.1)
        with pytest.raises(ValueError, match="one of hypotest, upper_limit, discovery"):
            fitkit.grid(document(), PATCHES, fitkit.scan)
        with pytest.raises(ValueError, match="does not take the statistic `Q0`"):
            fitkit.grid(document(), PATCHES, statistic=fitkit.Q0())
        toys = fitkit.Toys(jax.random.key(0), 10)
        with pytest.raises(ValueError, match="must be `Asymptotics`"):
            fitkit.grid(document(), PATCHES, calculator=toys)

    def test_names_come_once(self):
        twice = [fitkit.Patch("a", (), replaced([1.0, 1.0]))] * 2
        with pytest.raises(ValueError, match="have the name 'a'"):
            fitkit.grid(document(), twice)

    def test_no_point(self):
        with pytest.raises(ValueError, match="at least one point"):
            fitkit.grid(document(), {})


def models():
    """As patches of the document, but read before: a pair for each signal."""
    pairs = {}
    for size in (8.0, 16.0):
        changed = document()
        changed["channels"][0]["samples"][0]["data"] = [size, size / 2]
        pairs[f"s = {size:g}"] = fitkit.read_workspace(changed)
    return pairs


def fix_the_background(model):
    """For workers: a function of a module pickles."""
    return model.with_fixed(xs=0.0)


def test_models_of_any_reader():
    """Equal to a call for each of them; HS3, cards and XML give the same pairs."""
    pairs = models()
    for compute, column in ((fitkit.hypotest, "cls"), (fitkit.upper_limit, "observed")):
        result = fitkit.grid(pairs, compute=compute)
        assert result.names == tuple(pairs)
        single = [getattr(compute(*pair), column) for pair in pairs.values()]
        np.testing.assert_allclose(result[column], single, **SAME)
    fixed = fitkit.grid(pairs, settings=fix_the_background)
    single = [
        fitkit.hypotest(fix_the_background(model), data).cls
        for model, data in pairs.values()
    ]
    np.testing.assert_allclose(fixed["cls"], single, **SAME)


def test_models_on_workers_and_on_disk(tmp_path):
    """Of a card, whose model has terms and rules of its own."""
    card = tmp_path / "card.txt"
    card.write_text(
        "imax 1\njmax 1\nkmax *\nbin a\nobservation 12\nbin a a\nprocess s b\n"
        "process 0 1\nrate 6 9\nlumi lnN 1.02 -\nxs lnN - 1.2/0.9\n"
    )
    pairs = {"card": fitkit.read_combine_card(card)}
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as executor:
        result = fitkit.grid(pairs, executor=executor, folder=tmp_path / "kept")
    expected = fitkit.hypotest(*pairs["card"]).cls
    np.testing.assert_allclose(result["cls"], [expected], **SAME)
    (kept,) = (tmp_path / "kept").iterdir()
    # The same model is found there, another one is not.
    again = {"card": fitkit.read_combine_card(card)}
    fitkit.grid(again, folder=tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == [kept]
    fitkit.grid(models(), folder=tmp_path / "kept")
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_models_take_no_patches():
    with pytest.raises(ValueError, match="are for a document, not for models"):
        fitkit.grid(models(), {"p": []})


def test_a_model_without_a_parameter_of_interest_is_a_row_that_says_so():
    model, data = fitkit.read_workspace(document(), poi=None)
    result = fitkit.grid({"none": (model, data)})
    assert "has no parameter of interest" in result.messages[0]
    assert fitkit.grid({"none": (model, data)}, compute=fitkit.fit).converged.all()
