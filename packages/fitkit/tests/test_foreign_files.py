"""Files and documents of other kinds: named for what they are, with the way out."""

import gzip
import io
import json
import re
import tarfile
import zipfile

import numpy as np
import pytest

import fitkit

WORKSPACE = {
    "channels": [
        {"name": "SR", "samples": [{"name": "b", "data": [5.0], "modifiers": []}]}
    ],
    "observations": [{"name": "SR", "data": [4]}],
    "measurements": [{"name": "m", "config": {"poi": "", "parameters": []}}],
    "version": "1.0.0",
}
POINT = {
    "metadata": {"name": "a", "values": [1]},
    "patch": [{"op": "replace", "path": "/channels/0/samples/0/data", "value": [6.0]}],
}
PATCHSET = {
    "metadata": {
        "labels": ["m"],
        "description": "",
        "references": {"hepdata": "ins1234567"},
        "digests": {"md5": "0"},
    },
    "patches": [POINT],
    "version": "1.0.0",
}


def tar(content, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        entry = tarfile.TarInfo("workspace.json")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def zipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("workspace.json", content)
    return buffer.getvalue()


def saved(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


TEXT = json.dumps(WORKSPACE).encode()
# content of a file, and what the message says of it
FILES = {
    "nothing": (b" \n", "empty"),
    "gzip": (gzip.compress(TEXT), "compressed by gzip. Unpack it with `gunzip`"),
    "tar.gz": (tar(TEXT, "w:gz"), "compressed tar archive. `fitkit.read_archive"),
    "tar": (tar(TEXT), "a tar archive. `fitkit.read_archive"),
    "zip": (zipped(TEXT), "a zip archive. `fitkit.read_archive"),
    "bzip2": (b"BZh91AY&SY", "compressed by bzip2"),
    "xz": (b"\xfd7zXZ\x00\x00\x04", "compressed by xz"),
    "ROOT": (b"root\x00\x00\xf6\xec", "a ROOT file"),
    "git-lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "git lfs pull",
    ),
    "git-annex": (b"/annex/objects/SHA256E-s31390--f50d.json\n", "git annex get"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    "NumPy": (saved(np.zeros(3)), "an array of NumPy"),
    "PDF": (b"%PDF-1.7", "a PDF file"),
    "web page": (b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page"),
    "UTF-16": (json.dumps(WORKSPACE).encode("utf-16"), "UTF-16. Save it in UTF-8"),
    "XML": (b"<?xml version='1.0'?>\n<a/>", "XML. Give"),
    "HistFactory XML": (
        b"<!-- a comment -->\n<!DOCTYPE Combination  SYSTEM 'HistFactorySchema.dtd'>",
        "HistFactory XML. Read it with `read_histfactory_xml`",
    ),
    "card": (b"# counting\nimax 1\njmax 1\nkmax *\n", "a datacard of CMS Combine"),
    "card without sizes": (
        b"# toy\n----\nbin SR\nobservation 3\nbin SR SR\nprocess 0 1\nrate 1 2\n",
        "a datacard of CMS Combine",
    ),
    "YAML": (b"# config\nGeneral:\n  Measurement: m\n", "YAML"),
}


@pytest.mark.parametrize("case", FILES)
@pytest.mark.parametrize("read", [fitkit.read_workspace, fitkit.read_patchset])
def test_files(case, read, tmp_path):
    content, what = FILES[case]
    path = tmp_path / "given"
    path.write_bytes(content)
    with pytest.raises(fitkit.WorkspaceError, match=f"given is .*{what}") as error:
        read(path)
    assert "\n" not in str(error.value)


ARCHIVES = ("tar.gz", "tar", "zip", "bzip2", "xz")


@pytest.mark.parametrize("case", [case for case in FILES if case not in ARCHIVES])
def test_files_that_are_no_archives(case, tmp_path):
    content, what = FILES[case]
    path = tmp_path / "given"
    path.write_bytes(content)
    with pytest.raises(
        fitkit.WorkspaceError, match=f"given is no archive, but .*{what}"
    ):
        fitkit.read_archive(path)


def test_a_document_that_is_no_archive(tmp_path):
    path = tmp_path / "workspace.json"
    path.write_bytes(TEXT)
    with pytest.raises(fitkit.WorkspaceError, match=r"but JSON.*`read_workspace`"):
        fitkit.read_archive(path)


def test_an_archive_of_archives(tmp_path):
    """As HEPData bundles the files of a record."""
    path = tmp_path / "record.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("submission.yaml", "---")
        archive.writestr("likelihoods.tar.gz", tar(TEXT, "w:gz"))
    with pytest.raises(fitkit.WorkspaceError, match=r"archives: likelihoods\.tar\.gz"):
        fitkit.read_archive(path)


@pytest.mark.parametrize(
    "read", [fitkit.read_workspace, fitkit.read_patchset, fitkit.read_archive]
)
def test_a_folder(read, tmp_path):
    with pytest.raises(fitkit.WorkspaceError, match=r"directory.*no JSON documents"):
        read(tmp_path)
    for name in ("patchset.json", "BkgOnly.json", "README.md"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(
        fitkit.WorkspaceError, match=r"directory.*: BkgOnly\.json, patchset\.json\."
    ):
        read(tmp_path)


def test_a_mark_at_the_front_is_none_of_the_document(tmp_path):
    """As Windows' editors write it."""
    path = tmp_path / "workspace.json"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT)
    assert fitkit.read_workspace(path)[0].channel_names == ("SR",)


# --- documents ------------------------------------------------------------------------
HS3 = {"distributions": [], "metadata": {"hs3_version": "0.2"}}
DOCUMENTS = {
    "HS3": (HS3, "an HS3 document.*`read_hs3`"),
    "patch set": (PATCHSET, "a patch set. Read it with `read_patchset`"),
    "patch": (POINT["patch"], "a JSON Patch.*as `patch`"),
    "specification": (
        {"channels": WORKSPACE["channels"]},
        "the specification of a model.*`observations`",
    ),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_documents(case, tmp_path):
    document, what = DOCUMENTS[case]
    path = tmp_path / "given.json"
    path.write_text(json.dumps(document))
    for read in (fitkit.read_workspace, fitkit.validate, fitkit.prune):
        with pytest.raises(fitkit.WorkspaceError, match=f"the document is {what}"):
            read(document)
    with pytest.raises(
        fitkit.WorkspaceError, match=f"given.json: the document is {what}"
    ):
        fitkit.read_workspace(path)


def test_documents_for_a_patch_set():
    with pytest.raises(fitkit.WorkspaceError, match=r"a workspace.*`read_workspace`"):
        fitkit.read_patchset(WORKSPACE)
    with pytest.raises(fitkit.WorkspaceError, match="a JSON Patch"):
        fitkit.read_patchset(POINT["patch"])
    # a patch set that is not as it should be
    with pytest.raises(fitkit.WorkspaceError, match=r"^metadata: Field required"):
        fitkit.read_patchset({"patches": [POINT], "version": "1.0.0"})


@pytest.mark.parametrize("patch", [PATCHSET, fitkit.read_patchset(PATCHSET)])
def test_a_patch_set_for_a_patch(patch):
    with pytest.raises(fitkit.WorkspaceError, match="Choose one of its points"):
        fitkit.read_workspace(WORKSPACE, patch=patch)


def test_an_archive_for_a_document(tmp_path):
    path = tmp_path / "release.tar"
    path.write_bytes(tar(TEXT))
    archive = fitkit.read_archive(path)
    with pytest.raises(
        fitkit.WorkspaceError, match=r"an archive.*by name: workspace\.json"
    ):
        fitkit.read_workspace(archive)
    with pytest.raises(fitkit.WorkspaceError, match="an archive"):
        fitkit.read_patchset(archive)


# --- published files ------------------------------------------------------------------
PUBLISHED = {
    "combine/**/*.txt": "a datacard of CMS Combine",
    "combine/**/*.root": "a ROOT file",
    "xml/**/*.root": "a ROOT file",
    "xml/**/*.xml": "HistFactory XML",
    "hs3/*.json": "an HS3 document",
}


@pytest.mark.parametrize("pattern", PUBLISHED)
def test_published_files(pattern, data_folder):
    paths = sorted((data_folder / "formats").glob(pattern))
    assert paths
    for path in paths:
        message = re.escape(str(path)) + f".* is {PUBLISHED[pattern]}"
        with pytest.raises(fitkit.WorkspaceError, match=message):
            fitkit.read_workspace(path)
