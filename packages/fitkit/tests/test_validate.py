"""Findings in formally correct documents: made one by one, and published ones."""

import copy
import re

import pytest

import fitkit


def good():
    """Nothing to report."""
    return {
        "channels": [
            {
                "name": "SR",
                "samples": [
                    {
                        "name": "signal",
                        "data": [5.0, 9.0],
                        "modifiers": [
                            {"name": "mu", "type": "normfactor", "data": None}
                        ],
                    },
                    {
                        "name": "background",
                        "data": [50.0, 40.0],
                        "modifiers": [
                            {
                                "name": "jes",
                                "type": "histosys",
                                "data": {
                                    "lo_data": [48.0, 39.0],
                                    "hi_data": [53.0, 42.0],
                                },
                            },
                            {
                                "name": "xs",
                                "type": "normsys",
                                "data": {"lo": 0.9, "hi": 1.1},
                            },
                            {"name": "stat", "type": "staterror", "data": [2.0, 1.0]},
                            {"name": "control", "type": "shapesys", "data": [4.0, 3.0]},
                        ],
                    },
                ],
            }
        ],
        "observations": [{"name": "SR", "data": [55, 44]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


BACKGROUND = ("channels", 0, "samples", 1)
CONFIG = ("measurements", 0, "config")
JES, XS, STAT, CONTROL = ((*BACKGROUND, "modifiers", i, "data") for i in range(4))

# (changes, severity, modifier, bins, part of the message)
CASES = {
    "same side, strongly": (
        {JES: {"lo_data": [35.0, 39.0], "hi_data": [38.0, 42.0]}},
        ("warning", "jes", (0,), "below nominal.*two minima"),
    ),
    "same side, weakly": (
        {JES: {"lo_data": [48.0, 40.5], "hi_data": [53.0, 41.0]}},
        ("note", "jes", (1,), "above nominal"),
    ),
    "identical": (
        {JES: {"lo_data": [52.0, 39.0], "hi_data": [52.0, 39.0]}},
        ("warning", "jes", (), "identical"),
    ),
    "no effect": (
        {JES: {"lo_data": [50.0, 40.0], "hi_data": [50.0, 40.0]}},
        ("note", "jes", (), "no effect"),
    ),
    "idle parameter": (
        {JES: {"lo_data": [50.0, 40.0], "hi_data": [50.0, 40.0]}},
        ("warning", "jes", (), "changes no yield"),
    ),
    "idle normsys": ({XS: {"lo": 1.0, "hi": 1.0}}, ("note", "xs", (), "no effect")),
    "identical normsys": (
        {XS: {"lo": 1.05, "hi": 1.05}},
        ("warning", "xs", (), "identical"),
    ),
    "normsys on one side, weakly": (
        {XS: {"lo": 1.02, "hi": 1.05}},
        ("note", "xs", (), "above 1"),
    ),
    "normsys on one side, strongly": (
        # a fifth of 50 and 40 against 7.4 and 7
        {XS: {"lo": 0.8, "hi": 0.7}},
        ("warning", "xs", (0, 1), "below 1.*two minima"),
    ),
    "data without background": (
        {(*BACKGROUND, "data", 1): 0.0},
        ("warning", None, (1,), "without signal the likelihood is zero"),
    ),
    "nothing expected, nothing seen": (
        {
            (*BACKGROUND, "data", 1): 0.0,
            ("channels", 0, "samples", 0, "data", 1): 0.0,
            ("observations", 0, "data", 1): 0,
        },
        ("note", None, (1,), "nothing seen"),
    ),
    "large normsys": ({XS: {"lo": 0.9, "hi": 1.8}}, ("warning", "xs", (), "80%")),
    "large histosys": (
        {JES: {"lo_data": [48.0, 39.0], "hi_data": [100.0, 80.0]}},
        ("warning", "jes", (), "100%"),
    ),
    "negative variation": (
        {JES: {"lo_data": [-1.0, 39.0], "hi_data": [53.0, 42.0]}},
        ("warning", "jes", (0,), "negative"),
    ),
    "negative yields": (
        {(*BACKGROUND, "data"): [50.0, -3.0]},
        ("warning", None, (1,), "negative"),
    ),
    "few simulated events": (
        {STAT: [2.0, 20.0]},
        ("warning", "stat", (1,), "50%"),
    ),
    "huge auxiliary count": (
        {CONTROL: [4.0, 1e-4]},
        ("warning", "control", (1,), r"1\.6e\+11"),
    ),
    "uncertainty above 100 %": (
        {CONTROL: [70.0, 3.0]},
        ("warning", "control", (0,), "100 %"),
    ),
    "data without expectation": (
        {
            (*BACKGROUND, "data", 1): 0.0,
            ("channels", 0, "samples", 0, "data", 1): 0.0,
        },
        ("problem", None, (1,), "nothing is expected"),
    ),
    "empty template": (
        {("channels", 0, "samples", 0, "data"): [0.0, 0.0]},
        ("note", None, (), "empty template"),
    ),
    "error of negative yields": (
        {(*BACKGROUND, "data"): [50.0, -3.0]},
        ("warning", "stat", (1,), r"left out.*up to 1\b"),
    ),
    "error of negative yields, shapesys": (
        {(*BACKGROUND, "data"): [50.0, -3.0]},
        ("warning", "control", (1,), r"left out.*up to 3\b"),
    ),
    "fixed parameter of interest": (
        {(*CONFIG, "parameters"): [{"name": "mu", "fixed": True}]},
        ("problem", "mu", (), "interest is fixed.*measurement 'm'"),
    ),
    "parameter of interest that is not there": (
        {(*CONFIG, "poi"): "nu"},
        ("note", "nu", (), "not in the model"),
    ),
    "start outside the bounds": (
        {
            (*CONFIG, "parameters"): [
                {"name": "jes", "inits": [6.0], "bounds": [[-5, 5]]}
            ]
        },
        ("warning", "jes", (), r"start outside.*6 is not in \[-5, 5\]"),
    ),
    "luminosity without a width": (
        {(*BACKGROUND, "modifiers", 0): {"name": "lumi", "type": "lumi", "data": None}},
        ("problem", "lumi", (), "no width.*measurement 'm' has no `sigmas`"),
    ),
    "signal strength of an empty template": (
        {("channels", 0, "samples", 0, "data"): [0.0, 0.0]},
        ("warning", "mu", (), "changes no yield"),
    ),
}


def test_nothing_to_report():
    findings = fitkit.validate(good())
    assert len(findings) == 0
    assert repr(findings) == "nothing to report"


@pytest.mark.parametrize("case", CASES)
def test_finding(case):
    changes, (severity, modifier, bins, message) = CASES[case]
    document = good()
    for place, value in changes.items():
        inner = document
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
    before = copy.deepcopy(document)
    findings = fitkit.validate(document)
    assert document == before
    assert any(
        (each.severity, each.modifier, each.bins) == (severity, modifier, bins)
        and re.search(message, each.message)
        for each in findings
    ), list(map(str, findings))
    order = [("problem", "warning", "note").index(each.severity) for each in findings]
    assert order == sorted(order)
    grouped = [each for group in findings.groups for each in group.findings]
    assert sorted(map(str, grouped)) == sorted(map(str, findings))


@pytest.mark.parametrize("settings", [{"fixed": False}, {"inits": [2.0]}])
def test_a_parameter_of_interest_that_is_free(settings):
    document = good()
    document["measurements"][0]["config"]["parameters"] = [{"name": "mu"} | settings]
    assert len(fitkit.validate(document)) == 0


def test_a_start_outside_the_bounds_is_no_matter_where_it_is_fixed():
    document = good()
    setting = {"name": "jes", "inits": [6.0], "bounds": [[-5, 5]], "fixed": True}
    document["measurements"][0]["config"]["parameters"] = [setting]
    assert len(fitkit.validate(document)) == 0


def many(count=7):
    """A document in which one thing is odd in many samples, more and more."""
    document = good()
    samples = document["channels"][0]["samples"]
    for number in range(count):
        high = 2.0 + number
        modifier = {"name": "xs", "type": "normsys", "data": {"lo": 0.9, "hi": high}}
        samples.append(
            {"name": f"s{number}", "data": [1.0, 1.0], "modifiers": [modifier]}
        )
    return document


def test_groups_show_the_worst_of_a_kind():
    findings = fitkit.validate(many())
    (group,) = findings.groups
    assert (group.severity, len(group.findings)) == ("warning", 7)
    assert [each.sample for each in group.findings][:2] == ["s6", "s5"]
    assert [each.size for each in group.findings][:2] == [7.0, 6.0]
    assert findings.counts == {"problem": 0, "warning": 7, "note": 0}
    assert repr(findings).splitlines() == [
        "7 warnings",
        "warning: the sample's total changes strongly (7 places)",
        "    SR / s6 / xs: by 700%",
        "    SR / s5 / xs: by 600%",
        "    SR / s4 / xs: by 500%",
        "    and 4 more",
    ]
    assert len(findings.lines(None)) == 2 + 7
    assert str(findings[-1]) == (
        "warning: SR / s6 / xs: the sample's total changes strongly (by 700%)"
    )
    assert [each.sample for each in findings[:2]] == ["s0", "s1"]


def test_kinds_of_many_places_come_first_after_problems():
    document = many()
    document["channels"][0]["samples"][1]["data"] = [50.0, -3.0]
    document["measurements"][0]["config"]["parameters"] = [
        {"name": "mu", "fixed": True}
    ]
    groups = fitkit.validate(document).groups
    assert groups[0].severity == "problem"
    numbers = [len(group.findings) for group in groups if group.severity == "warning"]
    assert numbers == sorted(numbers, reverse=True)


def test_a_published_document_takes_a_screen(likelihoods):
    findings = fitkit.validate(likelihoods / "bkgonly" / "onshell_SUSY-2019-09.json")
    assert len(findings) > 1000
    assert len(repr(findings).splitlines()) < 50


def test_bounds_are_the_callers():
    document = good()
    assert fitkit.validate(document, largest_normalisation=0.05)
    assert fitkit.validate(document, largest_mc_error=0.03)


def test_a_patch_is_applied_first():
    patch = [{"op": "replace", "path": "/channels/0/samples/1/data/1", "value": -1.0}]
    assert fitkit.validate(good(), patch=patch)


def test_a_bad_document_is_an_error():
    with pytest.raises(fitkit.WorkspaceError):
        fitkit.validate({})


def test_the_published_model_with_two_minima(load_json):
    name = "2bin_2channel_coupledhistosys"
    (case,) = (c for c in load_json("acceptance_validation.json") if c["name"] == name)
    document = good() | {
        "channels": case["spec"]["channels"],
        "observations": [
            {"name": each["name"], "data": [100.0, 200.0]}
            for each in case["spec"]["channels"]
        ],
    }
    findings = [f for f in fitkit.validate(document) if "two minima" in f.message]
    assert [(f.sample, f.bins) for f in findings] == [("bkg2", (1,))]


def test_the_published_auxiliary_count(likelihoods):
    findings = fitkit.validate(likelihoods / "3LRJR" / "BkgOnly.json")
    (finding,) = (f for f in findings if "auxiliary count" in f.message)
    assert finding.modifier == "shape_mcstat_diboson3LISR_CRISR_obs_cuts"
    assert "1.9e+11" in finding.message
    assert str(finding).startswith("warning: CRISR_cuts / diboson3LISR / shape_mcstat")
