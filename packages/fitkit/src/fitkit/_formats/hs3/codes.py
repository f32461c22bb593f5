"""Interpolation codes of HS3 documents, in the words of all their writers.

ROOT counts the codes of `MathFuncs.h`, where 4 is additive and 5 multiplicative, and
takes a 4 of an overall systematic for a 5; pyhs3 has pyhf's names; the draft has words.
"""

from collections.abc import Mapping
from typing import Any

from ..._histfactory.problem import Key, written
from ..._workspace.error import WorkspaceError

_NORMSYS = {1: "1", 4: "4", 5: "4", "code1": "1", "code4": "4", "log": "1"}
_HISTOSYS = {0: "0", 2: "2", 4: "4p", "code0": "0", "code2": "2", "code4p": "4p"}
_HISTOSYS |= {"lin": "0", "parabolic": "2", "poly6": "4p"}
_OF_TYPE: Mapping[str, Mapping[Any, str]] = {
    "normsys": _NORMSYS,
    "histosys": _HISTOSYS,
}
# What a reader takes where nothing is said.
_DEFAULT = {"normsys": "4", "histosys": "4p"}
# The draft's words for what is not the default.
WORDS = {"1": "log", "0": "lin", "2": "parabolic"}


def code_of(kind: str, said: str | int | None, *where: Key) -> str:
    """The interpolation code of a modifier.

    Args:
        kind: "normsys" or "histosys".
        said: what the document says, None for nothing.
        where: the place.

    Raises:
        WorkspaceError: for a code that fitkit does not have.
    """
    if said is None:
        return _DEFAULT[kind]
    codes = _OF_TYPE[kind]
    if said not in codes:
        raise WorkspaceError(
            f"{written(*where)}: interpolation {said!r} of a {kind} is none that can "
            f"be read. There are: {', '.join(map(repr, codes))}."
        )
    return codes[said]
