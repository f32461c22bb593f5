"""How commands fail: one message, in the words of the command line."""

import re

import pytest

# What may stand between backticks: nothing of Python.
WORDS = ("fitkit fit --interval", "fitkit scan", "fitkit contour")
ERRORS = {
    "no file": (["fit", "nowhere.json"], "cannot read 'nowhere.json'"),
    "no JSON": (["fit", "broken.json"], "broken.json is not JSON"),
    "no archive": (["fit", "nowhere.zip"], "cannot read"),
    "schema": (["fit", "double.json"], "double.json: "),
    "schema, poi": (["fit", "double.json", "--poi", "mu"], "double.json: "),
    "parameter": (["fit", "w.json", "--fix", "gama"], "Did you mean 'gamma'?"),
    "entry": (["fit", "w.json", "--fix", "gamma[7]"], "gamma[1]"),
    "pattern": (["fit", "w.json", "--fix", "alpha_*"], "--fix: no parameter is called"),
    "freed": (["fit", "w.json", "--free", "gama"], "--free: no parameter is called"),
    "value": (["fit", "w.json", "--init", "mu=one"], "'one' is no number"),
    "infinite": (["fit", "w.json", "--init", "mu=inf"], "'inf' is not finite"),
    "no value": (["fit", "w.json", "--init", "mu"], "NAME=VALUE"),
    "interval": (["fit", "w.json", "--bounds", "mu=2:1"], "is no interval"),
    "scanned interval": (["scan", "w.json", "--range", "0:inf"], "is not finite"),
    "poi": (["limit", "w.json", "--poi", "nu"], "--poi: no parameter is called 'nu'"),
    "poi per bin": (["limit", "w.json", "--poi", "gamma"], "another with --poi."),
    "measurement": (["fit", "w.json", "--measurement", "frist"], "mean 'first'?"),
    "scanned": (["scan", "w.json", "gamma[5]"], "PARAMETER: no parameter is called"),
    "region": (["fit", "a.tar.gz", "--region", "C"], "--member: no workspace"),
    "which": (["fit", "a.tar.gz"], "choose with --member"),
    "member": (["fit", "w.json", "--member", "A"], "is for archives"),
    "point": (["fit", "a.tar.gz", "--region", "A", "--point", "S_30"], "mean 'S_300'?"),
    "no points": (["fit", "w.json", "--point", "S_300"], "Give --patchset"),
    "stale": (
        ["fit", "w.json", "--patchset", "stale.json", "--point", "S_300"],
        "--no-verify",
    ),
    "mask": (["fit", "w.json", "--mask", "CR*"], "--mask: no channel is called 'CR*'"),
    "postfit": (["fit", "w.json", "--postfit"], "give --asimov"),
    "format": (["scan", "w.json", "--plot", "scan.jpeg"], ".pdf, .png, .svg"),
    "folder": (["scan", "w.json", "--plot", "no/scan.pdf"], "no such folder"),
    "channel": (["prune", "w.json", "--channel", "SSR"], "Did you mean 'SR'?"),
    "type": (["prune", "w.json", "--modifier-type", "normsis"], "normsis"),
    "rename": (["rename", "w.json", "--channel", "SR"], "OLD=NEW"),
    "renamed": (["rename", "w.json", "--channel", "SSR=a"], "Did you mean 'SR'?"),
    "verify": (["patchset", "verify", "w.json", "stale.json"], "digest"),
    "written": (["prune", "w.json", "-o", "no/a.json"], "no/a.json: No such file"),
    "level": (["limit", "w.json", "--level", "1"], "--level is one minus"),
    "group": (["ranking", "w.json", "--group", "all"], "NAME=PATTERN"),
    "grouped": (["ranking", "w.json", "--group", "a=gama*"], "no ranked parameter"),
    "patch set": (["fit", "set.json"], "Give it with --patchset"),
    "patch": (["fit", "double.json"], "Give it with --patch,"),
    "set as patch": (["fit", "w.json", "--patch", "set.json"], "--patchset"),
    "fixed": (
        ["fit", "w.json", "--fix", "xs", "--interval", "xs"],
        "Free it with --free 'xs'",
    ),
    "scanned, fixed": (["scan", "w.json", "xs", "--fix", "xs"], "Give --range"),
    "digest": (["digest", "w.json", "--algorithm", "md6"], "Did you mean 'md5"),
    "no length": (["digest", "w.json", "--algorithm", "shake_128"], "--algorithm"),
    "two": (["contour", "w.json", "mu", "mu"], "'mu' twice"),
}


@pytest.mark.parametrize(("command", "message"), ERRORS.values(), ids=ERRORS)
def test_errors_are_one_message(run, command, message):
    done = run(*command)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert all(quoted in WORDS for quoted in re.findall("`(.*?)`", done.stderr))
    assert not re.search(r"\w+\(|with_|\b(poi|join|patch|verify)=", done.stderr)


def test_a_wrong_option_ends_with_2(run):
    assert run("limit", "w.json", "--statistic", "q0").exit_code == 2
    done = run("limt", "w.json")
    assert done.exit_code == 2
    assert "Did you mean 'limit'" in done.stderr


def test_a_fault_of_our_own_is_no_message(run, monkeypatch):
    """Its traceback says more than "takes 4 arguments but 5 were given"."""
    monkeypatch.setattr("fitkit._fit.fit.fit", lambda: None)
    monkeypatch.setattr("fitkit.fit", lambda: None)
    assert isinstance(run("fit", "w.json").exception, TypeError)


def test_debug_shows_where(run):
    done = run("--debug", "fit", "w.json", "--fix", "gama")
    assert isinstance(done.exception, ValueError)


def test_many_names_are_not_listed(error, small, saved):
    names = [f"jes_{i}" for i in range(300)]
    file = saved("many.json", small(names=names))
    for option in ("--fix", "--poi"):
        assert len(error("fit", file, option, "something else")) < 400


def test_calls_have_the_names_of_commands(error, small, saved):
    message = error("gof", saved("one_bin.json", small()))
    assert message.startswith("error: `fitkit gof`: 1 bins and 1 fitted parameters")
