"""`source.kind = "files"`: tables of files → events, and the model that they make."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import fitkit
from neoskit._events import SampleKey
from neoskit._run.builders import build_dataset, build_measurement, build_observed
from neoskit._run.builders.files import parts, samples
from neoskit._run.config import ConfigError, config_document, parse_config
from neoskit._templates import ProcessTemplates, Template

pytest.importorskip("numexpr", reason="needs an extra of neoskit that reads files")

BASE = """
[source]
kind = "files"
features = { log_pt = "log(pt)", mjj = "mjj" }
columns = { high = "pt > 50" }
missing = { mjj = { values = -999, neutral = 200 } }
weight = "w"
[[samples]]
name = "signal"
files = "signal.root"
[[samples]]
name = "z16"
process = "z"
year = "16"
files = "z16.parquet"
weight = "sf"
[[samples]]
name = "z17"
process = "z"
year = "17"
files = ["z17a.csv", { path = "z17b.csv", scale = 0.5 }]
filter = "mjj != 0"
scale = -2.0
[data]
files = "data.parquet"
filter = "q != 0"
[[channels]]
name = "SR"
filter = ["q > 0", "high"]
[[channels]]
name = "CR"
filter = "q < 0"
variable = "pt"
binning = [0, 40, 200]
"""
SAMPLES = ("signal", "z16", "z17a", "z17b", "data")


@pytest.fixture
def events(write):
    """The columns of every file, by name, and the folder in which the files are."""
    made = {}
    for seed, name in enumerate(SAMPLES):
        rng = np.random.default_rng(seed)
        mjj = rng.uniform(50, 400, 80)
        mjj[::3] = -999
        made[name] = {
            "pt": rng.uniform(10, 100, 80),
            "mjj": mjj,
            "q": rng.choice([-1, 1], 80),
            "w": rng.uniform(0.1, 0.5, 80),
            "sf": rng.uniform(0.9, 1.1, 80),
        }
    endings = {"signal": "root", "z16": "parquet", "data": "parquet"}
    for name, columns in made.items():
        path = write(f"{name}.{endings.get(name, 'csv')}", columns)
    # A shifted twin of z16, with the same events in another order of pt.
    write("z16_up.parquet", made["z16"] | {"pt": made["z16"]["pt"] * 1.2})
    return made, path.parent


def config(text=BASE, more=""):
    return parse_config(tomllib.loads(text + more))


def of(made, name, region, *, shift=None, weight="w * sf"):
    """Features and weights of one file in a region, computed by NumPy alone."""
    c = dict(made[name])
    if shift is not None:
        c["pt"] = c["pt"] * shift
    inside = {
        "SR": (c["q"] > 0) & (c["pt"] > 50),
        "CR_0": (c["q"] < 0) & (c["pt"] < 40),
        "CR_1": (c["q"] < 0) & (c["pt"] >= 40),
    }[region]
    w = c["w"] * c["sf"] if weight == "w * sf" and name == "z16" else c["w"]
    w = w * {"z17a": -2.0, "z17b": -1.0}.get(name, 1.0)
    none = c["mjj"] == -999
    features = [np.log(c["pt"]), np.where(none, 200, c["mjj"]), none]
    return np.stack(features, axis=-1)[inside], w[inside]


def test_every_channel_and_process(events):
    made, folder = events
    dataset = build_dataset(config(), folder)
    assert list(dataset.channels) == ["SR", "CR_0", "CR_1"]
    assert dataset.counted == ("CR_0", "CR_1")
    assert dataset.feature_names == ("log_pt", "mjj", "mjj_missing")
    for channel in dataset.channels:
        for process, names in {"signal": ("signal",), "z": SAMPLES[1:4]}.items():
            expected = [of(made, name, channel) for name in names]
            found = dataset.channels[channel][process].nominal
            weights = np.concatenate([w for _, w in expected])
            np.testing.assert_allclose(found.weights, weights, rtol=1e-14)
            if channel == "SR":
                features = np.concatenate([f for f, _ in expected])
                np.testing.assert_allclose(found.features, features, rtol=1e-6)


def test_recorded_events_are_read_apart(events):
    made, folder = events
    found = build_observed(config(), folder)
    assert {name: len(e) for name, e in found.items()} == {
        region: len(of(made, "data", region)[1]) for region in ("SR", "CR_0", "CR_1")
    }
    text = BASE.replace('[data]\nfiles = "data.parquet"\nfilter = "q != 0"\n', "")
    with pytest.raises(ConfigError, match="`data` is missing"):
        build_observed(config(text), folder)


SHIFT = """
[[systematics]]
name = "scale"
up = { columns = { pt = "1.1 * pt" } }
down = { columns = { pt = "0.9 * pt" } }
"""


def test_a_shift_moves_selections_and_what_is_computed(events):
    made, folder = events
    dataset = build_dataset(config(more=SHIFT), folder)
    for channel, processes in dataset.channels.items():
        up, down = processes["z"].variations["scale"]
        for side, factor in ((up, 1.1), (down, 0.9)):
            expected = [of(made, n, channel, shift=factor) for n in SAMPLES[1:4]]
            weights = np.concatenate([w for _, w in expected])
            np.testing.assert_allclose(side.weights, weights, rtol=1e-14)
    # An event and its shifted copy have one index, whatever the selections keep.
    nominal, up = dataset.channels["SR"]["z"].nominal, up
    up = dataset.channels["SR"]["z"].variations["scale"][0]
    assert len(up) > len(nominal)
    assert set(nominal.index.tolist()) < set(up.index.tolist())


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('factor = "sf"', lambda c: c["w"] * c["sf"] ** 2),
        ('weight = "w"', lambda c: c["w"]),
        ('weight = ["w", "pt"]', lambda c: c["w"] * c["pt"]),
        ('factor = "1.0", normalisation = 0.25', lambda c: c["w"] * c["sf"] * 1.25),
    ],
)
def test_a_weight_variation_shares_the_events(events, template, expected):
    made, folder = events
    more = f"""
    [[systematics]]
    name = "weight"
    samples = ["z16"]
    up = {{ {template} }}
    symmetrise = "one-sided"
    """
    process = build_dataset(config(more=more), folder).channels["SR"]["z"]
    up, down = process.variations["weight"]
    assert up.features is process.nominal.features
    np.testing.assert_array_equal(down.weights, process.nominal.weights)
    inside = (made["z16"]["q"] > 0) & (made["z16"]["pt"] > 50)
    count = inside.sum()
    np.testing.assert_allclose(
        up.weights[:count], expected(made["z16"])[inside], rtol=1e-14
    )
    # The other samples of the process are as they are.
    np.testing.assert_array_equal(up.weights[count:], process.nominal.weights[count:])


def test_shifted_files(events):
    made, folder = events
    more = """
    [[systematics]]
    name = "simulation"
    samples = ["z16"]
    up = { files = { z16 = "z16_up.parquet" } }
    symmetrise = "one-sided"
    """
    dataset = build_dataset(config(more=more), folder)
    process = dataset.channels["SR"]["z"]
    up, down = process.variations["simulation"]
    expected = [
        of(made, "z16", "SR", shift=1.2),
        *(of(made, n, "SR") for n in SAMPLES[2:4]),
    ]
    np.testing.assert_allclose(
        np.sort(up.weights),
        np.sort(np.concatenate([w for _, w in expected])),
        rtol=1e-14,
    )
    assert set(process.nominal.index.tolist()) <= set(up.index.tolist())
    assert down.features is process.nominal.features
    assert dataset.channels["SR"]["signal"].variations == {}


def test_correlations(events):
    _, folder = events
    more = (
        SHIFT
        + """
    decorrelate = ["year", "channel"]
    samples = ["z16", "z17"]
    """
    )
    dataset = build_dataset(config(more=more), folder)
    assert {c: list(p["z"].variations) for c, p in dataset.channels.items()} == {
        "SR": ["scale_16_SR", "scale_17_SR"],
        "CR_0": ["scale_16_CR", "scale_17_CR"],
        "CR_1": ["scale_16_CR", "scale_17_CR"],
    }
    # Each year moves alone.
    process = dataset.channels["SR"]["z"]
    up, _ = process.variations["scale_17_SR"]
    first = process.nominal.features[:, 0]
    moved = up.features[:, 0]
    in_16 = np.isin(moved, first)
    assert in_16.any()
    assert not in_16.all()


NORMALISATION = """
[[systematics]]
name = "norm"
up = { normalisation = 0.2 }
down = { normalisation = -0.1 }
"""


@pytest.mark.parametrize("channels", ["", 'channels = ["SR"]'])
def test_normalisations_need_no_events(events, channels):
    _, folder = events
    described = config(more=NORMALISATION + channels)
    dataset = build_dataset(described, folder)
    assert dataset.channels["SR"]["z"].variations == {}
    model = model_of(described, dataset)
    data = model.expected_data({**model.init, "norm": np.asarray(1.0)})
    nominal = model.expected_data(model.init)
    for channel in dataset.channels:
        ratio = float(data.main[channel][0] / nominal.main[channel][0])
        inside = channel == "SR" or not channels
        assert ratio == pytest.approx(1.2 if inside else 1.0)


def test_a_normalisation_of_one_of_two_samples(events):
    made, folder = events
    described = config(more=NORMALISATION + 'samples = ["z16"]')
    dataset = build_dataset(described, folder)
    process = dataset.channels["SR"]["z"]
    up, down = process.variations["norm"]
    weights = of(made, "z16", "SR")[1]
    count = len(weights)
    np.testing.assert_allclose(up.weights[:count], 1.2 * weights, rtol=1e-14)
    np.testing.assert_allclose(down.weights[:count], 0.9 * weights, rtol=1e-14)


def model_of(described, dataset):
    """The model of the total yields."""

    def template(events):
        weights = np.abs(np.asarray(events.weights))  # -2.0 is no expectation
        return Template(weights.sum()[None], (weights**2).sum()[None])

    templates = {
        channel: {
            name: ProcessTemplates(
                template(process.nominal),
                {
                    k: (template(u), template(d))
                    for k, (u, d) in process.variations.items()
                },
            )
            for name, process in processes.items()
        }
        for channel, processes in dataset.channels.items()
    }
    model = build_measurement(described).model(templates)
    assert isinstance(model, fitkit.Model)
    return model


@pytest.mark.parametrize("rows", [1, 13, 1000])
def test_parts_are_the_whole(events, rows):
    _, folder = events
    more = SHIFT + NORMALISATION + 'samples = ["z16"]'
    described = config(more=more)
    pieces: dict[SampleKey, list] = {}
    for key, piece in parts(described, folder, rows=rows):
        assert len(piece) <= rows
        pieces.setdefault(key, []).append(piece)
    whole = samples(described, folder)
    assert pieces.keys() == whole.keys()
    for key, expected in whole.items():
        for field in ("features", "weights", "index"):
            found = np.concatenate([getattr(p, field) for p in pieces[key]])
            np.testing.assert_array_equal(found, getattr(expected, field))


def test_the_description_is_written_out_and_read_back():
    text = BASE.replace("values = -999", "values = [-999, nan]")
    described = config(text, SHIFT + NORMALISATION)
    document = config_document(described)
    assert np.isnan(document["source"]["missing"]["mjj"]["values"][1])
    again = parse_config(document)
    assert str(again) == str(described)  # NaN differs from itself
    # A run's own description must give the model that was trained on.
    ours, theirs = (build_measurement(c).systematics for c in (described, again))
    assert ours.normalisations["SR", "z"][0].name == "norm"
    assert theirs.normalisations == ours.normalisations
    assert theirs.treatments == ours.treatments


def test_a_description_is_moved_with_its_files(events):
    from neoskit._run.builders import absolute

    _, folder = events
    text = BASE.replace('kind = "files"', f'kind = "files"\nfolder = "{folder.name}"')
    moved = absolute(config(text), folder.parent)
    dataset = build_dataset(moved, Path("/nowhere"))
    assert len(dataset.channels) == 3


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('files = "signal.root"', 'files = "signl.root"',
         r"`samples\.0\.files`: No file .*signl\.root\. Did you mean 'signal\.root'"),
        ('weight = "sf"', 'weight = "sff"',
         r"`samples\.1\.weight`: No column 'sff' in .*z16\.parquet\. Did you"),
        ('filter = "q < 0"', 'filter = "Q < 0"',
         r"`channels\.1\.filter`: No column 'Q' .* Did you mean 'q'"),
        ('variable = "pt"', 'variable = "p"', r"`channels\.1\.variable`: No column"),
        ('"log(pt)"', '"log(ptt)"', r"`source\.features\.log_pt`: No column 'ptt'"),
        ('"log(pt)"', '"lg(pt)"', r"features\.log_pt`: .* no function 'lg'"),
        ('"log(pt)"', '"log(pt - 1e9)"', r"feature 'log\(pt - 1e9\)' is nan at entry"),
        ('"pt > 50"', '"pt >"', r"`channels\.0\.filter`: 'pt >' is no expression"),
        ('"pt > 50"', '"high"', r"`channels\.0\.filter`: .*'high' is defined"),
        ('weight = "w"', 'index = "ev"\nweight = "w"', r"`source\.index`: No column"),
        ('files = "data.parquet"', 'files = "dat.parquet"', r"`data\.files`: No file"),
        ('filter = "q != 0"', 'filter = "r != 0"', r"`data\.filter`: No column 'r'"),
        ('filter = "q < 0"', 'filter = "q < -5"',
         r"Process 'signal' of channel 'CR_0' has no events.*`samples\.0\.channels`"),
        ('files = "z16.parquet"', 'files = ["z16.parquet", "z16*.parquet"]',
         "z16.parquet is named twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_key(events, old, new, expected):
    _, folder = events
    text = BASE.replace(old, new, 1)
    assert text != BASE
    with pytest.raises(ConfigError, match=expected):
        build_dataset(config(text), folder)


SYSTEMATIC = """
[[systematics]]
name = "jes"
up = { columns = { pt = "1.1 * pt" } }
down = { columns = { pt = "0.9 * pt" } }
"""


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (SYSTEMATIC + 'samples = ["z61"]',
         r"`systematics\.0\.samples` names the sample 'z61'.*'z16'"),
        (SYSTEMATIC + 'processes = ["Z"]', "names the process 'Z'"),
        (SYSTEMATIC + 'channels = ["XR"]', r"names the channel 'XR'"),
        (SYSTEMATIC + 'samples = ["z16"]\nprocesses = ["signal"]', "acts on nothing"),
        (SYSTEMATIC + 'decorrelate = ["year"]', r"the sample 'signal' has no `year`"),
        (SYSTEMATIC + 'decorrelate = ["yaer"]', r"`systematics\.0\.decorrelate\.0`"),
        (SYSTEMATIC + 'symmetrise = "one-sided"', "has `down`, and"),
        (SYSTEMATIC.replace("down", "#"), "has no `down`"),
        (SYSTEMATIC + "smooth = true", r"`systematics\.0\.smooth`"),
        (SYSTEMATIC.replace('{ columns = { pt = "1.1 * pt" } }', "{}"),
         r"`systematics\.0\.up`: says nothing"),
        (SYSTEMATIC.replace('columns = { pt = "1.1 * pt" }', "normalisation = -1"),
         r"`systematics\.0\.up\.normalisation`"),
        (NORMALISATION + 'effect = "shape"', "changes nothing but the normalisation"),
        ('[[samples]]\nname = "z16"\nfiles = "x.csv"', "is 'z16' for the second time"),
        ('[[channels]]\nname = "SR"', "is 'SR' for the second time"),
        ('[[channels]]\nname = "XR"\nvariable = "pt"', "needs both of `variable` and"),
        ('[[channels]]\nname = "X"\nvariable = "pt"\nbinning = [1, 1]', "must incr"),
        ('[[samples]]\nname = "x"\nfiles = []', r"`samples\.3\.files`"),
        ('[[samples]]\nname = "x"\nfiles = 3', r"`samples\.3\.files`"),
        ('[[samples]]\nname = "x"\nfiles = "a.csv"\nchannels = ["Sr"]',
         r"`samples\.3\.channels` names the channel 'Sr'.*Did you mean 'SR'"),
    ],
)  # fmt: skip
def test_wrong_tables_are_named(more, expected):
    with pytest.raises(ConfigError, match=expected):
        config(more=more)


def test_two_systematics_of_one_parameter(events):
    _, folder = events
    twice = config(more=SYSTEMATIC + SYSTEMATIC)
    with pytest.raises(
        ConfigError, match=r"`systematics\.1` and `systematics\.0` both"
    ):
        build_dataset(twice, folder)
    apart = SYSTEMATIC + 'samples = ["z16"]\n' + SYSTEMATIC + 'samples = ["z17"]\n'
    dataset = build_dataset(config(more=apart), folder)
    assert list(dataset.channels["SR"]["z"].variations) == ["jes"]
    with pytest.raises(
        ConfigError, match=r"`systematics\.0\.smooth` and `systematics\.1"
    ):
        build_dataset(config(more=apart + 'smooth = "353QH, twice"'), folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BASE.replace("[[channels]]", "[[chanels]]"), "unknown key `chanels`. Did"),
        (BASE.replace('kind = "files"', 'kind = "blobs"'), r"unknown key `source\."),
        ('[source]\nkind = "files"', "`samples` is missing"),
        ('[source]\nkind = "blobs"\n[[samples]]\nname = "a"\nfiles = "b"',
         r"`samples` describes files: it needs `source.kind = \"files\"`"),
        (BASE.replace("mjj = {", "mj = {"),
         r": `source`: `missing\.mj` is of no feature.*'mjj'"),
        (BASE.replace("neutral = 200", "neutral = 200, indicator = 'log_pt'"),
         "name of a feature already"),
        (BASE.replace("features = {", "columns2 = {"), "Did you mean `columns`"),
    ],
)  # fmt: skip
def test_wrong_sources_are_named(text, expected):
    with pytest.raises(ConfigError, match=expected):
        config(text)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ('[measurement]\npoi = "norm"', r"`systematics\.0` acts by .* 'norm'"),
        ('[measurement]\nfree = { z = "norm" }', r"is that of `measurement\.free\.z"),
    ],
)  # fmt: skip
def test_parameters_that_are_taken(events, more, expected):
    _, folder = events
    with pytest.raises(ConfigError, match=expected):
        build_dataset(config(more=NORMALISATION + more), folder)


def test_a_normalisation_that_is_said_twice(events):
    _, folder = events
    twice = (
        NORMALISATION
        + '[[measurement.normalisations]]\nname = "norm"\nprocesses = ["z"]\n'
        + "up = 1.1\ndown = 0.9"
    )
    with pytest.raises(ConfigError, match=r"both act on 'z' by the parameter 'norm'"):
        build_dataset(config(more=twice), folder)


def spoil(folder, made, write, how):
    """One file of the analysis spoilt; what must be said of it."""
    z16 = made["z16"]
    match how:
        case "cut off":
            path = folder / "signal.root"
            path.write_bytes(path.read_bytes()[:2000])
            return r"`samples\.0`: .*signal\.root"
        case "cut off later":
            path = folder / "z16.parquet"
            path.write_bytes(path.read_bytes()[:-20])
            return r"`samples\.1`: .*z16\.parquet cannot be read"
        case "another kind":
            (folder / "z16.parquet").write_text("pt,mjj\n1,2\n")
            return r"`samples\.1`: .*z16\.parquet cannot be read as a parquet file"
        case "a weight that is no number":
            z16["w"][z16["q"] > 0] = np.nan
            write("z16.parquet", z16)
            return r"`samples\.1`: The weight 'w' is nan at entry \d+ of .*z16\.parquet"
        case "no events":
            write("z16.parquet", {name: values[:0] for name, values in z16.items()})
            write("z17a.csv", {name: values[:0] for name, values in z16.items()})
            write("z17b.csv", {name: values[:0] for name, values in z16.items()})
            return r"Process 'z' of channel 'SR' has no events.*`samples\.1\.channels`"
        case "text":
            write("z16.parquet", z16 | {"w": np.array(["a"] * 80)})
            return (
                r"`source\.weight`: 'w' has values of the type|The weight 'w' has val"
            )
        case "lists":
            ak = pytest.importorskip("awkward")
            uproot = pytest.importorskip("uproot")
            with uproot.recreate(folder / "signal.root") as file:
                file.mkrntuple(
                    "Events",
                    made["signal"] | {"pt": ak.Array([[1.0, 2.0], []] * 40)},
                )
            return r"`source\.features\.log_pt`: 'pt' has several values per event; an"
        case "a folder":
            (folder / "z16.parquet").unlink()
            (folder / "z16.parquet").mkdir()
            return r"`samples\.1\.files`: .*z16\.parquet is a folder"


@pytest.mark.parametrize(
    "how",
    [
        *("cut off", "cut off later", "another kind", "a weight that is no number"),
        *("no events", "text", "lists", "a folder"),
    ],
)
def test_spoilt_files_are_told_with_key_and_name(events, write, how):
    made, folder = events
    expected = spoil(folder, made, write, how)
    with pytest.raises(ConfigError, match=expected):
        build_dataset(config(), folder)
