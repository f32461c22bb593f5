"""HistFactory's XML and ROOT files: read as ROOT reads them, hostile ones refused."""

import random
import shutil
import warnings

import numpy as np
import pytest

import fitkit
from fitkit import (
    Channel,
    HistoSys,
    Lumi,
    Model,
    NormFactor,
    NormSys,
    ParameterSettings,
    Sample,
    ShapeFactor,
    ShapeSys,
    StatError,
    WorkspaceError,
)

uproot = pytest.importorskip("uproot")

# As in the HS3 tests: the same few terms in double precision.
SAME = 1e-12


# --- published directories ------------------------------------------------------------
# Of each the case of acceptance_validation.json, and how far its numbers may be: the
# histograms are in single precision, where CLs has a slope of up to 3 in log-log.
CASES = {
    "multibin_histfactory": ("1bin_shapesys", 1e-6),
    "multichannel_histfactory": ("2bin_2channel", 1e-6),
    "multichan_coupledoverall_histfactory": ("2bin_2channel_couplednorm", 1e-6),
    "overallsys_histfactory": ("1bin_normsys", 1e-6),
}


@pytest.mark.parametrize("case", CASES)
def test_converged_cls(case, data_folder, load_json):
    name, accuracy = CASES[case]
    entries = {e["name"]: e for e in load_json("acceptance_validation.json")}
    expected = entries[name]["converged"]["newton"]
    # These numbers were made with codes 1 and 0.
    model, data = fitkit.read_histfactory_xml(
        data_folder / "formats/xml" / case, normsys_code="1", histosys_code="0"
    )
    result = fitkit.hypotest(model, data, 1.0, statistic=fitkit.QMu())
    assert float(result.cls) == pytest.approx(expected["obs"], rel=accuracy)
    assert result.cls_expected.tolist() == pytest.approx(expected["exp"], rel=1e-4)


def test_converged_cls_with_two_minima(data_folder):
    model, data = fitkit.read_histfactory_xml(
        data_folder / "formats/xml/multichan_coupledhistosys_histfactory",
        normsys_code="1",
        histosys_code="0",
    )
    result = fitkit.hypotest(model, data, 1.0, statistic=fitkit.QMu())
    # That of the global minima (STATISTICS.md, section 4.4).
    assert float(result.cls) == pytest.approx(0.13830515, rel=1e-6)


@pytest.mark.parametrize("code", [("1", "0"), ("4", "4p")])
@pytest.mark.parametrize("file", ["example.xml", "example_notshared.xml"])
def test_likelihood_of_pyhf(file, code, data_folder, pyhf_model):
    from pyhf import readxml

    folder = data_folder / "formats/xml/shared_nuispar_across_types"
    normsys, histosys = code
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        document = readxml.parse(folder / "config" / file, folder)
    readxml.clear_filecache()
    theirs = pyhf_model(document, normsys=f"code{normsys}", histosys=f"code{histosys}")
    model, data = fitkit.read_histfactory_xml(
        folder / "config" / file, normsys_code=normsys, histosys_code=histosys
    )
    rng = np.random.default_rng(5)
    for _ in range(10):
        # pyhf lets only samples scale with the luminosity that ask for it.
        params = theirs.params(theirs.random_point(rng)) | {"lumi": 1.0}
        ours = {name: params.get(name, 1.0) for name in model.parameter_names}
        constraint = model.constraint_logpdf(ours, data)
        no_lumi = float(model.logpdf(ours, data) - constraint)
        expected = theirs.model.mainlogpdf(
            np.concatenate([data.main[c] for c in theirs.model.config.channels]),
            theirs.vector({n: params[n] for n in theirs.model.config.par_order}),
        )
        assert no_lumi == pytest.approx(float(expected), rel=1e-10)


def test_two_combinations_in_one_folder(data_folder):
    folder = data_folder / "formats/xml/shared_nuispar_across_types"
    with pytest.raises(WorkspaceError, match=r"2 files with.*example_notshared\.xml"):
        fitkit.read_histfactory_xml(folder)


# --- a directory with everything ------------------------------------------------------
COMBINATION = """<?xml version="1.0"?>
<!DOCTYPE Combination SYSTEM 'HistFactorySchema.dtd'>
<Combination OutputFilePrefix="./results/example">
  <Input>{channels}/SR.xml</Input>
  <Input>{channels}/CR.xml</Input>
  <Measurement Name="first" Lumi="2." LumiRelErr="0.03">
    <POI>mu</POI>
    <ParamSetting Const="True">alpha_scale gamma_stat_CR_bin_1</ParamSetting>
    <ParamSetting Val="0.5">alpha_scale</ParamSetting>
  </Measurement>
  <Measurement Name="second" Lumi="1." LumiRelErr="0.1"><POI>norm</POI></Measurement>
</Combination>
"""
SR = """<Channel Name="SR" InputFile="{file}">
  <Data HistoName="data" HistoPath="SR"/>
  <Sample Name="s" HistoName="s" HistoPath="SR">
    <NormFactor Name="mu" Val="1" Low="0" High="20"/>
    <OverallSys Name="eff" Low="0.9" High="1.2"/>
  </Sample>
  <Sample Name="b" HistoName="b" HistoPath="SR" NormalizeByTheory="False">
    <NormFactor Name="norm" Val="1.1" Low="0.2" High="3" Const="False"/>
    <HistoSys Name="scale" HistoNameLow="b_down" HistoNameHigh="b_up"/>
    <ShapeSys Name="poisson" HistoName="rel" ConstraintType="Poisson"/>
    <ShapeSys Name="normal" HistoName="rel"/>
  </Sample>
</Channel>
"""
CR = """<Channel Name="CR" InputFile="{file}" HistoPath="CR">
  <Data HistoName="data"/>
  <StatErrorConfig RelErrorThreshold="0.01" ConstraintType="Gaussian"/>
  <Sample Name="b" HistoName="b">
    <NormFactor Name="norm" Val="1.1" Low="0.2" High="3" Const="False"/>
    <StatError Activate="True"/>
    <ShapeFactor Name="shape" Const="True"/>
  </Sample>
  <Sample Name="c" HistoName="c">
    <StatError Activate="True" HistoName="rel"/>
  </Sample>
</Channel>
"""
EDGES = np.array([0.0, 1.0, 2.0])


def write_inputs(folder, file="data/data.root", channels="config"):
    (folder / "config").mkdir()
    (folder / "data").mkdir()
    (folder / "config/top.xml").write_text(COMBINATION.format(channels=channels))
    (folder / "config/SR.xml").write_text(SR.format(file=file))
    (folder / "config/CR.xml").write_text(CR.format(file=file))
    import hist

    weighted = hist.Hist(hist.axis.Variable(EDGES), storage=hist.storage.Weight())
    weighted[...] = np.stack([[400.0, 300.0], [100.0, 2.0]], axis=-1)
    with uproot.recreate(folder / "data/data.root") as out:
        for name, values in {
            "SR/data": [33.0, 41.0],
            "SR/s": [5.0, 3.0],
            "SR/b": [30.0, 40.0],
            "SR/b_down": [27.0, 41.0],
            "SR/b_up": [32.0, 40.5],
            "SR/rel": [0.125, 0.25],
            "CR/data": [520.0, 400.0],
            "CR/c": [100.0, 100.0],
            "CR/rel": [0.25, 0.015625],
        }.items():
            out[name] = np.array(values), EDGES
        out["CR/b"] = weighted
    return folder


@pytest.fixture
def folder(tmp_path):
    pytest.importorskip("hist")
    return write_inputs(tmp_path)


def twin(lumi=2.0, width=0.03, **settings):
    total = np.array([500.0, 400.0])
    return Model(
        [
            Channel(
                "SR",
                [
                    Sample(
                        "s",
                        [5.0, 3.0],
                        [
                            Lumi("lumi", lumi * width),
                            NormFactor("mu"),
                            NormSys("eff", 0.9, 1.2),
                        ],
                    ),
                    Sample(
                        "b",
                        [30.0, 40.0],
                        [
                            NormFactor("norm"),
                            HistoSys("scale", [27.0, 41.0], [32.0, 40.5]),
                            ShapeSys("poisson", [3.75, 10.0]),
                            StatError("normal", [3.75, 10.0]),
                        ],
                    ),
                ],
            ),
            Channel(
                "CR",
                [
                    Sample(
                        "b",
                        [400.0, 300.0],
                        [
                            Lumi("lumi", lumi * width),
                            NormFactor("norm"),
                            StatError("staterror_CR", [10.0, 2**0.5]),
                            ShapeFactor("shape"),
                        ],
                    ),
                    Sample(
                        "c",
                        [100.0, 100.0],
                        [
                            Lumi("lumi", lumi * width),
                            StatError("staterror_CR", [25.0, 1.5625]),
                        ],
                    ),
                ],
            ),
        ],
        settings={"lumi": ParameterSettings(aux=lumi)} | settings,
    ), total


def assert_same(one, other):
    (model, data), (again, same) = one, other
    assert again.parameter_names == model.parameter_names
    rng = np.random.default_rng(3)
    vectors = model.parameter_vectors()
    for _ in range(5):
        params = model.unravel(vectors.init + rng.normal(0, 0.1, vectors.init.shape))
        assert float(again.logpdf(params, same)) == pytest.approx(
            float(model.logpdf(params, data)), rel=SAME
        )


def test_everything(folder):
    model, data = fitkit.read_histfactory_xml(folder)
    ours, _ = twin()
    counts = {"SR": [33.0, 41.0], "CR": [520.0, 400.0]}
    assert_same((ours, ours.data(counts)), (model, data))
    assert model.poi == "mu"
    about = model.parameters
    assert (about["mu"].lower, about["mu"].upper) == (0.0, 20.0)
    assert (about["norm"].init, about["norm"].upper) == (1.1, 3.0)
    assert (about["scale"].init, bool(about["scale"].fixed)) == (0.5, True)
    assert about["lumi"].init == 2.0
    # Below the threshold: sqrt(2 + 1.5625^2) / 400 = 0.5 %, and by name.
    assert about["staterror_CR"].fixed.tolist() == [False, True]
    assert about["shape"].fixed.all()


def test_another_measurement(folder):
    model, data = fitkit.read_histfactory_xml(folder, measurement="second")
    ours, _ = twin(1.0, 0.1)
    counts = {"SR": [33.0, 41.0], "CR": [520.0, 400.0]}
    assert_same((ours, ours.data(counts)), (model, data))
    assert (model.poi, bool(model.parameters["scale"].fixed)) == ("norm", False)
    with pytest.raises(WorkspaceError, match=r"no measurement 'secnd'.*'second'"):
        fitkit.read_histfactory_xml(folder, measurement="secnd")
    with pytest.raises(
        WorkspaceError, match=r"no measurement 2\. Choose an index from"
    ):
        fitkit.read_histfactory_xml(folder, measurement=2)


@pytest.mark.parametrize("where", ["absolute", "beside", "elsewhere"])
def test_paths(where, folder, tmp_path_factory):
    if where == "absolute":
        root = str(folder / "data/data.root")
        inputs = tmp_path_factory.mktemp("a")
        write_inputs(inputs, root, str(inputs / "config"))
        read = fitkit.read_histfactory_xml(inputs / "config/top.xml")
    elif where == "beside":  # relative to the file itself
        inputs = write_inputs(tmp_path_factory.mktemp("b"), "../data/data.root", ".")
        read = fitkit.read_histfactory_xml(inputs / "config/top.xml")
    else:
        top = tmp_path_factory.mktemp("c") / "top.xml"
        shutil.copy(folder / "config/top.xml", top)
        with pytest.raises(
            WorkspaceError, match=r"'config/SR\.xml', which is not there"
        ):
            fitkit.read_histfactory_xml(top)
        read = fitkit.read_histfactory_xml(top, folder=folder)
    assert_same(fitkit.read_histfactory_xml(folder), read)


def edited(folder, file, old, new):
    path = folder / "config" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return folder


def test_without_data(folder):
    edited(folder, "SR.xml", '<Data HistoName="data" HistoPath="SR"/>', "")
    with pytest.warns(UserWarning, match="no <Data> in SR"):
        model, data = fitkit.read_histfactory_xml(folder)
    expected = model.expected_data(model.init).main["SR"]
    assert data.main["SR"].tolist() == expected.tolist()
    assert data.main["CR"].tolist() == [520.0, 400.0]


def test_poisson_statistics_are_the_default(folder):
    edited(folder, "CR.xml", ' ConstraintType="Gaussian"', "")
    model, _ = fitkit.read_histfactory_xml(folder)
    constraint = model.parameters["staterror_CR"].constraint
    assert isinstance(constraint, fitkit.Poisson)
    # The total of 400 and 100 events, errors of 10 and 25.
    assert float(constraint.tau[0]) == pytest.approx(500**2 / 725, rel=SAME)


def test_several_parameters_of_interest(folder):
    edited(folder, "top.xml", "<POI>mu</POI>", "<POI>mu norm</POI>")
    model, _ = fitkit.read_histfactory_xml(folder, poi="norm")
    assert model.poi == "norm"


def test_a_constant_that_is_not_there(folder):
    edited(folder, "top.xml", "alpha_scale gamma_stat_CR_bin_1", "alpha_scal")
    with pytest.warns(UserWarning, match="line 8: .*'alpha_scal'"):
        fitkit.read_histfactory_xml(folder)


BOMB = """<?xml version="1.0"?><!DOCTYPE Combination [
<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<Combination OutputFilePrefix="&b;"></Combination>"""
EXTERNAL = """<!DOCTYPE Combination [<!ENTITY x SYSTEM "file:///etc/hostname">]>
<Combination OutputFilePrefix="">&x;</Combination>"""
# file, what is replaced (None: all), by what, the message
BAD = {
    "a bomb": ("top.xml", None, BOMB, r"top\.xml, line 2: declares an entity 'a'"),
    "an external entity": ("top.xml", None, EXTERNAL, "declares an entity 'x'"),
    "not closed": ("top.xml", "</Combination>", "", "line .* is not well-formed XML"),
    "a misprint": ("SR.xml", "NormFactor Name", "NormFactor Nam", "no attribute 'Nam'"),
    "an element": ("SR.xml", "OverallSys", "OverallSyst", "Did you mean 'OverallSys'"),
    "no number": ("SR.xml", 'Low="0.9"', 'Low="x"', r"line 5: <OverallSys> Low='x'"),
    "no truth": ("CR.xml", 'Activate="True"', 'Activate="T"', "neither True nor False"),
    "no file": ("SR.xml", "data/data.root", "data/no.root", "'data/no.root', which is"),
    "a folder": ("SR.xml", "data/data.root", "data", "which is not there"),
    "no ROOT file": ("SR.xml", "data/data.root", "config/SR.xml", "no ROOT file that"),
    "no histogram": ("SR.xml", "b_down", "b_dwn", "'SR/b_dwn'.*Did you mean"),
    "a directory of ROOT": (
        "SR.xml",
        'HistoName="s" HistoPath="SR"',
        'HistoName="SR"',
        "no histogram that can be read",
    ),
    "another kind of file": ("top.xml", "SR.xml", "top.xml", "is no channel"),
    "a function": (
        "top.xml",
        "  <Measurement",
        '<Function Name="f" Expression="x" Dependents="x"/><Measurement',
        "<Function> makes a parameter of others",
    ),
    "another constraint": (
        "top.xml",
        "<POI>mu</POI>",
        '<POI>mu</POI><ConstraintTerm Type="Gamma">eff</ConstraintTerm>',
        "<ConstraintTerm> of eff: other constraints",
    ),
    "settings that differ": (
        "CR.xml",
        'Val="1.1"',
        'Val="1.2"',
        r"'norm' is set otherwise at line 8 of .*SR\.xml",
    ),
    "shared": (
        "SR.xml",
        'Name="normal"',
        'Name="poisson"',
        "'poisson' is the shapesys",
    ),
    "a negative factor": ("SR.xml", 'Low="0.9"', 'Low="-1"', "'eff'.*greater than 0"),
    "two channels of one name": ("CR.xml", 'Name="CR"', 'Name="SR"', "'SR'.*already"),
    "bounds": ("SR.xml", 'High="20"', 'High="0"', "Low=0 is not below High=0"),
}


@pytest.mark.parametrize("case", BAD)
def test_errors(case, folder):
    file, old, new, message = BAD[case]
    path = folder / "config" / file
    if old is None:
        path.write_text(new)
    else:
        edited(folder, file, old, new)
    with pytest.raises(WorkspaceError, match=message) as error:
        fitkit.read_histfactory_xml(folder / "config/top.xml")
    assert "\n" not in str(error.value)


def test_files_of_other_kinds(folder, tmp_path):
    for name, message in (
        ("nowhere", "cannot read"),
        ("config/SR.xml", "is one channel. Give the file with the <Combination>"),
        ("data/data.root", "is not well-formed XML"),
        ("data", "has 0 files with a <Combination>"),
    ):
        with pytest.raises(WorkspaceError, match=message):
            fitkit.read_histfactory_xml(folder / name)


# --- mutations ------------------------------------------------------------------------
def mutate(text, rng):
    """One change: a piece cut, doubled, moved, or characters in its place."""
    start = rng.randrange(len(text))
    piece = text[start : start + rng.randrange(1, 30)]
    rest = text[:start], text[start + len(piece) :]
    match rng.randrange(4):
        case 0:
            return rest[0] + rest[1]
        case 1:
            return rest[0] + piece + piece + rest[1]
        case 2:
            new = rng.choice(
                ["<", "&b;", '"', "\x00", "é", "]]>", "1e999", "nan", "SR"]
            )
            return rest[0] + new + rest[1]
        case _:
            at = rng.randrange(len(rest[0]) + 1)
            return rest[0][:at] + piece + rest[0][at:] + rest[1]


def many(folder, number, seed):
    rng, good = random.Random(seed), 0
    texts = {path: path.read_text() for path in (folder / "config").glob("*.xml")}
    for _ in range(number):
        path = rng.choice(sorted(texts))
        path.write_bytes(mutate(texts[path], rng).encode("utf-8"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                model, data = fitkit.read_histfactory_xml(folder / "config/top.xml")
            except WorkspaceError:
                continue
            finally:
                path.write_text(texts[path])
        float(model.logpdf(model.init, data))  # one that is read can be used
        good += 1
    assert number / 50 < good < 0.9 * number


def test_mutations(folder):
    many(folder, 150, seed=1)


@pytest.mark.slow
def test_thousands_of_mutations(folder):
    many(folder, 3000, seed=2)


def test_broken_root_files(folder):
    path = folder / "data/data.root"
    content = path.read_bytes()
    rng, refused = random.Random(4), 0
    for _ in range(60):
        broken = bytearray(content)
        for _ in range(rng.randrange(1, 40)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        if rng.random() < 0.3:
            broken = broken[: rng.randrange(len(broken))]
        path.write_bytes(bytes(broken))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                fitkit.read_histfactory_xml(folder)
            except WorkspaceError:
                refused += 1
    assert refused > 10
