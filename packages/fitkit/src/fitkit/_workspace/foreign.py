"""What a file or document is that is none of ours, and the way out."""

import gzip
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

# How many bytes of a file are looked at: comments may come before a card's first line.
HEAD = 64 * 1024

_ARCHIVE = "`fitkit.read_archive(path)` gives its documents by name"
_XML = "HistFactory XML, which names ROOT files, is read with `read_histfactory_xml`"

# By how a file begins. These come before the text: their bytes may spell anything.
_MAGIC = {
    b"root": f"a ROOT file. Give the document that names it; {_XML}",
    b"PK\x03\x04": f"a zip archive. {_ARCHIVE}",
    b"PK\x05\x06": "a zip archive with nothing in it. Download it again",
    b"BZh": f"compressed by bzip2. Unpack it; if it is an archive, {_ARCHIVE}",
    b"\xfd7zXZ\x00": f"compressed by xz. Unpack it; if it is an archive, {_ARCHIVE}",
    b"\x28\xb5\x2f\xfd": "compressed by zstd. Unpack it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive. Unpack it",
    b"version https://git-lfs": (
        "a pointer of git-lfs in the place of the file itself. Fetch it with "
        "`git lfs pull`"
    ),
    b"/annex/objects/": (
        "a pointer of git-annex in the place of the file itself. Fetch it with "
        "`git annex get`"
    ),
    b"\x89HDF": "an HDF5 file. Give a JSON document",
    b"PAR1": "a Parquet file. Give a JSON document",
    b"\x93NUMPY": "an array of NumPy. Give a JSON document",
    b"\x80\x04": "a pickle of Python. Write the document with `json.dump`",
    b"\x80\x05": "a pickle of Python. Write the document with `json.dump`",
    b"%PDF": "a PDF file. Give a JSON document",
    b"\xff\xfe": "text in UTF-16. Save it in UTF-8",
    b"\xfe\xff": "text in UTF-16. Save it in UTF-8",
}

# By a pattern in the text, the first that fits.
_TEXT = {
    r"\A\s*<(!doctype html|html)": (
        "a web page, such as a site gives in the place of a download. Download the "
        "file itself"
    ),
    r"<!DOCTYPE\s+(Combination|Channel)\b|<(Combination|Channel)\s": (
        "HistFactory XML. Read it with `read_histfactory_xml`"
    ),
    r"\A\s*<": "XML. Give a JSON document",
    r"^\s*[ijk]max\s|^bin\s(.|\n)*^process\s(.|\n)*^rate\s": (
        "a datacard of CMS Combine. Read it with `fitkit.read_combine_card(path)`"
    ),
    r"\A\s*(#[^\n]*\n\s*|---\s*\n\s*)*[A-Za-z_][\w ]*:(\s|\Z)": (
        "YAML, perhaps the configuration of a program. Give the JSON document that the "
        "program writes"
    ),
}


def of_content(content: bytes) -> str:
    """What the content of a file is, and the way out.

    Args:
        content: all of it, or its first `HEAD` bytes.

    Returns:
        Such as "a ROOT file. …"; empty where nothing is recognised.
    """
    if not content.strip():
        return "empty. Get the file again from where it comes"
    if content[257:262] == b"ustar":
        return f"a tar archive. {_ARCHIVE}"
    if content.startswith(b"\x1f\x8b"):
        return _compressed(content)
    for magic, what in _MAGIC.items():
        if content.startswith(magic):
            return what
    text = content[:HEAD].decode("utf-8", "replace")
    for pattern, what in _TEXT.items():
        if re.search(pattern, text, re.IGNORECASE | re.MULTILINE):
            return what
    return ""


def _compressed(content: bytes) -> str:
    """What a file is that gzip has compressed."""
    try:
        # The first block of an archive has its mark at byte 257.
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            inside = file.read(512)
    except (OSError, EOFError):  # the head of a larger file, or a broken one
        inside = b""
    if inside[257:262] == b"ustar":
        return f"a compressed tar archive. {_ARCHIVE}"
    return "compressed by gzip. Unpack it with `gunzip`"


def of_document(document: Any) -> str:
    """What a decoded document is in the place of a workspace, and the way out.

    Returns:
        Such as "a patch set. …"; empty where nothing is recognised.
    """
    if isinstance(document, Mapping):
        if "distributions" in document or "hs3_version" in _metadata(document):
            return "an HS3 document, as RooFit writes it. Read it with `read_hs3`"
        if is_patchset(document):
            return (
                "a patch set. Read it with `read_patchset`, and give one of its points "
                "as `patch` together with the background-only workspace"
            )
        if "channels" in document and not {"observations", "measurements"} & {
            *document
        }:
            return (
                "the specification of a model, without data. Put it into a workspace: "
                "add `observations`, `measurements` and `version`"
            )
        if hasattr(document, "contents"):  # `Archive`, which stands above this
            return (
                "an archive. Choose one of its documents by name: "
                f"{', '.join([*document][:5])}{', …' * (len(document) > 5)}"
            )
    elif is_patch(document):
        return (
            "a JSON Patch, such as a signal point. Give it as `patch` together with "
            "the background-only workspace"
        )
    return ""


def of_patchset(document: Any) -> str:
    """What a decoded document is in the place of a patch set, and the way out."""
    if isinstance(document, Mapping) and not hasattr(document, "contents"):
        if is_patchset(document):  # though not as it should be
            return ""
        if "channels" in document:
            return "a workspace. Read it with `read_workspace`"
    return of_document(document)


def is_patchset(document: Any) -> bool:
    """Whether it is, or was meant as, a patch set."""
    return isinstance(document, Mapping) and "patches" in document


def is_patch(document: Any) -> bool:
    """Whether it is a list of operations of RFC 6902."""
    return (
        isinstance(document, Sequence)
        and not isinstance(document, str)
        and len(document) > 0
        and all(isinstance(each, Mapping) and "op" in each for each in document)
    )


def _metadata(document: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = document.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}
