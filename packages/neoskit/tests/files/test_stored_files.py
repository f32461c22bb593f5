"""`source.in_memory = false`: files of every kind → events on disk, part by part."""

import tomllib

import numpy as np
import pytest

import neoskit
from neoskit._events.files.root import _ranges
from neoskit._run.builders import absolute, build_dataset
from neoskit._run.builders.stored import stored_dataset
from neoskit._run.config import ConfigError, parse_config

pytest.importorskip("numexpr", reason="needs an extra of neoskit that reads files")

BASE = """
[source]
kind = "files"
features = { log_pt = "log(pt)", mjj = "mjj" }
missing = { mjj = { values = -999, neutral = 200 } }
weight = "w"
[[samples]]
name = "signal"
files = "signal.root"
[[samples]]
name = "z16"
process = "z"
files = "z16.parquet"
[[samples]]
name = "z17"
process = "z"
files = ["z17a.csv", { path = "z17b.csv", scale = 0.5 }]
filter = "mjj != 0"
scale = -2.0
[data]
files = "data.parquet"
filter = "q != 0"
[[channels]]
name = "SR"
filter = ["q > 0", "pt > 30"]
[[channels]]
name = "CR"
filter = "q < 0"
variable = "pt"
binning = [0, 40, 200]
"""


@pytest.fixture
def events(write):
    """The columns of every file, by name, and the folder in which the files are."""
    names = ("signal.root", "z16.parquet", "z17a.csv", "z17b.csv", "data.parquet")
    made = {}
    for seed, name in enumerate(names):
        rng = np.random.default_rng(seed)
        mjj = rng.uniform(50, 400, 80)
        mjj[::3] = -999
        made[name] = {
            "pt": rng.uniform(10, 100, 80),
            "mjj": mjj,
            "q": rng.choice([-1, 1], 80),
            "w": rng.uniform(0.1, 0.5, 80),
        }
        path = write(name, made[name])
    # A shifted twin of z16, with the same events in another order of pt.
    z16 = made["z16.parquet"]
    write("z16_up.parquet", z16 | {"pt": z16["pt"] * 1.2})
    return made, path.parent


def config(text=BASE, more=""):
    return parse_config(tomllib.loads(text + more))


ON_DISK = BASE.replace('weight = "w"', 'weight = "w"\nin_memory = false', 1)
SHIFTS = """
[[systematics]]
name = "pt"
samples = ["z16"]
up = { files = { z16 = "z16_up.parquet" } }
down = { columns = { pt = "0.9 * pt" } }
[[systematics]]
name = "scale"
up = { factor = "1 + 0.1 * (pt > 70)" }
down = { factor = "1 - 0.1 * (pt > 70)" }
"""


@pytest.mark.parametrize("rows", [7, 1000])
def test_the_events_are_those_in_memory(events, rows):
    _, folder = events
    described = config(more=SHIFTS)
    dataset = build_dataset(described, folder)
    stored = stored_dataset(described, folder, chunk_size=rows)
    for (key, a), (other, b) in zip(
        dataset.samples(), stored.in_memory().samples(), strict=True
    ):
        assert key == other
        np.testing.assert_array_equal(a.features, b.features)
        np.testing.assert_array_equal(a.weights, b.weights)
        np.testing.assert_array_equal(a.index, b.index)
    assert stored.counted == dataset.counted
    alone = {str(key.shift) for key, sample in stored.samples() if sample.weights_alone}
    assert alone == {"scale:up", "scale:down"}


def test_a_description_says_where_they_are(events, tmp_path):
    _, folder = events
    text = ON_DISK.replace("in_memory", 'scratch = "there"\nin_memory', 1)
    stored = build_dataset(config(text, "[training]\nchunk = 30"), folder)
    assert isinstance(stored, neoskit.StoredDataset)
    assert stored.chunk_size == 30
    assert stored.folder.parent == folder / "there"
    (place,) = (folder / "there").iterdir()
    before = place.stat().st_mtime_ns
    # Who asks for the same events has them; another selection is written beside them.
    again = build_dataset(config(text), folder)
    assert again.folder == place
    assert place.stat().st_mtime_ns == before
    build_dataset(config(text.replace("q != 0", "q < 9")), folder)
    assert [*(folder / "there").iterdir()] == [place]  # of the data nothing is stored
    build_dataset(config(text.replace("mjj != 0", "mjj > 60")), folder)
    assert len([*(folder / "there").iterdir()]) == 2
    moved = absolute(config(text), folder).source
    assert moved.scratch == str(folder / "there")


def test_another_file_is_another_dataset(events, write):
    made, folder = events
    described = config(ON_DISK)
    first = stored_dataset(described, folder, folder / "there")
    write("signal.root", {k: v[:60] for k, v in made["signal.root"].items()})
    second = stored_dataset(described, folder, folder / "there")
    assert first.folder != second.folder
    assert len(first.channels["SR"]["signal"].nominal) > len(
        second.channels["SR"]["signal"].nominal
    )


def test_what_is_refused(events):
    _, folder = events
    with pytest.raises(ConfigError, match="`scratch` is for events that are not in"):
        config(BASE.replace('weight = "w"', 'weight = "w"\nscratch = "x"', 1))
    with pytest.raises(ConfigError, match=r"`training\.batch` draws events at random"):
        config(ON_DISK, "[training]\nbatch = 100")
    empty = ON_DISK.replace('"pt > 30"', '"pt > 1e6"', 1)
    with pytest.raises(ConfigError, match=r"no events.*`samples\.0\.channels`"):
        build_dataset(config(empty), folder)
    # What cannot be read leaves no folder that looks whole.
    with pytest.raises(ConfigError, match="nosuch"):
        stored_dataset(
            config(ON_DISK.replace('"mjj"', '"nosuch"', 1)), folder, folder / "there"
        )
    assert not [*folder.glob("there/*")]
    analysis = neoskit.Analysis.from_dict({"source": {"kind": "blobs"}})
    with pytest.raises(ConfigError, match="there are no files"):
        analysis.stored_dataset()


def test_ranges_end_where_clusters_do():
    assert [*_ranges([0, 10, 20, 30, 47, 48, 48], 25)] == [(0, 20), (20, 30), (30, 48)]
    assert [*_ranges([100], 30)] == [(0, 30), (30, 60), (60, 90), (90, 100)]
    assert [*_ranges([0], 5)] == []


def test_clusters_of_a_tree_and_of_an_ntuple(tmp_path):
    uproot = pytest.importorskip("uproot", reason="needs the extra `neoskit[root]`")
    from neoskit._events.files import open_events

    path = tmp_path / "clusters.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("tree", {"a": "f4", "b": "f8"})
        for count in (40, 25, 60):
            tree.extend({"a": np.arange(count), "b": np.arange(count)})
        ntuple = file.mkrntuple("ntuple", {"a": np.arange(50)})
        ntuple.extend({"a": np.arange(30)})
    expected = {"tree": [(0, 65), (65, 60)], "ntuple": [(0, 50), (50, 30)]}
    for name, pieces in expected.items():
        with open_events(path, tree=name) as file:
            found = [(start, len(c["a"])) for start, c in file.parts(["a"], 70)]
        assert found == pieces
