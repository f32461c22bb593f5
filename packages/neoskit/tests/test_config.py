"""Run descriptions: what is read, and what a wrong one is told."""

import tomllib

import pytest

from neoskit._run.config import (
    ConfigError,
    RunConfig,
    config_document,
    parse_config,
    read_config,
)

MINIMAL = """
[source]
kind = "blobs"
[binning]
bins = 4
"""

NORMALISATION = """
[[measurement.normalisations]]
name = "z"
processes = ["Z"]
up = 1.1
down = 0.9
"""


def parse(text: str) -> RunConfig:
    return parse_config(tomllib.loads(text), where="run.toml")


def test_defaults_are_written_out_and_read_back():
    config = parse(MINIMAL)
    assert config.training.objective == "expected_cls"
    assert config.binning.positions == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert parse_config(config_document(config)) == config


def test_tables_of_every_kind():
    config = parse(
        """
        [source]
        kind = "python"
        file = "events.py"
        [source.arguments]
        folder = "data"
        [split]
        folds = 2
        [observable]
        kind = "selection"
        thresholds = [40]
        scale = [5]
        keep = ["above"]
        [binning]
        edges = [0.0, 0.3, 1.0]
        bandwidth = {start = 0.2, end = 0.05}
        [measurement]
        signals = ["ggH", "qqH"]
        free = {W = "w_norm"}
        lumi = {uncertainty = 0.026, processes = ["ggH", "qqH"]}
        [[measurement.normalisations]]
        name = "z_norm"
        processes = ["ZTT", "ZLL"]
        up = 1.05
        down = 0.95
        [training]
        seeds = [0, 1, 2]
        """
    )
    assert config.source.arguments == {"folder": "data"}
    assert config.split.held_out is None
    assert config.observable.thresholds == (40.0,)
    assert config.binning.bandwidth.end == 0.05
    assert config.measurement.normalisations[0].processes == ("ZTT", "ZLL")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            MINIMAL + "[training]\nlerning_rate = 1.0",
            "unknown key `training.lerning_rate`. Did you mean `learning_rate`?",
        ),
        (MINIMAL + "[trainning]", "unknown key `trainning`. Did you mean `training`?"),
        (
            MINIMAL.replace("bins = 4", "bins = 1_000_000_000"),
            "`binning.bins`: input should be less than or equal to 1000; got "
            "1000000000.",
        ),
        (
            MINIMAL.replace("bins = 4", f"edges = {[i / 10 for i in range(2000)]}"),
            "`binning`: has 2000 `edges`; at most 1000 bins",
        ),
        *(
            (
                MINIMAL + f"[observable]\nkind = 'network'\nhidden = {hidden}",
                f"`observable.hidden`: describes a network of {weights} weights or "
                "more; at most 1e+08 can be trained. Give fewer or narrower layers.",
            )
            for hidden, weights in (
                ([65_536, 65_536], "4e+09"),
                ([2**62] * 40, "1e+18"),
            )
        ),
        (
            MINIMAL + "[evaluation]\nbootstrap = 1",
            "`evaluation`: `bootstrap` is 1, and one replica has no standard deviation",
        ),
        (
            MINIMAL.replace(
                "bins = 4", "bins = 4\nbandwidth = {start = 1.0, ends = 2.0}"
            ),
            "unknown key `binning.bandwidth.ends`. Did you mean `end`?",
        ),
        (
            MINIMAL + "[[measurement.normalisations]]\nname = 'z'\nprocess = ['a']",
            "unknown key `measurement.normalisations.0.process`. "
            "Did you mean `processes`?",
        ),
        (
            MINIMAL + "[split]\nkeys = 0.2",
            "Known here: folds, held_out, repartition, seed",
        ),
        (
            MINIMAL.replace("blobs", "blob"),
            "`source.kind` is 'blob'; it is one of 'blobs', 'inferno'",
        ),
        ("[source]\n[binning]\nbins = 4", "the key `source.kind` is missing"),
        ("[binning]", "the key `source` is missing"),
        (
            MINIMAL.replace("bins = 4", "edges = [0.0, 0.7, 0.5, 1.0]"),
            "`edges` must increase; got edges[2]=0.5 after edges[1]=0.7",
        ),
        (
            MINIMAL.replace("bins = 4", "bins = 4\nrange = [1.0, 0.0]"),
            "`range` must increase",
        ),
        (
            MINIMAL + "edges = [0.0, 1.0]",
            "`binning`: takes `edges` or `bins`, not both",
        ),
        (
            MINIMAL.replace("= 4", "= '4'"),
            "`binning.bins`: input should be a valid int",
        ),
        (MINIMAL.replace("= 4", "= 0"), "`binning.bins`: input should be greater than"),
        (
            MINIMAL.replace("bins = 4", "bins = 4\nbandwidth = -0.1"),
            "`binning.bandwidth`: input should be greater than 0; got -0.1",
        ),
        (
            MINIMAL + "[training]\nobjective = 'expected_clss'",
            "there is no 'expected_clss'; did you mean 'expected_cls'?",
        ),
        (
            MINIMAL + "[training]\nobjective = 'expected_cls - 2'",
            "`expected_cls - 2` is no objective; write, for example, `expected_cls",
        ),
        (
            MINIMAL + "[training]\nobjective = 'log(binary_cross_entropy)'",
            "there is no 'binary_cross_entropy'",
        ),
        (
            MINIMAL + "[training]\nsteps = 3\n[[training.stages]]\nsteps = 2",
            "`stages` says it all: leave `steps` out",
        ),
        (
            MINIMAL + "[training]\nkeep = 'best'",
            "give their share as `split.validation`",
        ),
        (MINIMAL + "[training]\npatience = 3", '`patience` needs `keep = "best"`'),
        (
            MINIMAL + "[training]\nwarm_start = true",
            "`training.warm_start`",
        ),
        (
            MINIMAL + "[split]\nheld_out = 0.2\nrepartition = true",
            "`repartition` is for `folds`",
        ),
        (
            MINIMAL.replace("bins = 4", "edges = [0.0, 1.0]")
            + "[observable]\nkind = 'softmax'",
            "an observable of the kind 'softmax' has bins of its own",
        ),
        (
            MINIMAL + "[compare]\nbaselines = []",
            "at least one of `baselines` and `ways`",
        ),
        (MINIMAL + "[training]\nbatch = 2\nchunk = 2", "takes `batch` or `chunk`"),
        (
            MINIMAL + "[observable]\nkind = 'selection'\nthresholds = [1, 2]\n"
            "scale = [1]\nkeep = ['above', 'below']",
            "need one entry per feature each; got 2, 1 and 2",
        ),
        (
            MINIMAL + "[measurement]\nmc_statistics = [1]",
            "`measurement.mc_statistics",
        ),
        (MINIMAL + "range = []", "`binning.range`: needs at least 2 items; got []."),
        (MINIMAL + "range = ['a']", "`binning.range.0`: input should be a valid num"),
        (MINIMAL + "[measurement]\npoi = ''", "`measurement.poi`: is empty; got ''"),
        (
            MINIMAL + '[measurement]\nsignals = ["a\\u0007"]',
            "`measurement.signals.0`: has a character that does not print",
        ),
        (
            MINIMAL + "[measurement]\nsignals = []",
            "`measurement.signals`: needs at least 1 item; got [].",
        ),
        (
            MINIMAL + "[measurement]\nlumi = { uncertainty = 0.1, processes = [] }",
            "`measurement.lumi.processes`: needs at least 1 item; got [].",
        ),
        (
            MINIMAL + "[measurement]\nmc_statistics = ['W', 'W']",
            "`measurement.mc_statistics`: names 'W' twice",
        ),
        (
            MINIMAL + "[measurement]\nfree = {W = 'mu'}",
            "`free.W` is 'mu', which is the name of `poi` already",
        ),
        (
            MINIMAL + NORMALISATION + NORMALISATION,
            "`normalisations.1.name` is 'z', which acts on 'Z' already",
        ),
        (
            MINIMAL + "learned = true\n[split]\nfolds = 2",
            "`binning.learned` and `split.folds` exclude each other",
        ),
        (
            MINIMAL + "[rebinning]\n[observable]\nkind = 'selection'\n"
            "thresholds = [1]\nscale = [1]\nkeep = ['above']",
            "`rebinning` merges neighbouring bins",
        ),
        (MINIMAL + "[training]\nlearning_rate = nan", "should be a finite number"),
        (MINIMAL + "[training]\nseeds = [1, 1]", "`seeds` repeats itself"),
        (
            MINIMAL + "[split]\nheld_out = 0.2\nfolds = 2",
            "needs exactly one of `held_out`",
        ),
    ],
)
def test_wrong_values_are_named(text, expected):
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert expected in str(error.value)
    assert all(line.startswith("run.toml: ") for line in str(error.value).splitlines())


def test_one_parameter_may_act_on_several_processes():
    other = NORMALISATION.replace('"Z"', '"W"')
    both = parse(MINIMAL + NORMALISATION + other + "[measurement.free]\na='n'\nb='n'")
    assert [table.name for table in both.measurement.normalisations] == ["z", "z"]


def test_every_problem_is_told_at_once():
    with pytest.raises(ConfigError) as error:
        parse(MINIMAL + "colour = 'red'\n[training]\nsteps = 0")
    assert len(str(error.value).splitlines()) == 2


def test_wrong_paths(tmp_path):
    (tmp_path / "blobs.toml").write_text(MINIMAL)
    assert read_config(tmp_path / "blobs.toml").source.kind == "blobs"
    with pytest.raises(ConfigError, match=r"no such file. Did you mean .*blobs.toml"):
        read_config(tmp_path / "blob.toml")
    with pytest.raises(ConfigError, match="no folder"):
        read_config(tmp_path / "nowhere" / "blobs.toml")
    with pytest.raises(ConfigError, match="is a folder"):
        read_config(tmp_path)
    (tmp_path / "broken.toml").write_text("[source\n")
    with pytest.raises(ConfigError, match=r"not valid TOML: .* line 1"):
        read_config(tmp_path / "broken.toml")
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_config(tmp_path / "latin.toml")


def stages_of(text):
    from neoskit._run.builders import stage_tables

    return [
        (stage.objective, stage.steps, stage.learning_rate)
        for stage in stage_tables(parse(text))
    ]


def test_an_objective_of_the_model_is_warmed_up():
    entropy = "binary_cross_entropy"
    training = MINIMAL + "[training]\n"
    assert stages_of(MINIMAL) == [(entropy, 300, 1e-3), ("expected_cls", 100, 3e-4)]
    assert stages_of(training + "warm_start = {steps = 20, variations = true}") == [
        (entropy + "_with_variations", 20, 1e-3),
        ("expected_cls", 100, 3e-4),
    ]
    alone = [("expected_cls", 100, 3e-4)]
    assert stages_of(training + "warm_start = false") == alone
    assert stages_of(training + f"objective = '{entropy}'")[0][0] == entropy
    mixed = f"expected_limit + 20 * {entropy}"
    assert stages_of(training + f"objective = '{mixed}'")[1][0] == mixed
    softmax = MINIMAL + "[observable]\nkind = 'softmax'\n"
    assert len(stages_of(softmax)) == 2
    assert stages_of(softmax + "from_scratch = true") == alone


def test_stages_are_written_out_and_read_back():
    config = parse(
        MINIMAL
        + """
        [training]
        seeds = [3]
        [[training.stages]]
        objective = "binary_cross_entropy"
        steps = 5
        schedule = "cosine"
        warm_up = 2
        [[training.stages]]
        objective = "log(expected_cls) + 0.5 * binary_cross_entropy"
        nuisances = "fixed"
        bandwidth = {start = 0.2, end = 0.1}
        clip = 1.0
        """
    )
    document = config_document(config)
    assert parse_config(document) == config
    assert "objective" not in document["training"]
    assert document["training"]["stages"][1]["nuisances"] == "fixed"
