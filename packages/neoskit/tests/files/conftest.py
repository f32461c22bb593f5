"""The same events written as every kind of file."""

import numpy as np
import pytest


def table(count=60, seed=5):
    rng = np.random.default_rng(seed)
    mjj = rng.uniform(50, 400, count)
    mjj[::3] = -999
    return {
        "event": np.arange(1000, 1000 + count),
        "pt": rng.uniform(10, 100, count).astype(np.float32),
        "mjj": mjj,
        "q": rng.choice([-1, 1], count).astype(np.int32),
        "w": rng.uniform(0.1, 0.5, count),
        "sf": rng.uniform(0.9, 1.1, count),
    }


def write_parquet(path, columns, **options):
    pa = pytest.importorskip("pyarrow", reason="needs the extra `neoskit[parquet]`")
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.table(dict(columns)), path, **options)
    return path


def write_csv(path, columns):
    pa = pytest.importorskip("pyarrow", reason="needs the extra `neoskit[csv]`")
    import pyarrow.csv

    with pa.output_stream(path) as stream:  # compressed by its name's ending
        pyarrow.csv.write_csv(pa.table(dict(columns)), stream)
    return path


def write_tree(path, columns):
    uproot = pytest.importorskip("uproot", reason="needs the extra `neoskit[root]`")
    with uproot.recreate(path) as file:
        file.mktree("Events", {name: v.dtype for name, v in columns.items()})
        file["Events"].extend(columns)
    return path


def write_ntuple(path, columns):
    uproot = pytest.importorskip("uproot", reason="needs the extra `neoskit[root]`")
    with uproot.recreate(path) as file:
        file.mkrntuple("Events", columns)
    return path


# Name of the file → (how it is written, which function reads it).
WRITERS = {
    "tree.root": (write_tree, "root"),
    "ntuple.root": (write_ntuple, "root"),
    "table.parquet": (write_parquet, "parquet"),
    "table.csv": (write_csv, "csv"),
    "table.csv.gz": (write_csv, "csv"),
}


@pytest.fixture(params=WRITERS)
def kind(request):
    """`(name of a file, which function reads it)`, of every kind of file."""
    return request.param, WRITERS[request.param][1]


@pytest.fixture
def write(tmp_path):
    """Writes columns to a file of the kind that its name tells of."""

    def write(name, columns, **options):
        ending = (
            "ntuple.root" if name.endswith("ntuple.root") else name.partition(".")[2]
        )
        ending = {"root": "tree.root"}.get(ending, ending)
        writer = WRITERS[ending if ending in WRITERS else f"table.{ending}"][0]
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return writer(path, columns, **options)

    return write


@pytest.fixture
def columns():
    """Sixty events; a third of them has no `mjj`."""
    return table()


@pytest.fixture
def more_columns():
    """As many others."""
    return table(seed=6)
