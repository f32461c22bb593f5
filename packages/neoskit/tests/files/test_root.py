"""`read_root`: what it reads, and what it says where a file is not as asked for."""

import numpy as np
import pytest

import neoskit

uproot = pytest.importorskip("uproot", reason="needs the extra `neoskit[root]`")


@pytest.fixture
def branches():
    rng = np.random.default_rng(5)
    return {
        "pt_1": rng.uniform(10, 100, 50).astype(np.float32),
        "eta_1": rng.normal(size=50),
        "q_1": rng.choice([-1, 1], 50).astype(np.int32),
        "weight": np.full(50, 0.25, np.float32),
    }


@pytest.fixture
def path(tmp_path, branches):
    return _write(tmp_path / "ztt.root", branches)


def _write(path, branches, tree="Events"):
    with uproot.recreate(path) as file:
        file.mktree(tree, {name: v.dtype for name, v in branches.items()})
        file[tree].extend(branches)
    return path


def test_features_weights_and_index(path, branches):
    events = neoskit.read_root(path, ["pt_1", "eta_1"], weight="weight")
    assert events.names == ("pt_1", "eta_1")
    assert events.features.dtype == np.float32
    np.testing.assert_array_equal(events.features[:, 0], branches["pt_1"])
    np.testing.assert_array_equal(
        events.features[:, 1], branches["eta_1"].astype(np.float32)
    )
    np.testing.assert_array_equal(events.weights, np.full(50, 0.25))
    np.testing.assert_array_equal(events.index, np.arange(50))


def test_selection_keeps_the_entry_numbers(path, branches):
    events = neoskit.read_root(path, ["pt_1"], selection="(pt_1 > 40) & (q_1 < 0)")
    kept = np.flatnonzero((branches["pt_1"] > 40) & (branches["q_1"] < 0))
    assert 0 < kept.size < 50
    np.testing.assert_array_equal(events.index, kept)
    np.testing.assert_array_equal(events.features[:, 0], branches["pt_1"][kept])
    np.testing.assert_array_equal(events.weights, np.ones(kept.size))


def test_expressions_get_names_and_scale_may_be_negative(path, branches):
    events = neoskit.read_root(
        path,
        {"abs_eta": "abs(eta_1)", "log_pt": "log(pt_1)"},
        weight="weight * q_1",
        scale=-2.0,
    )
    assert events.names == ("abs_eta", "log_pt")
    np.testing.assert_allclose(
        events.features,
        np.stack([np.abs(branches["eta_1"]), np.log(branches["pt_1"])], axis=-1),
        rtol=1e-6,  # float32
    )
    np.testing.assert_allclose(events.weights, -0.5 * branches["q_1"])


def test_pieces_are_as_the_whole(path, branches, monkeypatch):
    monkeypatch.setattr("neoskit._events.read.ROWS", 7)
    columns = neoskit.read_columns(path, ["pt_1"], selection="q_1 > 0")
    kept = np.flatnonzero(branches["q_1"] > 0)
    np.testing.assert_array_equal(columns["entry"], kept)
    np.testing.assert_array_equal(columns["pt_1"], branches["pt_1"][kept])
    assert columns["pt_1"].dtype == np.float32


def test_a_branch_named_twice_is_read_once(path, branches):
    events = neoskit.read_root(path, {"a": "pt_1", "b": "pt_1"}, weight="pt_1")
    np.testing.assert_array_equal(events.features[:, 0], events.features[:, 1])
    np.testing.assert_array_equal(events.weights, branches["pt_1"])


def test_wrong_path_names_the_near_file(path):
    with pytest.raises(FileNotFoundError, match=r"zt\.root\. Did you mean 'ztt\.root'"):
        neoskit.read_root(path.with_name("zt.root"), ["pt_1"])


def test_missing_folder_is_named(path):
    wrong = path.parent / "nowhere" / "ztt.root"
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere"):
        neoskit.read_root(wrong, ["pt_1"])


def test_not_a_root_file(tmp_path):
    path = tmp_path / "notes.root"
    path.write_text("these are not the bytes")
    with pytest.raises(ValueError, match=r"notes\.root cannot be read as a ROOT file"):
        neoskit.read_root(path, ["pt_1"])


def test_missing_tree_names_the_near_one(path):
    with pytest.raises(ValueError, match=r"No tree 'events'.*Did you mean 'Events'\?"):
        neoskit.read_root(path, ["pt_1"], tree="events")


def test_a_tree_without_relatives_lists_what_there_is(path):
    with pytest.raises(ValueError, match=r"No tree 'qqqq'.*There are: Events\."):
        neoskit.read_root(path, ["pt_1"], tree="qqqq")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"features": ["pt1"]}, r"No column 'pt1' in tree .* Did you mean 'pt_1'"),
        (
            {"features": ["pt_1"], "weight": "wieght"},
            r"No column 'wieght' .* Did you mean 'weight'",
        ),
        (
            {"features": ["pt_1"], "selection": "(mt_1 < 30) & (q_1 > 0)"},
            r"No column 'mt_1' \(in '\(mt_1 < 30\)",
        ),
    ],
)
def test_missing_branch(path, arguments, named):
    with pytest.raises(ValueError, match=named):
        neoskit.read_root(path, **arguments)


def test_not_an_expression(path):
    with pytest.raises(ValueError, match="'pt_1 >' is no expression: invalid syntax"):
        neoskit.read_root(path, ["pt_1"], selection="pt_1 >")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("branch", ["eta_1", "weight"])
def test_non_finite_value_names_file_branch_and_entry(tmp_path, branches, branch, bad):
    branches[branch][[7, 9]] = bad
    path = _write(tmp_path / "broken.root", branches)
    with pytest.raises(ValueError, match=rf"'{branch}' is {bad} at entry 7") as raised:
        neoskit.read_root(path, ["pt_1", "eta_1"], weight="weight")
    assert f"{path} (2 of 50 selected" in str(raised.value)
    way_out = neoskit.read_root(
        path, ["pt_1", "eta_1"], weight="weight", selection=f"isfinite({branch})"
    )
    assert len(way_out) == 48


def test_nothing_passes(path):
    with pytest.raises(ValueError, match=r"no entry .*ztt\.root passes .*'pt_1 > 500'"):
        neoskit.read_root(path, ["pt_1"], selection="pt_1 > 500")


def test_columns_of_a_file_without_events(tmp_path, branches):
    path = _write(tmp_path / "none.root", {k: v[:0] for k, v in branches.items()})
    columns = neoskit.read_columns(path, ["pt_1"])
    assert columns["pt_1"].shape == columns["entry"].shape == (0,)
    with pytest.raises(ValueError, match=r"no entry of .*none\.root"):
        neoskit.read_root(path, ["pt_1"])


def test_several_values_per_entry(tmp_path):
    ak = pytest.importorskip("awkward")
    path = tmp_path / "jets.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {"jet_pt": "var * float64"})
        file["Events"].extend({"jet_pt": ak.Array([[1.0, 2.0], [], [3.0]])})
    with pytest.raises(ValueError, match=r"'jet_pt'.* several values per event"):
        neoskit.read_root(path, ["jet_pt"])
