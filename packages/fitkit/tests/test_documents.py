"""Patch sets, archives, and documents pruned, renamed and combined."""

import copy
import io
import json
import tarfile
import zipfile

import numpy as np
import pytest

import fitkit


def channel(name, data, *modifiers):
    return {
        "name": name,
        "samples": [
            {
                "name": "signal",
                "data": [1.0] * len(data),
                "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
            },
            {
                "name": "background",
                "data": data,
                "modifiers": [
                    {"name": each, "type": "normsys", "data": {"lo": 0.9, "hi": 1.1}}
                    for each in modifiers
                ],
            },
        ],
    }


def document(*channels, measurement="m", settings=()):
    return {
        "channels": list(channels),
        "observations": [
            {"name": each["name"], "data": each["samples"][1]["data"]}
            for each in channels
        ],
        "measurements": [
            {"name": measurement, "config": {"poi": "mu", "parameters": list(settings)}}
        ],
        "version": "1.0.0",
    }


BASE = document(
    channel("SR", [50.0, 60.0], "jes", "xs"),
    channel("CR", [100.0], "jes"),
    settings=[{"name": "jes", "inits": [0.1]}, {"name": "mu", "bounds": [[0.0, 5.0]]}],
)


# --- digest, prune, rename, combine ---------------------------------------------------
@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_digest_as_pyhf(algorithm):
    pyhf = pytest.importorskip("pyhf")
    ours = fitkit.digest(BASE, algorithm)
    assert ours == pyhf.utils.digest(BASE, algorithm)
    assert fitkit.digest(dict(reversed(BASE.items())), algorithm) == ours


PRUNED = [
    {"channels": ["CR"]},
    {"samples": ["signal"]},
    {"modifiers": ["jes"]},
    {"modifier_types": ["normsys"]},
    {"channels": ["SR"], "modifiers": ["jes"]},
]
RENAMED = [
    {"channels": {"CR": "control"}},
    {"samples": {"signal": "s", "background": "b"}},
    {"modifiers": {"mu": "strength", "jes": "scale"}},
    {"measurements": {"m": "n"}},
]


@pytest.mark.parametrize("names", PRUNED, ids=str)
def test_prune_as_pyhf(names, pyhf_model):
    import pyhf

    before = copy.deepcopy(BASE)
    ours = fitkit.prune(BASE, **names)
    assert before == BASE
    assert ours == dict(pyhf.Workspace(BASE).prune(**names))


@pytest.mark.parametrize("names", RENAMED, ids=str)
def test_rename_as_pyhf(names, pyhf_model):
    import pyhf

    before = copy.deepcopy(BASE)
    ours = fitkit.rename(BASE, **names)
    assert before == BASE
    assert ours == dict(pyhf.Workspace(BASE).rename(**names))


JOINS = ("none", "outer", "left outer", "right outer")
SETTING = BASE["measurements"][0]["config"]["parameters"][0]
OTHER = {
    "apart": document(channel("VR", [20.0], "xs"), measurement="other"),
    "same measurement": document(channel("VR", [20.0], "xs"), settings=[SETTING]),
    "more settings": document(
        channel("VR", [20.0], "xs"), settings=[SETTING, {"name": "xs", "inits": [0.2]}]
    ),
    "other settings": document(
        channel("VR", [20.0]), settings=[{"name": "mu", "inits": [2.0]}]
    ),
    "other POI": document(channel("VR", [20.0]))
    | {"measurements": [{"name": "m", "config": {"poi": "xs", "parameters": []}}]},
    "same channel": document(channel("CR", [100.0], "jes"), channel("VR", [1.0])),
    "other channel": document(channel("CR", [101.0], "jes", "xs")),
}


def joined_by_pyhf(other, **how):
    """What pyhf makes of both, or None where it refuses."""
    pyhf = pytest.importorskip("pyhf")
    try:
        left, right = pyhf.Workspace(BASE), pyhf.Workspace(other)
        return dict(pyhf.Workspace.combine(left, right, **how))
    except (pyhf.exceptions.InvalidWorkspaceOperation, ValueError):
        return None


@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize("case", OTHER)
@pytest.mark.filterwarnings("ignore:.*unsafe join")
def test_combine_as_pyhf(case, join):
    other = OTHER[case]
    before = copy.deepcopy((BASE, other))
    theirs = joined_by_pyhf(other, join=join)
    if theirs is None:
        with pytest.raises(fitkit.WorkspaceError):
            fitkit.combine(BASE, other, join=join)
    else:
        assert fitkit.combine(BASE, other, join=join) == theirs
    assert (BASE, other) == before


@pytest.mark.parametrize("join", JOINS)
def test_combine_the_samples_of_a_channel_as_pyhf(join):
    other = copy.deepcopy(OTHER["same channel"])
    signal, background = other["channels"][0]["samples"]
    other["channels"][0]["samples"] = [signal, background | {"name": "fakes"}]
    theirs = joined_by_pyhf(other, join=join, merge_channels=True)
    if join == "none":
        assert theirs is None
        with pytest.raises(fitkit.WorkspaceError, match="merge_channels"):
            fitkit.combine(BASE, other, join=join, merge_channels=True)
        return
    ours = fitkit.combine(BASE, other, join=join, merge_channels=True)
    assert ours == theirs
    (merged,) = (each for each in ours["channels"] if each["name"] == "CR")
    names = {each["name"] for each in merged["samples"]}
    assert names == {"signal", "background", "fakes"}


def test_combine_refuses_samples_that_differ():
    """Stricter than pyhf, which drops one of them without a word in an outer join."""
    other = OTHER["other channel"] | {"observations": BASE["observations"][1:]}
    with pytest.raises(fitkit.WorkspaceError, match=r"'CR': samples.*'background'"):
        fitkit.combine(BASE, other, merge_channels=True)
    for join in ("left outer", "right outer"):
        ours = fitkit.combine(BASE, other, join=join, merge_channels=True)
        assert ours == joined_by_pyhf(other, join=join, merge_channels=True)


def test_combined_parameters_of_one_name_are_one_parameter():
    model, _ = fitkit.read_workspace(fitkit.combine(BASE, OTHER["same measurement"]))
    assert sorted(model.parameter_names) == ["jes", "mu", "xs"]
    assert model.channel_names == ("SR", "CR", "VR")


def test_combine_says_what_differs():
    with pytest.raises(fitkit.WorkspaceError, match=r"channels.*'CR'.*merge_channels"):
        fitkit.combine(BASE, OTHER["other channel"])
    with pytest.raises(fitkit.WorkspaceError, match=r"both have 'CR'"):
        fitkit.combine(BASE, OTHER["same channel"], join="none")
    with pytest.raises(fitkit.WorkspaceError, match=r"'m': parameters.*'mu'"):
        fitkit.combine(BASE, OTHER["other settings"])
    with pytest.raises(fitkit.WorkspaceError, match=r"'sideways'.*right outer"):
        fitkit.combine(BASE, OTHER["apart"], join="sideways")


def test_combine_with_another_poi():
    other = fitkit.rename(document(channel("VR", [1.0])), modifiers={"mu": "nu"})
    with pytest.raises(fitkit.WorkspaceError, match=r"POI 'mu'.*'nu'"):
        fitkit.combine(BASE, other)


@pytest.mark.parametrize(
    "names",
    [{"channels": ["VR"]}, {"samples": ["x"]}, {"modifier_types": ["lumi"]}],
    ids=str,
)
def test_prune_what_is_not_there(names):
    with pytest.raises(fitkit.WorkspaceError, match="has no"):
        fitkit.prune(BASE, **names)


def test_prune_takes_lists():
    with pytest.raises(fitkit.WorkspaceError, match="list of names"):
        fitkit.prune(BASE, channels="CR")


def test_prune_everything():
    with pytest.raises(fitkit.WorkspaceError, match="channels"):
        fitkit.prune(BASE, channels=["SR", "CR"])


def test_rename_to_a_name_that_exists():
    with pytest.raises(fitkit.WorkspaceError, match=r"channels\[1\]\.name"):
        fitkit.rename(BASE, channels={"CR": "SR"})


# --- patch sets ----------------------------------------------------------------------
def patchset(**changes):
    content = {
        "metadata": {
            "labels": ["m1", "m2"],
            "description": "two masses",
            "references": {"hepdata": "ins1234567"},
            "digests": {
                "sha256": fitkit.digest(BASE),
                "md5": fitkit.digest(BASE, "md5"),
            },
        },
        "patches": [
            {
                "metadata": {"name": f"point_{m1}_50", "values": [m1, 50.0]},
                "patch": [
                    {
                        "op": "replace",
                        "path": "/channels/0/samples/0/data",
                        "value": [m1, m1],
                    }
                ],
            }
            for m1 in (300, 400)
        ],
        "version": "1.0.0",
    }
    return content | changes


@pytest.mark.parametrize("key", ["point_400_50", (400, 50), [400, 50.0]])
def test_a_signal_point_by_name_and_by_values(key):
    points = fitkit.read_patchset(patchset())
    assert len(points) == 2
    assert points.labels == ("m1", "m2")
    assert [patch.name for patch in points] == ["point_300_50", "point_400_50"]
    assert points[key].values == (400, 50.0)
    patched = points.apply(BASE, key)
    assert patched["channels"][0]["samples"][0]["data"] == [400, 400]
    model, _ = fitkit.read_workspace(BASE, patch=points[key])
    np.testing.assert_array_equal(
        model.expected_yields(model.init)["SR"][0], [400.0, 400.0]
    )


def test_an_unknown_signal_point():
    with pytest.raises(fitkit.WorkspaceError, match=r"\(500, 50\).*point_300_50"):
        fitkit.read_patchset(patchset())[(500, 50)]


def test_a_patch_set_of_another_document():
    points = fitkit.read_patchset(patchset())
    other = fitkit.prune(BASE, modifiers=["xs"])
    with pytest.raises(fitkit.WorkspaceError, match="sha256"):
        points.apply(other, "point_300_50")
    assert points.apply(other, "point_300_50", verify=False)["version"] == "1.0.0"


BAD_PATCHSETS = {
    "no labels": ({"metadata": {"labels": []}}, "metadata.labels"),
    "no patches": ({"patches": []}, "patches"),
    "unknown key": ({"extra": 1}, "extra"),
    "name twice": ({"patches": patchset()["patches"][:1] * 2}, "patches[1].metadata"),
    "values missing": (
        {"patches": [{"metadata": {"name": "a", "values": [1]}, "patch": []}]},
        "patches[0].metadata.values",
    ),
    "patch of another type": (
        {"patches": [{"metadata": {"name": "a", "values": [1, 2]}, "patch": {}}]},
        "patches[0].patch",
    ),
}


@pytest.mark.parametrize("case", BAD_PATCHSETS)
def test_bad_patch_sets(case):
    changes, where = BAD_PATCHSETS[case]
    content = patchset(**changes)
    if "metadata" in changes:
        content["metadata"] = patchset()["metadata"] | changes["metadata"]
    with pytest.raises(fitkit.WorkspaceError) as error:
        fitkit.read_patchset(content)
    assert where in str(error.value)


def test_published_patch_set(likelihoods, load_json):
    """64 signal points whose digest verifies, all applied."""
    background = load_json("likelihoods/3LRJR/BkgOnly.json")
    points = fitkit.read_patchset(likelihoods / "3LRJR" / "patchset.json")
    assert len(points) == 64
    points.verify(background)
    before = copy.deepcopy(background)
    for patch in points:
        model, _ = fitkit.read_workspace(background, patch=patch)
        assert model.poi == "mu_SIG"
    assert background == before


def test_published_patch_set_with_a_stale_digest(likelihoods, load_json):
    background = load_json("likelihoods/1Lbb_simplified/BkgOnly.json")
    points = fitkit.read_patchset(likelihoods / "1Lbb_simplified" / "patchset.json")
    with pytest.raises(fitkit.WorkspaceError, match="verify=False"):
        points.apply(background, points.patches[0].name)
    assert len(points.apply(background, (1000, 0), verify=False)["channels"]) == 8


# --- archives ------------------------------------------------------------------------
def tar_of(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def zip_of(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


MAKERS = [tar_of, zip_of]


@pytest.mark.parametrize("make", MAKERS)
def test_archive(make, tmp_path):
    path = tmp_path / "release.archive"
    members = {
        "./Region/BkgOnly.json": json.dumps(BASE).encode(),
        "Region/patchset.json": json.dumps(patchset()).encode(),
        "README.md": b"about",
        "Region/._BkgOnly.json": b"\x00\x05\x16\x07",
        "Region/broken.json": b"{",
    }
    make(path, members)
    archive = fitkit.read_archive(path)
    assert sorted(archive) == [
        "Region/BkgOnly.json",
        "Region/broken.json",
        "Region/patchset.json",
    ]
    points = fitkit.read_patchset(archive["Region/patchset.json"])
    model, _ = fitkit.read_workspace(
        archive["Region/BkgOnly.json"], patch=points["point_300_50"]
    )
    assert model.channel_names == ("SR", "CR")
    with pytest.raises(fitkit.WorkspaceError, match=r"release\.archive:Region/broken"):
        archive["Region/broken.json"]
    with pytest.raises(fitkit.WorkspaceError, match=r"'other'.*Region/BkgOnly"):
        archive["other"]
    assert "other" not in archive
    assert archive.get("other") is None
    assert archive.get("Region/BkgOnly.json") == BASE


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", ["/etc/a.json", "../a.json", "a/../../b.json"])
def test_archive_that_points_outside(make, name, tmp_path):
    path = tmp_path / "evil.archive"
    make(path, {name: b"{}"})
    with pytest.raises(fitkit.WorkspaceError, match="outside"):
        fitkit.read_archive(path)


def test_links_in_an_archive_are_not_followed(tmp_path):
    path = tmp_path / "links.tar"
    with tarfile.open(path, "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            entry = tarfile.TarInfo("a.json")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
    assert len(fitkit.read_archive(path)) == 0


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04broken"])
def test_no_archive(content, tmp_path):
    path = tmp_path / "no.tar.gz"
    path.write_bytes(content)
    with pytest.raises(fitkit.WorkspaceError, match=r"no\.tar\.gz"):
        fitkit.read_archive(path)


def test_missing_archive(tmp_path):
    with pytest.raises(fitkit.WorkspaceError, match=r"missing\.tar"):
        fitkit.read_archive(tmp_path / "missing.tar")


def test_an_archive_that_unpacks_to_far_more(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", b" " * (65 * 1024**2))
    assert path.stat().st_size < 1024**2
    with pytest.raises(fitkit.WorkspaceError, match="bytes"):
        fitkit.read_archive(path)


def test_published_archive(likelihoods):
    archive = fitkit.read_archive(likelihoods / "sbottom_SUSY-2018-31.tar.gz")
    assert len([name for name in archive if "patch.sbottom" in name]) == 650
    model, _ = fitkit.read_workspace(
        archive["RegionA/BkgOnly.json"],
        patch=archive["RegionA/patch.sbottom_1300_205_60.json"],
    )
    assert model.poi == "mu_SIG"
