"""Expressions over columns: what they compute, and that nothing else gets through."""

import re

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
        ("pt % 7", PT % 7),
        ("pt % -7", PT % -7),
        ("(pt / 7) % -1", (PT.astype(float) / 7) % -1),
        ("n % 3", [0, 1, 2, 1]),
        ("n ** 40", np.array([0.0, 1, 2, 7]) ** 40),
        ("pt ** -1", 1 / PT.astype(float)),
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
        ("~True | flag", FLAG),
        ("~(2 >= 1) | flag", FLAG),
        ("not False and flag", FLAG),
        ("(2 in [1, 2]) & flag", FLAG),
        ("isfinite(2) & flag", FLAG),
        ("where(True, pt, 0)", PT),
        ("2 > 1", [True] * 4),
        ("1 if 2 > 1 else pt", [1] * 4),
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


def test_integers_at_the_end_of_their_range():
    columns = {
        "low": np.full(4, -(2**63)),
        "one": np.full(4, -1),
        "none": np.zeros(4, int),
    }
    # Each of these ends a process that leaves it to the processor.
    for text in ("low % one", "low % none", "low % -1"):
        assert np.all(value(text, columns) == 0)
    assert np.all(value("low // one", columns) == 2.0**63)


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
        ("sum((2 > 1) & (jet > 2.5))", [1, 0, 0, 3]),
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


def random_text(draw, depth):
    """A number, or a condition, made of the columns at random."""
    choose = draw.integers

    def number(depth):
        if depth == 0 or draw.random() < 0.2:
            return ["x", "y", "k", "2", "0.5", "-3"][choose(6)]
        match choose(5):
            case 0 | 1:
                # No remainder: on the edge of a whole number it goes either way.
                sign = ["+", "-", "*", "/"][choose(4)]
                return f"({number(depth - 1)} {sign} {number(depth - 1)})"
            case 2:
                return f"abs({number(depth - 1)})"
            case 3:
                return f"maximum({number(depth - 1)}, {number(depth - 1)})"
        parts = condition(depth - 1), number(depth - 1), number(depth - 1)
        return f"where({', '.join(parts)})"

    def condition(depth):
        if depth == 0:
            return ["flag", "(x > 0)", "(k == 1)"][choose(3)]
        match choose(3):
            case 0:
                sign = ["<", "<=", ">", ">=", "==", "!="][choose(6)]
                return f"({number(depth - 1)} {sign} {number(depth - 1)})"
            case 1:
                join = ["&", "|"][choose(2)]
                return f"({condition(depth - 1)} {join} {condition(depth - 1)})"
        return f"(~{condition(depth - 1)})"

    return number(depth) if draw.random() < 0.5 else condition(depth)


def test_random_expressions_are_those_of_numpy():
    """Python's own evaluation by NumPy, in the test alone, says the same."""
    draw = np.random.default_rng(7)
    columns = {
        "x": draw.normal(size=40),
        "y": draw.normal(size=40),
        "k": draw.integers(1, 4, 40),
        "flag": draw.random(40) < 0.5,
    }
    names = {
        "abs": np.abs,
        "maximum": np.maximum,
        "where": np.where,
        "number": np.float64,
        "__builtins__": {},
    }
    for _ in range(400):
        text = random_text(draw, 4)
        with np.errstate(all="ignore"):
            # Of text that the test itself makes; numbers are NumPy's, as ~True is -2.
            numbers = re.sub(r"(?<![\w.])(\d+(\.\d+)?)", r"number(\1)", text)
            expected = eval(numbers, names, columns)
            found = parse(text)(columns, 40)
        expected = np.broadcast_to(expected, 40)
        # What is divided by zero is no number for either; integers have none to say so.
        good = np.isfinite(expected.astype(float)) & np.isfinite(found.astype(float))
        assert np.isclose(found, expected)[good].all(), text
