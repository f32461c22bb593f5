"""`neoskit check`, `Analysis.check`: the tables, and what is odd about an analysis."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import neoskit
from neoskit._cli.app import app
from neoskit._run.check.feature import FeatureSummary
from neoskit._run.check.features import sentinels
from neoskit._run.check.repeats import Repeats, hashes

pytest.importorskip("numexpr", reason="needs an extra of neoskit that reads files")

BASE = """
[source]
kind = "files"
features = ["x", "y"]
weight = "w"
[[samples]]
name = "signal"
files = "signal.parquet"
[[samples]]
name = "background"
files = "background.parquet"
[[channels]]
name = "SR"
filter = "x < 3"
[[channels]]
name = "CR"
filter = "x >= 3"
counted = true
[binning]
bins = 4
[observable]
kind = "network"
standardise = true
"""


def table(seed, count=4000, low=0.0):
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(low, 2, count),
        "y": rng.normal(0, 1, count),
        "w": np.full(count, 0.5),
        "v": rng.uniform(0.9, 1.1, count),
    }


@pytest.fixture
def analysis(write):
    """Writes the two files, changed, and gives the analysis of a description."""

    def analysis(text=BASE, **changed):
        for seed, name in enumerate(("signal", "background")):
            columns = table(seed)
            for column, change in changed.get(name, {}).items():
                columns[column] = change(columns)
            path = write(f"{name}.parquet", columns)
        (path.parent / "analysis.toml").write_text(text)
        return neoskit.Analysis.from_toml(path.parent / "analysis.toml")

    return analysis


def found(check):
    return {(f.level, f.what) for f in check.findings}


def test_an_analysis_in_which_nothing_is_odd(analysis):
    result = analysis().check()
    assert result.passed
    assert result.findings == ()
    columns = {name: table(i) for i, name in enumerate(("signal", "background"))}
    assert [(r.channel, r.process) for r in result.yields] == [
        (c, p) for c in ("SR", "CR") for p in columns
    ]
    for row in result.yields:
        x = columns[row.process]["x"]
        raw = int(np.sum(x < 3 if row.channel == "SR" else x >= 3))
        assert row.raw == raw
        assert row.expected == pytest.approx(raw / 2)
        assert row.error == pytest.approx(np.sqrt(raw) / 2)
        assert row.effective == pytest.approx(raw)
        assert row.largest == pytest.approx(1 / raw)
    x = np.concatenate([c["x"][c["x"] < 3] for c in columns.values()])
    first = result.features[0]
    # Features are float32.
    assert first.mean == pytest.approx(x.mean(), rel=1e-5)
    assert first.deviation == pytest.approx(x.std(), rel=1e-5)
    assert [(f.sample, f.entries) for f in result.files] == [
        ("signal", 4000),
        ("background", 4000),
    ]


def test_parts_are_the_whole(analysis):
    """Files are read part by part: what is said of the events is of all of them."""

    def again(columns):
        return np.tile(columns["x"][:2000], 2)

    def check(more):
        text = BASE.replace('weight = "w"', 'weight = "w"\nindex = "n"') + more
        text += """
        [[systematics]]
        name = "jes"
        up = { columns = { x = "1.01 * x" } }
        down = { columns = { x = "0.99 * x" } }
        [[systematics]]
        name = "pu"
        up = { factor = "v" }
        down = { factor = "1 / v" }
        """
        signal = {"x": again, "y": lambda c: np.where(c["x"] > 1, -999, c["x"] / 2)}
        background = {"n": lambda c: np.arange(4000) // 2}
        signal["n"] = lambda c: np.arange(4000)
        return analysis(text, signal=signal, background=background).check()

    whole, parts = (check(more) for more in ("", "[training]\nchunk = 137"))
    assert {f.what for f in whole.findings} == {
        *("duplicated events", "index not unique", "sentinel value")
    }
    moves = [(row.name, row.moves) for row in whole.variations]
    assert (
        moves
        == [("jes", True), ("pu", False)] * 2
        + [
            ("jes", False),
            ("pu", False),
        ]
        * 2
    )  # of counted events nothing moves
    for table in ("yields", "variations", "features"):
        for one, other in zip(
            getattr(whole, table), getattr(parts, table), strict=True
        ):
            # Sums of float64 in another order.
            for a, b in zip(vars(one).values(), vars(other).values(), strict=True):
                numbers = not isinstance(a, str) and a is not None
                assert b == (pytest.approx(a, rel=1e-10) if numbers else a)
    assert [(f.what, f.where, f.text) for f in parts.findings] == [
        (f.what, f.where, f.text) for f in whole.findings
    ]


def test_few_are_remembered_of_very_many():
    """The share of what comes again is estimated from some of all hashes."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=50_000)
    values[:5000] = values[5000:10_000]
    rng.shuffle(values)
    exact, few = Repeats(), Repeats(most=4000)
    for part in np.array_split(values, 13):
        for repeats in (exact, few):
            repeats.add(hashes([part, part]))
    assert exact.again == 5000
    # About 2800 hashes are remembered, a tenth of them twice.
    assert few.again == pytest.approx(5000, rel=4 / np.sqrt(280))
    same = Repeats(most=2)
    same.add(hashes([np.zeros(10)]))
    assert same.again == 9


@pytest.mark.parametrize(
    ("changed", "expected", "text"),
    [
        ({"x": lambda c: c["x"] * 0 + 1}, ("error", "empty process"), "Loosen a"),
        ({"y": lambda c: np.where(c["y"] > 1, -999, c["y"])},
         ("warning", "sentinel value"), "`source.missing.y = { values = -999, n"),
        ({"y": lambda c: np.where(c["y"] > 1, -7, c["y"])},
         ("warning", "sentinel value"), "-7 in "),
        ({"w": lambda c: np.where(np.arange(4000) == 0, 200, c["w"])},
         ("warning", "large weight"), "One event has"),
        ({"w": lambda c: np.where(np.arange(4000) < 1990, -0.5, 0.5)},
         ("warning", "few events"), "are as good as"),
        ({"w": lambda c: np.where(np.arange(4000) < 1990, -0.5, 0.5)},
         ("note", "negative weights"), "(`measurement.floor`)"),
        ({"w": lambda c: -c["w"]}, ("warning", "negative yield"), "add up to -"),
        ({c: lambda t, c=c: np.tile(t[c][:2000], 2) for c in ("x", "y", "w")},
         ("warning", "duplicated events"), "2000 of 4000|1[0-9]{3} of [0-9]{4} events"),
    ],
)  # fmt: skip
def test_what_is_odd_about_events(analysis, changed, expected, text):
    import re

    result = analysis(background=changed).check()
    assert expected in found(result)
    texts = [f.text for f in result.findings if (f.level, f.what) == expected]
    assert any(re.search(text, t) or text in t for t in texts), texts
    assert result.passed == (expected[0] != "error")


def test_a_constant_feature(analysis):
    constant = {"y": lambda c: np.full(4000, 3.0)}
    result = analysis(signal=constant, background=constant).check()
    assert ("warning", "constant feature") in found(result)


def test_features_of_unequal_scale(analysis):
    wide = {"y": lambda c: 1e4 * c["y"]}
    text = BASE.replace("standardise = true", "standardise = false")
    assert ("note", "unequal scales") in found(analysis(text, signal=wide).check())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([-999.0] * 10 + list(range(100)), [-999.0]),
        ([-7.0] * 10 + [0, 1, 2, 3, 4, 5, 6] * 10, [-7.0]),
        ([-999.0] * 10 + [-99.0] * 9 + list(np.linspace(0, 5, 50)), [-999.0, -99.0]),
        (list(range(-1, 100)), []),  # -1 is a value as others
        ([0.0] * 50 + list(range(100)), []),
        ([999.0] * 10 + list(np.linspace(0, 1, 90)), [999.0]),
        ([-1.0] * 50 + [1.0] * 50, []),  # a charge
    ],
)
def test_sentinel_values(values, expected):
    for parts in (1, 7):  # whole, and as values come from a file
        feature = FeatureSummary()
        for part in np.array_split(np.asarray(values, np.float32), parts):
            feature.add(part)
        assert sentinels(feature) == expected


def systematic(up, down, more=""):
    return f"""
    [[systematics]]
    name = "jes"
    samples = ["background"]
    up = {{ {up} }}
    {f"down = {{ {down} }}" if down else 'symmetrise = "one-sided"'}
    {more}
    """


@pytest.mark.parametrize(
    ("up", "down", "expected"),
    [
        ('factor = "1.1"', 'factor = "1.05"', ("warning", "same sign")),
        ('factor = "1.1"', 'factor = "0.9"', None),
        ('factor = "1.1"', None, None),
        ('factor = "1.0"', 'factor = "1.0"', ("note", "no effect")),
        ('factor = "1.9"', 'factor = "0.2"', ("warning", "large change")),
        ('columns = { x = "x + 30" }', 'columns = { x = "x - 1" }',
         ("error", "empty variation")),
    ],
)  # fmt: skip
def test_what_is_odd_about_variations(analysis, up, down, expected):
    result = analysis(BASE + systematic(up, down)).check()
    assert found(result) == ({expected} if expected else set()) or (
        expected == ("error", "empty variation") and expected in found(result)
    )


@pytest.mark.parametrize(
    ("up", "down"),
    [('factor = "2.5"', None), ('factor = "1.1"', 'factor = "-0.1"')],
)
def test_a_variation_that_leaves_nothing(analysis, up, down):
    result = analysis(BASE + systematic(up, down)).check()
    texts = [f.text for f in result.findings if f.what == "negative yield"]
    assert len(texts) == 2  # in either channel
    assert all("Its yield down is -" in text for text in texts)


def test_the_table_of_variations(analysis):
    more = systematic('columns = { x = "x + 0.5" }', 'columns = { x = "x - 0.5" }')
    result = analysis(BASE + more).check()
    x = table(1)["x"]
    for row in result.variations:
        inside = (lambda v: v < 3) if row.channel == "SR" else (lambda v: v >= 3)
        for side, shift in ((row.up, 0.5), (row.down, -0.5)):
            assert side == pytest.approx(
                inside(x + shift).sum() / inside(x).sum() - 1, abs=1e-12
            )
        assert row.moves == (row.channel == "SR")


def test_an_index_that_does_not_tell_events_apart(analysis):
    text = BASE.replace('weight = "w"', 'weight = "w"\nindex = "n"')
    same = {"n": lambda c: np.arange(4000) % 100}
    result = analysis(text, signal=same, background=same).check()
    assert ("warning", "index not unique") in found(result)


def test_shifted_files_with_other_events(analysis, write):
    write("up.parquet", table(7, count=3900))
    more = systematic('files = { background = "up.parquet" }', None)
    assert ("warning", "other events") in found(analysis(BASE + more).check())
    text = BASE.replace('weight = "w"', 'weight = "w"\nindex = "n"')
    numbered = {"n": lambda c: np.arange(len(c["x"]))}
    write("up.parquet", table(7, count=3900) | {"n": np.arange(3900)})
    checked = analysis(text + more, signal=numbered, background=numbered).check()
    assert ("warning", "other events") not in found(checked)


def test_what_will_be_done_is_said(analysis):
    more = systematic('factor = "v"', None, 'smooth = "353QH, twice"')
    more += '[measurement]\nfree = { background = "b_norm" }\nfloor = 0.1\n'
    plan = "\n".join(analysis(BASE + more).check().plan)
    for said in (
        "scores SR, in 4 bins; counted: CR",
        "'mu' scales signal",
        "'b_norm' scales 'background' freely",
        "'jes': one-sided symmetrised, smoothed (353QH, twice)",
        "below 0.1 is raised",
    ):
        assert said in plan


def test_other_sources_are_checked(tmp_path):
    (tmp_path / "blobs.toml").write_text('[source]\nkind = "blobs"\nevents = 200\n')
    result = neoskit.Analysis.from_toml(tmp_path / "blobs.toml").check()
    assert result.passed
    assert {row.process for row in result.yields} == {"signal", "background"}
    with pytest.raises(ValueError, match="no files to read part by part"):
        neoskit.Analysis.from_toml(tmp_path / "blobs.toml").parts()


# --- the command ----------------------------------------------------------------------
def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command(analysis):
    base = analysis(BASE + systematic('factor = "v"', None)).base
    done = run("check", base / "analysis.toml")
    assert done.exit_code == 0, done.output
    for said in ("signal.parquet", "4000", "jes", "mirrored", "ready to train"):
        assert said in done.output
    done = run("check", base / "analysis.toml", "--json")
    document = json.loads(done.output)
    assert document["passed"]
    assert document["yields"][0]["raw"] > 1000


def test_the_command_ends_with_1_where_no_training_would_start(analysis):
    odd = {"x": lambda c: c["x"] * 0 + 1}
    base = analysis(background=odd).base
    done = run("check", base / "analysis.toml")
    assert done.exit_code == 1
    assert "error: empty process: process 'background' of channel 'CR'" in done.output
    document = json.loads(run("check", base / "analysis.toml", "--json").output)
    assert not document["passed"]
    (base / "analysis.toml").write_text(BASE.replace("signal.parquet", "sig.parquet"))
    done = run("check", base / "analysis.toml")
    assert done.exit_code == 1
    assert "`samples.0.files`: No file" in done.output


def test_a_process_that_the_measurement_does_not_have(analysis):
    text = BASE + '[measurement]\nsignals = ["signl"]\n'
    with pytest.raises(ValueError, match=r"`measurement.signals` names the process"):
        analysis(text).check()


def test_a_selection_has_one_bin(analysis):
    network = 'kind = "network"\nstandardise = true'
    assert network in BASE
    cuts = 'kind = "selection"\nthresholds = [0, 0]\nscale = [1, 1]\n'
    text = BASE.replace(network, cuts + 'keep = ["above", "above"]')
    result = analysis(text).check()
    assert any("(selection) scores SR, in 1 bin;" in line for line in result.plan)
    assert result.findings == ()
