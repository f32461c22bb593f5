"""The words of an expression, and what numexpr calls them."""

import ast

# By the names that a user writes: NumPy's, and C's where physicists are used to them.
FUNCTIONS = {
    **{
        name: (name, 1)
        for name in (
            *("abs", "sqrt", "exp", "expm1", "log", "log2", "log10", "log1p"),
            *("sin", "cos", "tan", "arcsin", "arccos", "arctan"),
            *("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"),
            *("floor", "ceil", "round", "trunc", "sign"),
            *("isnan", "isfinite", "isinf"),
        )
    },
    **{name: (name, 2) for name in ("arctan2", "hypot", "fmod", "minimum", "maximum")},
    **{"fabs": ("abs", 1), "asin": ("arcsin", 1), "acos": ("arccos", 1)},
    **{"atan": ("arctan", 1), "atan2": ("arctan2", 2), "pow": ("pow", 2)},
    "where": ("where", 3),
}
"""Function → numexpr's name and the number of arguments; all act event by event."""

REDUCTIONS = {"count": 0, "sum": 0, "any": 0, "all": 0, "max": 1, "min": 1, "at": 2}
"""Function of a list per event → how many constants may follow the list."""

OPERATORS: dict[type, str] = {
    **{
        ast.Add: "+",
        ast.Sub: "-",
        ast.Mult: "*",
        ast.Div: "/",
        ast.BitAnd: "&",
        ast.BitOr: "|",
        ast.BitXor: "^",
    },
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="},
    **{ast.Eq: "==", ast.NotEq: "!="},
    **{ast.UAdd: "+", ast.USub: "-", ast.Invert: "~"},
    **{ast.And: "&", ast.Or: "|"},
}

BRACKETS = (
    "`&` and `|` bind more tightly than comparisons: put each comparison in brackets, "
    "as in `(20 < m_vis) & (m_vis < 140)`, or join them by `and` and `or`."
)

ZERO = "zero_"  # a variable, no constant
