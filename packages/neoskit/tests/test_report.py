"""The report of a run: what it says, and how it behaves in a real browser."""

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import neoskit
from neoskit._cli.app import app
from neoskit._report.write import report_document
from neoskit._run.builders import build_dataset
from neoskit._run.documents import comparison_document
from neoskit._run.folder import RunFolder
from neoskit._run.snapshots import read_plane, read_snapshots

# Cross entropy compiles in a moment; what is looked at is the same. The names are such
# as would end a script, or be markup.
CONFIG = """
[source]
kind = "python"
file = "events.py"
note = "Invented <b>events</b>."
[binning]
edges = [0.0, 0.5, 1.0]
[observable]
kind = "network"
hidden = [8]
[measurement]
mc_statistics = false
floor = 1e-3
[training]
steps = 3
batch = 100
learning_rate = 1e-2
warm_start = { steps = 2 }
objective = "binary_cross_entropy"
seeds = [3, 4]
[evaluation]
bootstrap = 2
soft = false
"""
EVENTS = """
import neoskit

def dataset(events=300):
    processes = neoskit.gaussian_blobs(events, seed=4).channels["SR"]
    background = processes["background"]
    variations = {"shape <i>": background.variations["shape"]}
    processes["background"] = neoskit.Process(background.nominal, variations)
    return neoskit.Dataset({"</script>": processes})
"""


FOLLOWED = ("expected_cls", "upper_limit", "poi_uncertainty", "significance")


def cli(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained run of two seeds, with a comparison beside it."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "events.py").write_text(EVENTS)
    (folder / "small.toml").write_text(CONFIG)
    arguments = ["train", folder / "small.toml", "--out", folder / "run"]
    if importlib.util.find_spec("plotly") is not None:
        arguments.append("--report")
    done = cli(*arguments, "--no-pictures")
    assert done.exit_code == 0, done.output
    if "--report" in arguments:
        assert str(folder / "run" / "report.html") in done.output
        (folder / "run" / "report.html").rename(folder / "trained.html")
    generator = np.random.default_rng(1)
    ways = ("binary_cross_entropy", "expected_cls")
    comparison = neoskit.Comparison(
        {way: {n: 1 + generator.random(2) for n in FOLLOWED} for way in ways},
        {way: {n: 1 + generator.random((2, 9)) for n in FOLLOWED} for way in ways},
    )
    document = comparison_document(
        comparison,
        baselines=ways[:1],
        objective=ways[1],
        seeds=(3, 4),
        head_room=neoskit.HeadRoom(0.5, 0.4, {"shape <i>": 0.41}),
    )
    beside = RunFolder(folder / "run-compare")
    beside.path.mkdir()
    beside.save_comparison(document)
    return RunFolder(folder / "run")


@pytest.fixture(scope="module")
def document(run):
    return report_document(run, lambda: build_dataset(run.config, run.path))


@pytest.fixture(scope="module")
def page(run):
    pytest.importorskip("plotly")
    done = cli("report", run.path)
    assert done.exit_code == 0, done.output
    assert done.output.strip() == str(run.path / "report.html")
    return run.path / "report.html"


def test_every_look_has_the_numbers_of_its_step(run, document):
    for one in document["seeds"]:
        lines = {
            line["step"]: line for line in run.metrics() if line["seed"] == one["seed"]
        }
        frames = one["training"]["frames"]
        assert [frame["step"] for frame in frames] == list(lines)
        assert len(frames) > 3
        for frame in frames:
            line = lines[frame["step"]]
            assert frame["stage"] == line["stage"]
            expected = {n: v for n, v in line.items() if n in frame["numbers"]}
            assert frame["numbers"] == expected
            assert set(FOLLOWED) <= set(expected)


def test_the_last_look_is_the_result(run, document):
    for one in document["seeds"]:
        file = run.path / f"seed-{one['seed']}" / "evaluation.json"
        evaluation = json.loads(file.read_text())
        last = one["training"]["frames"][-1]
        assert set(one["numbers"]["errors"]) >= set(FOLLOWED)
        for name, value in one["numbers"]["medians"].items():
            assert value == evaluation[name]
            # The loop and the judgement score by programs of their own.
            assert last["numbers"][name] == pytest.approx(value, rel=1e-6)
        for name, counts in evaluation["yields"]["</script>"].items():
            shown = last["channels"]["</script>"]["yields"][name]
            assert shown == pytest.approx(counts, rel=1e-6)
            template = one["templates"]["</script>"]["processes"][name]
            assert template["yields"] == pytest.approx(counts, rel=1e-6)


def test_the_band_is_the_shifts_of_the_background(run):
    (shot, *_) = read_snapshots(run.path / "seed-3" / "snapshots")
    background = shot.templates["</script>"]["background"]
    (up, down) = background.variations["shape <i>"]
    from neoskit._report.training import stack

    band = stack(shot.templates["</script>"], ("signal",))["band"]
    shifts = np.stack([up.yields, down.yields]) - background.nominal.yields
    sample = background.nominal.variance
    expected = [
        np.sqrt(sample + np.maximum(-shifts.min(0), 0) ** 2),
        np.sqrt(sample + np.maximum(shifts.max(0), 0) ** 2),
    ]
    assert np.asarray(band) == pytest.approx(np.asarray(expected), rel=1e-6)


def test_the_contours_are_the_observable(run):
    """At the points of the grid: a place of 0.5 is the middle of the first bin."""
    from neoskit._run.run import load

    folder = run.path / "seed-3" / "snapshots"
    plane, shot = read_plane(folder), read_snapshots(folder)[-1]
    dataset = build_dataset(run.config, run.path)
    pipeline = load(run, dataset, 3).pipeline
    assert plane.names == ("x", "y")
    for y, x in ((0, 0), (17, 40), (59, 3)):
        point = np.array([[plane.axes[0][x], plane.axes[1][y]]], np.float32)
        score = float(pipeline.observable(point, None).value[0])
        place = np.interp(score, np.asarray(pipeline.edges), [0, 1, 2])
        # Stored in thousandths of a bin.
        assert shot.places[0, y, x] / 1000 == pytest.approx(place, abs=6e-4)


def test_soft_and_hard_bins_are_those_of_the_pipeline(run, document):
    from neoskit._run.run import load

    dataset = build_dataset(run.config, run.path)
    trained = load(run, dataset, 3)
    found = document["seeds"][0]["soft"]["channels"]["</script>"]["signal"]
    channel = trained.pipeline.templates(trained.judges)["</script>"]
    yields = np.asarray(channel["signal"].nominal.yields)
    assert found["soft"] == pytest.approx(yields, rel=1e-6)
    assert sum(found["hard"]) == pytest.approx(20.0, rel=1e-6)


def test_the_fit_is_fitkits(run, document):
    import fitkit
    from neoskit._run.run import load

    trained = load(run, build_dataset(run.config, run.path), 4)
    model = trained.pipeline.hard_model(trained.judges)
    ranked = fitkit.ranking(model, fitkit.asimov_data(model, 1.0))
    shown = document["seeds"][1]["fit"]["ranking"]
    assert [one["name"] for one in shown] == list(ranked.names) == ["shape <i>"]
    assert shown[0]["up"] == pytest.approx(float(ranked.up[0]), rel=1e-6)
    assert document["seeds"][1]["fit"]["pulls"][0]["pull"] == pytest.approx(0, abs=1e-3)


def test_what_a_run_depends_on_is_there(document):
    repeat = document["repeat"]
    assert repeat["versions"]["neoskit"] == neoskit.__version__
    assert repeat["seeds"]["training"] == [3, 4]
    assert "learning_rate = 0.01" in repeat["config"]
    digests = [*repeat["parameters"].values(), *repeat["events"].values()]
    assert len(digests) > 4
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)


def test_the_comparison_beside_a_run_is_found(run, document, tmp_path):
    found = document["comparison"]
    assert found["folder"] == "run-compare"
    assert found["head_room"]["costs"] == {"shape <i>": pytest.approx(0.5 / 0.41)}
    done = cli("report", run.path, "--compared", tmp_path)
    assert done.exit_code == 1
    assert "has no `comparison.json`" in done.output
    # A comparison alone is no run.
    shutil.copy(run.path / "config.toml", tmp_path)
    shutil.copy(run.path.with_name("run-compare") / "comparison.json", tmp_path)
    done = cli("report", tmp_path)
    assert done.exit_code == 1
    assert f"neoskit report RUN --compared {tmp_path}" in done.output


def test_a_run_without_a_result_is_shown_with_the_reason(run, monkeypatch):
    def fails(*args):
        raise ValueError("Channel 'SR', bin 1: 20 signal events and no background")

    monkeypatch.setattr("neoskit._report.write.evaluate", fails)
    shown = report_document(run, lambda: build_dataset(run.config, run.path))
    (one, _) = shown["seeds"]
    assert "no background" in one["numbers"]["missing"]["result"]
    assert "no background" in one["fit"]["missing"]
    assert one["training"]["frames"]
    assert one["yields"][0]["yield"] == pytest.approx(20.0)


def test_one_file_that_asks_for_nothing(page, document):
    text = page.read_text(encoding="utf-8")
    assert not re.search(
        r"<(?:script|link|img|iframe)[^>]*(?:src|href)=.?https?:", text
    )
    assert "default-src 'none'" in text
    (data,) = re.findall(r'id="data">(.*?)</script>', text, re.S)
    # Through JSON, as the page reads it; names of channels end no script.
    assert json.loads(data)["seeds"] == json.loads(json.dumps(document["seeds"]))


def test_training_ends_with_the_page(page, run, document):
    """What was just trained is shown as what is read again, to the last digit."""
    text = (run.path.with_name("trained.html")).read_text(encoding="utf-8")
    (data,) = re.findall(r'id="data">(.*?)</script>', text, re.S)
    shown = json.loads(data)
    assert shown["seeds"] == json.loads(json.dumps(document["seeds"]))
    assert shown["comparison"] is None


def test_what_is_no_run_or_not_trained_is_said(tmp_path, run, monkeypatch):
    done = cli("report", tmp_path)
    assert done.exit_code == 1
    assert "is not a run" in done.output
    shutil.copy(run.path / "config.toml", tmp_path)
    done = cli("report", tmp_path)
    assert done.exit_code == 1
    assert "holds no trained parameters yet" in done.output
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    done = cli("report", run.path, "--out", tmp_path / "page.html")
    assert done.exit_code == 1
    assert "pip install 'neoskit[report]'" in done.output
    # Said before a training, not after it.
    done = cli("train", run.path / "config.toml", "--out", tmp_path / "new", "--report")
    assert "pip install 'neoskit[report]'" in done.output
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "page.html").exists()


# --- in a browser --------------------------------------------------------------------
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
in_a_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium (Debian's package is `chromium`)"
)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, page):
    """Opens the page; at the end there was no error, and nothing was asked for."""
    complaints, contexts = [], []

    def open_(width, scheme):
        context = browser.new_context(
            viewport={"width": width, "height": 820}, color_scheme=scheme, offline=True
        )
        context.set_default_timeout(180_000)  # a busy machine is no fault of the page
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda m: complaints.append((m.type, m.text)))
        tab.on("pageerror", lambda error: complaints.append(("error", str(error))))
        tab.on("request", lambda request: complaints.append(("request", request.url)))
        tab.goto(Path(page).as_uri())
        # Not by a function, which the page's own policy would not evaluate.
        tab.wait_for_selector("html[data-ready=yes]", state="attached")
        return tab

    yield open_
    for context in contexts:
        context.close()
    own = ("request", Path(page).as_uri())
    assert {one for one in complaints if one != own and "data:" not in one[1]} == set()


def move(tab, place):
    """The slider, as a hand moves it; returns what the page then shows."""
    tab.evaluate(
        """place => { const slider = document.getElementById("slider");
        slider.value = place; slider.dispatchEvent(new Event("input")); }""",
        place,
    )
    tab.evaluate(
        "new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
    )
    return tab.evaluate(
        """() => {
        const numbers = {};
        for (const node of document.querySelectorAll("#now dd"))
          numbers[node.id.slice(4)] = [node.dataset.value, node.textContent];
        const plot = (id) => document.getElementById(id);
        return {
          step: Number(plot("now-step").dataset.step), numbers,
          contours: Array.from(plot("plot-contours").data[0].z, (row) => [...row]),
          stack: plot("plot-model").data.map((t) => [t.name, [...t.y]]),
          point: [plot("plot-curve").data[2].x[0], plot("plot-curve").data[2].y[0]],
        };}"""
    )


@pytest.mark.slow
@in_a_browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_slider_moves_pictures_and_numbers(opened, run, width, scheme):
    tab = opened(width, scheme)
    shots = {}
    folder = run.path / "seed-3" / "snapshots"
    lines = {x["step"]: x for x in run.metrics() if x["seed"] == 3}
    for place, snapshot in enumerate(read_snapshots(folder)):
        shown = move(tab, place)
        line = lines[snapshot.step]
        assert shown["step"] == snapshot.step
        for name, (value, text) in shown["numbers"].items():
            if name not in line:
                assert text == "–"  # before the first step there is no loss
                continue
            assert json.loads(value) == line[name]
            power = re.fullmatch(r"([\d.]+)·10(.+)", text)
            digits = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
            number = (
                text if power is None else f"{power[1]}e{power[2].translate(digits)}"
            )
            assert float(number) == pytest.approx(line[name], rel=6e-3)
        assert set(shown["numbers"]) == {*FOLLOWED, "loss"}
        assert shown["point"] == [snapshot.step, line["expected_cls"]]
        stacked = dict(shown["stack"])
        for name, process in snapshot.templates["</script>"].items():
            assert stacked[name] == pytest.approx(process.nominal.yields, rel=1e-6)
        places = np.asarray(shown["contours"])
        assert places == pytest.approx(snapshot.places[0] / 1000)
        for panel in ("contours", "curve", "model"):
            picture = tab.locator(f"#plot-{panel}").screenshot()
            shots.setdefault(panel, set()).add(picture)
    # Every step is another picture in every panel.
    assert {panel: len(pictures) for panel, pictures in shots.items()} == dict.fromkeys(
        shots, place + 1
    )


@pytest.mark.slow
@in_a_browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_has_the_scheme_of_its_reader(opened, width, scheme):
    tab = opened(width, scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width

    def brightness():
        colour = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3

    assert (brightness() > 200) is (scheme == "light")
    # Each plot has its axes and its traces.
    plots = tab.locator(".plot:visible .main-svg .cartesianlayer")
    assert plots.count() == 9
    # The second seed, another number, and on paper.
    before = tab.locator("#card-expected_cls").get_attribute("data-value")
    tab.select_option("#seed", "4")
    assert tab.locator("#card-expected_cls").get_attribute("data-value") != before
    tab.select_option("#curve", "poi_uncertainty")
    tab.select_option("#gain-number", "significance")
    assert "binary cross entropy" in tab.locator("#gain-table").inner_text()
    assert tab.locator("#note").inner_text() == "Invented <b>events</b>."
    tab.emulate_media(media="print")
    assert brightness() > 250
    # Within the margins of A4, but for a pixel to which plotly rounds its widths up.
    tab.set_viewport_size({"width": 703, "height": 1000})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 704
