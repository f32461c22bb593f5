"""`read_root`, `read_parquet`, `read_csv`: the same events from every kind of file."""

import gzip
import resource
import sys

import numpy as np
import pytest

import neoskit
from neoskit._events.event_files import EventFiles, files_of
from neoskit._events.files import open_events
from neoskit._events.view import View

pytest.importorskip("numexpr", reason="needs an extra of neoskit that reads files")

MISSING = {"mjj": neoskit.Missing((-999,), 200.0, "no_jets")}


def read(kind, path, *args, **kwargs):
    return getattr(neoskit, f"read_{kind}")(path, *args, **kwargs)


def test_the_same_events_from_every_kind(kind, write, columns):
    name, reads = kind
    events = read(
        reads,
        write(name, columns),
        {"log_pt": "log(pt)", "mjj": "mjj", "double": "2 * half"},
        weight=["w", "sf"],
        selection="q > 0 and pt < 80",
        scale=-2.0,
        columns={"half": "pt / 2"},
        missing=MISSING,
        index="event",
    )
    kept = (columns["q"] > 0) & (columns["pt"] < 80)
    none = columns["mjj"] == -999
    expected = [
        np.log(columns["pt"]),
        np.where(none, 200, columns["mjj"]),
        columns["pt"],
        none,
    ]
    assert events.names == ("log_pt", "mjj", "double", "no_jets")
    # Features are float32.
    np.testing.assert_allclose(
        events.features, np.stack(expected, axis=-1)[kept], rtol=1e-6
    )
    weights = -2 * (columns["w"] * columns["sf"])[kept]
    np.testing.assert_allclose(events.weights, weights, rtol=1e-15)
    np.testing.assert_array_equal(events.index, columns["event"][kept])


def test_many_files_with_a_factor_each(kind, write, columns, more_columns):
    name, reads = kind
    first = write(f"a/1_{name}", columns)
    second = write(f"a/2_{name}", more_columns)
    both = read(reads, first.parent / f"*_{name}", ["pt"], weight="w")
    apart = [read(reads, path, ["pt"], weight="w") for path in (first, second)]
    np.testing.assert_array_equal(
        both.features, np.concatenate([e.features for e in apart])
    )
    scaled = read(reads, {first: 0.5, second: 3.0}, ["pt"], weight="w")
    np.testing.assert_allclose(
        scaled.weights,
        np.concatenate([0.5 * apart[0].weights, 3.0 * apart[1].weights]),
    )
    # The first file's index is the entry; the second's is none of those.
    assert len(np.unique(both.index)) == 120
    np.testing.assert_array_equal(both.index[:60], np.arange(60))


def test_a_shifted_twin_in_other_files_has_the_same_index(write, columns, more_columns):
    nominal = [write(f"n{i}.parquet", c) for i, c in enumerate((columns, more_columns))]
    up = [
        write(f"u{i}.csv", c | {"pt": c["pt"] * 1.1})
        for i, c in enumerate((columns, more_columns))
    ]
    first = neoskit.read_parquet(nominal, ["pt"])
    second = neoskit.read_csv(up, ["pt"])
    np.testing.assert_array_equal(first.index, second.index)


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_parts_add_up_to_the_whole(kind, write, columns, more_columns, rows):
    name, _ = kind
    paths = [write(f"1_{name}", columns), write(f"2_{name}", more_columns)]
    files = EventFiles(tuple(paths), (1.0, 0.5), {"x": "pt / 2"})
    views = [
        View({"x": "x"}, ("w",), selection=("q > 0",)),
        View(
            {"x": "x", "mjj": "mjj"},
            selection=("q < 0",),
            shift={"pt": "2 * pt"},
            missing=MISSING,
        ),
    ]
    parts = list(files.parts(views, rows=rows))
    (whole,) = [[*files.parts(views, rows=10_000)]]
    for view in range(2):
        for field in ("features", "weights", "index"):
            np.testing.assert_array_equal(
                np.concatenate([getattr(part[view][0], field) for part in parts]),
                np.concatenate([getattr(part[view][0], field) for part in whole]),
            )
    assert max(len(part[0][0]) for part in parts) <= rows


def test_parquet_row_groups_of_any_size_are_as_one(write, columns):
    one = write("one.parquet", columns)
    many = write("many.parquet", columns, row_group_size=11)
    for path in (one, many):
        with open_events(path) as file:
            starts = [start for start, _ in file.parts(["pt"], 25)]
            assert starts[:2] in ([0, 25], [0, 11])
    first, second = (neoskit.read_parquet(p, ["pt"], weight="w") for p in (one, many))
    np.testing.assert_array_equal(first.features, second.features)
    np.testing.assert_array_equal(first.index, second.index)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kB on Linux")
def test_memory_is_that_of_a_part(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path = tmp_path / "large.parquet"
    schema = pa.schema([(f"x{i}", pa.float64()) for i in range(10)])
    group = pa.table(
        {f: np.random.default_rng(0).normal(size=200_000) for f in schema.names}
    )
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for _ in range(10):
            writer.write_table(group)
    files = EventFiles((path,), (1.0,))
    view = View({f: f for f in schema.names})
    parts = files.parts([view], rows=20_000)
    next(parts)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = sum(len(part) for ((part,),) in parts)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert total == 2_000_000 - 20_000
    # The file holds 160 MB; a row group 16 MB. Allocators keep some of what was freed.
    assert grown < 80_000


def test_structs_and_lists_of_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    ak = pytest.importorskip("awkward")
    import pyarrow.parquet

    path = tmp_path / "nested.parquet"
    events = ak.Array(
        [
            {"lep": {"pt": 20.0, "eta": 0.5}, "jet_pt": [40.0, 30.0]},
            {"lep": {"pt": 30.0, "eta": -0.5}, "jet_pt": []},
        ]
    )
    pyarrow.parquet.write_table(
        pa.Table.from_batches(
            [
                pa.RecordBatch.from_struct_array(
                    ak.to_arrow(events, extensionarray=False)
                )
            ]
        ),
        path,
    )
    found = neoskit.read_parquet(path, ["lep.pt", "max(jet_pt, 0)", "count(jet_pt)"])
    np.testing.assert_array_equal(found.features, [[20, 40, 2], [30, 0, 0]])


def test_fields_of_ntuples(tmp_path):
    ak = pytest.importorskip("awkward")
    uproot = pytest.importorskip("uproot")
    path = tmp_path / "fields.root"
    leptons = ak.Array([{"pt": 1.0, "eta": 2.0}, {"pt": 3.0, "eta": 4.0}])
    jets = ak.Array([[{"pt": 5.0}, {"pt": 6.0}], []])
    with uproot.recreate(path) as file:
        file.mkrntuple("Events", {"lep": leptons, "jets": jets})
    found = neoskit.read_root(path, ["lep.pt", "2 * lep.eta", "max(jets.pt, 0)"])
    np.testing.assert_array_equal(found.features, [[1, 4, 6], [3, 8, 0]])
    with pytest.raises(ValueError, match="'lep' has several values per event"):
        neoskit.read_root(path, ["lep"])


def test_lists_of_every_kind_of_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("awkward")
    import pyarrow.parquet

    path = tmp_path / "lists.parquet"
    table = pa.table(
        {
            "some": pa.array([[1.0, 2.0], None, []], pa.list_(pa.float32())),
            "large": pa.array([[1], [2, 3], []], pa.large_list(pa.int64())),
            "two": pa.array(
                [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float64(), 2)
            ),
            "flags": pa.array([[True], [False, True], []], pa.list_(pa.bool_())),
        }
    )
    pyarrow.parquet.write_table(table, path)
    texts = ["count(some)", "sum(large)", "two[1]", "any(flags)", "max(some, -1)"]
    found = neoskit.read_parquet(path, texts)
    expected = [[2, 1, 2, 1, 2], [0, 5, 4, 1, -1], [0, 0, 6, 0, -1]]
    np.testing.assert_array_equal(found.features, expected)


def test_nulls_are_nan_and_may_be_missing(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path = tmp_path / "nulls.parquet"
    pyarrow.parquet.write_table(
        pa.table({"n": [1, None, 3], "x": [1.0, 2.0, None]}), path
    )
    with pytest.raises(ValueError, match=r"feature 'n' is nan at entry 1 of .*nulls"):
        neoskit.read_parquet(path, ["n"])
    missing = {"n": neoskit.Missing((float("nan"), -7), 0.0, None)}
    events = neoskit.read_parquet(path, ["n"], missing=missing)
    np.testing.assert_array_equal(events.features[:, 0], [1, 0, 3])


def test_a_csv_column_that_starts_with_whole_numbers(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_text("x,ok,id\n1,true,9007199254740993\n2.5,false,9007199254740995\n")
    events = neoskit.read_csv(path, ["x", "ok"], index="id")
    np.testing.assert_array_equal(events.features, [[1, 1], [2.5, 0]])
    # 2⁵³ + 1 and 2⁵³ + 3: as floats they would be one number.
    assert len(set(events.index.tolist())) == 2


def test_indicators_may_be_shared(write, columns):
    path = write("t.parquet", columns | {"eta": np.where(columns["mjj"] < 0, -7, 1.0)})
    events = neoskit.read_parquet(
        path,
        ["mjj", "eta"],
        missing={
            "mjj": neoskit.Missing((-999,), 200.0, "no_jets"),
            "eta": neoskit.Missing((-7,), 0.0, "no_jets"),
        },
    )
    assert events.names == ("mjj", "eta", "no_jets")
    np.testing.assert_array_equal(events.features[:, 2], columns["mjj"] == -999)


# --- what is no such file -------------------------------------------------------------
def test_a_pattern_without_a_file(write, columns):
    path = write("ztt_1.parquet", columns)
    with pytest.raises(FileNotFoundError, match=r"No file matches .*zt_\*"):
        neoskit.read_parquet(path.parent / "zt_*.parquet", ["pt"])
    with pytest.raises(FileNotFoundError, match=r"Did you mean 'ztt_1\.parquet'"):
        neoskit.read_parquet(path.parent / "ztt1.parquet", ["pt"])
    with pytest.raises(FileNotFoundError, match="is a folder"):
        neoskit.read_parquet(path.parent, ["pt"])
    with pytest.raises(ValueError, match="is named twice"):
        neoskit.read_parquet([path, path.parent / "*.parquet"], ["pt"])
    with pytest.raises(ValueError, match="is named twice"):
        files_of({str(path): 1.0, str(path.parent / "*"): 2.0})
    with pytest.raises(ValueError, match=r"notes\.txt: the name does not tell"):
        open_events(path.with_name("notes.txt"))


def test_a_file_that_is_cut_off(kind, write, columns):
    name, reads = kind
    path = write(name, table_of(columns, 3000))
    content = path.read_bytes()
    for share in (0.0, 0.3, 0.6, 0.95):
        path.write_bytes(content[: int(share * len(content))])
        # Half a CSV file is a CSV file, unless the cut is in the middle of a line.
        if name == "table.csv" and share > 0:
            path.write_bytes(path.read_bytes().rpartition(b"\n")[0] + b"\n1")
        with pytest.raises(ValueError, match=r"cannot be read|No tree") as raised:
            read(reads, path, ["pt", "mjj"], weight="w")
        assert str(path) in str(raised.value)


def table_of(columns, count):
    return {name: np.resize(values, count) for name, values in columns.items()}


def test_bytes_of_another_kind(kind, tmp_path):
    name, reads = kind
    path = tmp_path / name
    path.write_bytes(np.random.default_rng(0).bytes(4000))
    with pytest.raises(ValueError, match=r"cannot be read|No column"):
        read(reads, path, ["pt"])


def test_a_file_without_events(kind, write, columns):
    name, reads = kind
    path = write(name, {key: values[:0] for key, values in columns.items()})
    with pytest.raises(ValueError, match=r"no entry of .* passes"):
        read(reads, path, ["pt"], weight="w", index="event")


def test_a_column_that_is_not_there(kind, write, columns):
    name, reads = kind
    path = write(name, columns)
    with pytest.raises(ValueError, match=r"No column 'Pt' in .*Did you mean 'pt'"):
        read(reads, path, ["Pt"])
    with pytest.raises(ValueError, match=r"No column 'ww' \(in '2 \* ww'\)"):
        read(reads, path, ["pt"], weight="2 * ww")
    with pytest.raises(ValueError, match=r"No column 'evnt'.*Did you mean 'event'"):
        read(reads, path, ["pt"], index="evnt")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_values_that_are_no_numbers(kind, write, columns, bad):
    name, reads = kind
    columns["mjj"][7] = bad
    path = write(name, columns)
    with pytest.raises(ValueError, match=r"'mjj' is .* at entry 7 of") as raised:
        read(reads, path, ["mjj"])
    assert str(path) in str(raised.value)
    columns["w"][9] = np.nan
    path = write(name, columns)
    with pytest.raises(ValueError, match="weight 'w' is nan at entry 9 of"):
        read(reads, path, ["pt"], weight="w")


def test_a_selection_that_is_a_number(write, columns):
    path = write("t.parquet", columns)
    with pytest.raises(ValueError, match=r"selection 'pt - 20' is a number .*t\.par"):
        neoskit.read_parquet(path, ["pt"], selection="pt - 20")


def test_a_column_of_text(tmp_path):
    path = tmp_path / "text.csv"
    path.write_text("x,name\n1,a\n2,b\n")
    with pytest.raises(
        ValueError, match=r"'name' of .*text\.csv has values of the type"
    ):
        neoskit.read_csv(path, ["x", "name"])
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path = tmp_path / "text.parquet"
    pyarrow.parquet.write_table(pa.table({"x": [1.0], "name": ["a"]}), path)
    with pytest.raises(ValueError, match=r"'name' has values of the type .*text\.par"):
        neoskit.read_parquet(path, ["x", "name"])


def test_a_compressed_csv_that_unpacks_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("neoskit._events.files.csv._HARMLESS", 1 << 20)
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=9) as stream:
        stream.write(b"x,y\n")
        for _ in range(20):
            stream.write(b"0,0\n" * 250_000)
    assert path.stat().st_size < 40_000
    with pytest.raises(ValueError, match=r"bomb\.csv\.gz .*unpacks to more than"):
        neoskit.read_csv(path, ["x"])
    line = tmp_path / "line.csv.gz"
    with gzip.open(line, "wb", compresslevel=9) as stream:
        stream.write(b"x,y\n" + b"0" * 20_000_000)
    with pytest.raises(ValueError, match=r"line\.csv\.gz cannot be read"):
        neoskit.read_csv(line, ["x"])


def test_very_many_columns(tmp_path):
    path = tmp_path / "wide.csv"
    names = [f"feature_{i}" for i in range(1_000_000)]
    path.write_text(",".join(names) + "\n" + ",".join(["1"] * len(names)) + "\n")
    with pytest.raises(ValueError, match="No column 'featur_7'") as raised:
        neoskit.read_csv(path, ["featur_7"])
    assert len(str(raised.value)) < 2000


def test_very_many_columns_of_parquet(write):
    path = write("wide.parquet", {f"feature_{i}": np.ones(1) for i in range(5000)})
    with pytest.raises(ValueError, match=r"No column 'featur_7'.*'feature_7"):
        neoskit.read_parquet(path, ["featur_7"])
    assert neoskit.read_parquet(path, ["feature_7"]).features.tolist() == [[1.0]]
