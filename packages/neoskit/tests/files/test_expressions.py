"""Expressions over columns: what they compute, and that nothing else gets through."""

import numpy as np
import pytest

from neoskit._events.derived import Derived, needed
from neoskit._events.expressions import FUNCTIONS, parse

pytest.importorskip("numexpr", reason="needs an extra of neoskit that reads files")

PT = np.array([10.0, 25.0, 40.0, 60.0], np.float32)
Q = np.array([1, -1, 1, 1], np.int32)
FLAG = np.array([True, False, True, False])
COLUMNS = {
    "pt": PT,
    "q": Q,
    "flag": FLAG,
    "n": np.array([0, 1, 2, 7], np.uint64),
    "lep.pt": PT * 2,
    "m [GeV]": PT + 1,
}


def value(text, columns=COLUMNS):
    return parse(text)(columns, 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pt", PT),
        ("20 < pt < 50", (PT > 20) & (PT < 50)),
        ("(20 < pt) & (pt < 50)", (PT > 20) & (PT < 50)),
        ("pt > 20 and q < 0 or flag", (PT > 20) & (Q < 0) | FLAG),
        ("not (pt > 20 and q > 0)", ~((PT > 20) & (Q > 0))),
        ("~flag", ~FLAG),
        ("~(pt > 20) | flag", ~(PT > 20) | FLAG),
        ("q / 2", Q / 2),
        ("q // 2", Q // 2),
        ("-pt ** 2", -(PT.astype(float) ** 2)),
        ("pow(pt, 2)", PT.astype(float) ** 2),
        ("n * 2", [0, 2, 4, 14]),
        ("n & 1", [0, 1, 0, 1]),
        ("n in [1, 7]", [False, True, False, True]),
        ("n not in [1, 7]", [True, False, True, False]),
        ("where(q > 0, pt, -pt)", np.where(Q > 0, PT, -PT)),
        ("pt if q > 0 else -pt", np.where(Q > 0, PT, -PT)),
        ("where(flag, 1, 0)", FLAG),
        ("lep.pt - pt", PT),
        ("`m [GeV]` - `lep.pt`", 1 - PT),
        ("maximum(pt, 30)", np.maximum(PT, 30)),
        ("isfinite(pt) and isnan(pt) == 0", [True] * 4),
        ("3", [3] * 4),
        ("True", [True] * 4),
    ],
)
def test_values(text, expected):
    # float32 in the columns: numexpr and NumPy round alike, up to the last digits.
    np.testing.assert_allclose(value(text), expected, rtol=1e-6)


def test_every_function_is_numpy_s():
    own = {"fabs", "asin", "acos", "atan", "atan2", "pow", "where"}
    x, y = np.array([0.1, 0.4, 0.6, 0.9]), np.array([0.3, 0.2, 0.8, 0.5])
    for name, (_, count) in FUNCTIONS.items():
        if name in own:
            continue
        given = (x + 1 if name == "arccosh" else x, y)[:count]
        text = f"{name}({', '.join('xy'[:count])})"
        found = parse(text)(dict(zip("xy", given, strict=False)), 4)
        np.testing.assert_allclose(found, getattr(np, name)(*given), rtol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "pt.__class__.__mro__()",
        "().__class__",
        "[x for x in pt]",
        "(lambda: 0)()",
        "f'{pt}'",
        "'a' + 'b'",
        "pt[0:2]",
        "pt[q]",
        "open('x')",
        "sqrt(pt, out=q)",
        "sqrt(*pt)",
        "(x := 1)",
        "pt @ q",
        "pt is q",
        "pt in q",
        "1e400",
        "9" * 40,
        "+" * 3000 + "1",
        "(" * 3000 + "1" + ")" * 3000,
        "pt &",
        "",
        "   ",
        "pt; q",
        "pt\nq",
        "None",
        "...",
        "1j",
        "\0",
        "sqrt()",
        "hypot(pt)",
        "max()",
        "at(pt)",
    ],
)
def test_what_is_no_arithmetic_is_refused(text):
    with pytest.raises(
        ValueError, match=r"expression|function|list|number|nested|dot|`"
    ):
        value(text)


def test_brackets_around_comparisons_are_asked_for():
    with pytest.raises(ValueError, match="put each comparison in brackets"):
        value("pt > 20 & q < 0")


def test_an_unknown_function_is_told_the_near_one():
    with pytest.raises(ValueError, match=r"no function 'srqt'\. Did you mean 'sqrt'"):
        value("srqt(pt)")


def test_text_is_no_number():
    with pytest.raises(ValueError, match=r"'name' has values of the type"):
        value("name + 1", {"name": np.array(["a", "b", "c", "d"])})


LISTS = [[3.0, 1.0], [], [2.0], [5.0, 4.0, 9.0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count(jet)", [2, 0, 1, 3]),
        ("sum(jet)", [4, 0, 2, 18]),
        ("sum(jet > 2.5)", [1, 0, 0, 3]),
        ("any(jet > 2.5)", [True, False, False, True]),
        ("all(jet > 2.5)", [False, True, False, True]),
        ("max(jet, 0)", [3, 0, 2, 9]),
        ("min(jet, -1)", [1, -1, 2, 4]),
        ("at(jet, 0, -999)", [3, -999, 2, 5]),
        ("at(jet, 1, -999)", [1, -999, -999, 4]),
        ("sum(jet * pt) / 10", [4, 0, 8, 108]),
        ("count(jet) > 1 and max(jet, 0) > 4", [False, False, False, True]),
    ],
)
def test_lists_are_reduced(text, expected):
    ak = pytest.importorskip("awkward")
    found = value(text, {"jet": ak.Array(LISTS), "pt": PT})
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("jet + 1", r"'jet' has several values per event; .*`max\(x, default\)`"),
        ("max(jet)", "1 of 4 events have no such value; give the number"),
        ("jet[0]", "1 of 4 events have no such value"),
        ("jet[-1]", "no expression|counted from 0"),
        ("max(pt, 0)", r"`max` is of a list per event; there is one value"),
        ("max(jet, pt)", r"must be a number.*`maximum\(a, b\)`"),
        ("sum(max(jet, 0))", "one reduction inside another"),
    ],
)
def test_lists_that_are_not_reduced(text, match):
    ak = pytest.importorskip("awkward")
    with pytest.raises(ValueError, match=match):
        value(text, {"jet": ak.Array(LISTS), "pt": PT})


def test_columns_of_columns():
    definitions = {"a": "pt + b", "b": "2 * q", "pt": "1.1 * pt"}
    columns = Derived(COLUMNS, definitions, 4)
    np.testing.assert_allclose(columns.value("a"), 1.1 * PT + 2 * Q, rtol=1e-6)
    # What is defined in terms of a shifted column follows it, on either side.
    shifted = columns.shifted({"pt": "2 * pt"})
    np.testing.assert_allclose(shifted.value("a"), 2.2 * PT + 2 * Q, rtol=1e-6)
    np.testing.assert_allclose(columns.value("pt"), 1.1 * PT, rtol=1e-6)


def test_what_must_be_read():
    definitions = {"a": "pt + b", "b": "2 * q", "pt": "1.1 * pt"}
    assert needed(["a > 1"], definitions, COLUMNS, "it") == ["pt", "q"]
    assert needed(["m [GeV]"], {}, COLUMNS, "it") == ["m [GeV]"]
    with pytest.raises(ValueError, match=r"'qq' \(in '2 \* qq'\) in it\. Did"):
        needed(["a"], definitions | {"b": "2 * qq"}, COLUMNS, "it")
    with pytest.raises(ValueError, match="in terms of itself: a → b → a"):
        needed(["a"], {"a": "b", "b": "a"}, COLUMNS, "it")
