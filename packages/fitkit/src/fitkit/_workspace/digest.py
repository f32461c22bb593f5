"""The digest of a document, by which a patch set knows what it was made for."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .document import plain
from .error import WorkspaceError


def digest(document: Mapping[str, Any], algorithm: str = "sha256") -> str:
    """The digest of a document's content, whatever the order of its keys.

    Args:
        document: a decoded document.
        algorithm: a name that `hashlib` knows.

    Returns:
        The hexadecimal digest, as pyhf computes it.

    Raises:
        WorkspaceError: for an algorithm that `hashlib` does not have.

    Example:
        >>> import fitkit
        >>> fitkit.digest({"a": 2.0, "b": 3.0, "c": 1.0})[:16]
        'a38f6093800189b7'
    """
    if algorithm not in hashlib.algorithms_available:
        raise WorkspaceError(
            f"no digest algorithm {algorithm!r}. `hashlib` has, among others, sha256 "
            "and md5."
        )
    try:
        # Byte for byte pyhf's text: patch sets publish digests of it.
        text = json.dumps(plain(document), sort_keys=True, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise WorkspaceError(
            f"the document cannot be written as JSON: {error}. Give a decoded document."
        ) from None
    return hashlib.new(algorithm, text.encode()).hexdigest()
