"""Where documents come from, and what is made of them."""

import hashlib
import json
import zipfile

import pytest

import fitkit


def test_where_a_document_comes_from(answer, document, doubled, same):
    model, data = fitkit.read_workspace(document, patch=doubled)
    best = fitkit.fit(model, data)
    for given in (
        ("w.json", "--patch", "double.json"),
        ("w.json", "--patchset", "set.json", "--point", "S_300"),
        ("w.json", "--patchset", "set.json", "--point", "300, 5"),
        ("w.json", "--patchset", "stale.json", "--point", "300,5", "--no-verify"),
        ("a.tar.gz", "--region", "A", "--point", "S_300"),
        ("a.tar.gz", "--member", "B/BkgOnly.json", "--patch", "patch.S_300.json"),
        ("p.tar.gz", "--point", "400,5"),
    ):
        found = answer("fit", *given)
        same(found["twice_nll"], best.twice_nll)
        same(found["parameters"][0]["value"], best.params["mu"])
    piped = answer("fit", "-", "--measurement", "second", input=json.dumps(document))
    assert piped["poi"] == "xs"
    assert answer("fit", "w.json", "--poi", "xs")["poi"] == "xs"


def test_standard_input_is_read_once(run, document):
    done = run("fit", "-", "--patch", "-", input=json.dumps(document))
    assert done.exit_code == 1
    assert "read only once" in done.stderr


@pytest.fixture
def made(run):
    """The document that a command writes to standard output."""

    def made(*arguments):
        done = run(*arguments)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return made


def test_prune_and_rename(made, document):
    assert made("prune", "w.json", "--modifier", "gamma") == fitkit.prune(
        document, modifiers=["gamma"]
    )
    renamed = made("rename", "w.json", "--channel", "SR=CR", "--modifier", "xs=scale")
    assert renamed == fitkit.rename(
        document, channels={"SR": "CR"}, modifiers={"xs": "scale"}
    )


def test_combine(made, run, folder, document):
    other = ("--channel", "SR=CR", "--modifier", "gamma=gamma_CR")
    done = run("rename", "w.json", *other, "-o", "cr.json")
    assert (done.exit_code, done.output) == (0, "")
    other = json.loads((folder / "cr.json").read_text())
    assert made("combine", "w.json", "cr.json") == fitkit.combine(document, other)


def test_patch_sets(made, run, answer, doubled):
    for point in ("S_400", "400,5"):
        applied = made("patchset", "apply", "w.json", "set.json", "--point", point)
        assert applied["channels"][0]["samples"][0]["data"] == [12.0, 18.0]
        extracted = made("patchset", "extract", "set.json", "--point", point)
        assert extracted == doubled
    assert run("patchset", "verify", "w.json", "set.json").exit_code == 0
    points = answer("patchset", "inspect", "set.json")["points"]
    assert points[1] == {"name": "S_400", "values": [400, 5]}


def test_digest(printed, document):
    assert printed("digest", "w.json") == f"sha256:{fitkit.digest(document)}\n"
    both = printed("digest", "w.json", "--algorithm", "md5", "--algorithm", "sha256")
    assert [line.split(":")[0] for line in both.splitlines()] == ["md5", "sha256"]
    assert len(both.splitlines()[0]) == 4 + 2 * hashlib.md5().digest_size


def test_a_dash_is_standard_output(made, folder, document):
    written = made("prune", "w.json", "--modifier", "gamma", "-o", "-")
    assert written == fitkit.prune(document, modifiers=["gamma"])
    assert not (folder / "-").exists()


def test_names_may_hold_an_equals_sign(made, small, saved):
    names = ("sigma=1", "sigma=1=2")
    file = saved("equals.json", small(names=names, channel="pt>5=low"))
    renamed = made(
        *("rename", file, "--modifier", "sigma=1=a=b", "--channel", "pt>5=low=c")
    )
    names = [m["name"] for m in renamed["channels"][0]["samples"][1]["modifiers"]]
    assert names == ["a=b", "sigma=1=2"]
    assert renamed["channels"][0]["name"] == "c"
    pruned = made("prune", file, "--modifier", "sigma=1")
    (left,) = pruned["channels"][0]["samples"][1]["modifiers"]
    assert left["name"] == "sigma=1=2"


def test_the_way_out_of_a_contradiction_is_an_option(error, small, saved):
    for name, channel, highest in (("one", "c", 10), ("two", "d", 50)):
        settings = [{"name": "mu", "bounds": [[0, highest]]}]
        saved(f"{name}.json", small(channel=channel, settings=settings))
    message = error("combine", "one.json", "two.json")
    assert "--join 'left outer'" in message
    assert "join=" not in message
    message = error("combine", "one.json", "one.json", "--join", "none")
    assert "--join" in message
    message = error("combine", "one.json", "two.json", "--join", "none")
    assert "--join, such as outer" in message


def test_a_broken_file_of_an_archive_costs_no_other(run, folder):
    with zipfile.ZipFile(folder / "half.zip", "w") as archive:
        archive.write(folder / "w.json", "A/BkgOnly.json")
        archive.write(folder / "broken.json", "B/BkgOnly.json")
    done = run("fit", "half.zip", "--region", "A", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["status"] == "ok"
    assert done.stderr.startswith("warning: left out: ")
    assert "B/BkgOnly.json" in done.stderr
