"""A text → an expression that is nothing but arithmetic."""

import ast
import functools
import re
from collections.abc import Mapping, Sequence

from ..nearest import near
from .compute import Expression, Reduction
from .words import BRACKETS, FUNCTIONS, OPERATORS, REDUCTIONS, ZERO

_DEEPEST = 200


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """The expression that a text is.

    Names of columns that are no identifiers are put between backticks, as in
    `` `lep.pt [GeV]` > 20``; a dot needs none.

    Raises:
        ValueError: it is none, or would do something else than arithmetic.
    """
    quoted: dict[str, str] = {}

    def unquote(match: re.Match) -> str:
        local = f"quoted_{len(quoted)}_"
        quoted[local] = match[1]
        return local

    code = re.sub(r"`([^`]+)`", unquote, text.strip())
    try:
        tree = ast.parse(code, mode="eval")
    # A text of thousands of brackets is too deep for the parser itself.
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = getattr(error, "msg", None) or "it is too deep"
        raise ValueError(f"{text[:60]!r} is no expression: {reason}.") from None
    return _Writer(text, quoted).expression(tree.body)


class _Writer:
    """Writes a parsed text in numexpr's words; refuses what is no arithmetic."""

    def __init__(self, text: str, quoted: Mapping[str, str]):
        self.text = text
        self.quoted = quoted
        self.locals: dict[str, str] = {}
        self.reductions: dict[str, Reduction] = {}
        self.depth = 0

    def expression(self, node: ast.expr) -> Expression:
        body = self.write(node)
        names = {local: name for name, local in self.locals.items()}
        return Expression(self.text, body, names, self.reductions)

    def write(self, node: ast.expr) -> str:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ValueError(f"{self.text[:60]!r} … is nested too deeply.")
        written = self._write(node)
        self.depth -= 1
        return written

    def _write(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=bool() | int() | float() as value):
                return self._constant(value)
            case ast.Name() | ast.Attribute():
                return self._column(_dotted(node, self.text))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"(~{self._truth(operand)})"
            case ast.UnaryOp(op=op, operand=operand):
                return f"({OPERATORS[type(op)]}{self.write(operand)})"
            case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
                return f"floor({self.write(left)} / {self.write(right)})"
            case ast.BinOp(left=left, op=ast.Mod(), right=right):
                return self._remainder(left, right)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return _power(self.write(left), self.write(right))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                sides = self.write(left), self.write(right)
                return f"({sides[0]} {OPERATORS[type(op)]} {sides[1]})"
            case ast.BoolOp(op=op, values=values):
                joined = f" {OPERATORS[type(op)]} ".join(map(self._truth, values))
                return f"({joined})"
            case ast.Compare():
                return self._comparison(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                parts = self._truth(test), self.write(body), self.write(orelse)
                return f"where({', '.join(parts)})"
            case ast.Subscript(value=value, slice=ast.Constant(value=int(place))):
                return self._reduction("at", value, (place,))
            case ast.Call():
                return self._call(node)
        kind = re.sub(r"(?<!^)(?=[A-Z])", " ", type(node).__name__).lower()
        raise ValueError(
            f"{self.text!r} is no expression over columns: a {kind} has no meaning in "
            "it. It may have numbers, columns, arithmetic, comparisons, and functions "
            "of them."
        )

    def _constant(self, value: float) -> str:
        if _too_wide(value):
            raise ValueError(f"{self.text[:60]!r}: a number is too large.")
        if isinstance(value, bool):
            return f"({ZERO} == 0)" if value else f"({ZERO} != 0)"
        return repr(value)

    def _column(self, name: str) -> str:
        name = self.quoted.get(name, name)
        return self.locals.setdefault(name, f"c{len(self.locals)}")

    def _truth(self, node: ast.expr) -> str:
        """A condition; a number is one where it is not 0, as in Python."""
        written = self.write(node)
        certain = isinstance(node, ast.Compare | ast.BoolOp) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        )
        if certain or _is_condition(node):
            return written
        return f"({written} != 0)"

    def _comparison(self, node: ast.Compare) -> str:
        operands = [node.left, *node.comparators]
        if len(operands) > 2 and any(_joined(operand) for operand in operands):
            raise ValueError(f"{self.text!r}: {BRACKETS}")
        parts = []
        for left, op, right in zip(operands, node.ops, operands[1:], strict=False):
            if isinstance(op, ast.In | ast.NotIn):
                parts.append(self._membership(left, right, isinstance(op, ast.NotIn)))
            elif type(op) in OPERATORS:
                sides = self._variable(left, right), self.write(right)
                parts.append(f"({sides[0]} {OPERATORS[type(op)]} {sides[1]})")
            else:
                raise ValueError(f"{self.text!r}: `is` has no meaning; write `==`.")
        return parts[0] if len(parts) == 1 else f"({' & '.join(parts)})"

    def _variable(self, node: ast.expr, *others: ast.expr) -> str:
        """A value that numexpr computes, also where it and the others are constant.

        What is constant it leaves to Python, where `~True` is -2.
        """
        written = self.write(node)
        constant = all(map(_is_constant, (node, *others)))
        return f"({written} + {ZERO})" if constant else written

    def _remainder(self, left: ast.expr, right: ast.expr) -> str:
        # The remainder of the smallest integer by -1 is a trap of the processor, which
        # ends the whole process: x mod -1 is -(-x mod 1), of integers and of others.
        x, divisor = self.write(left), self.write(right)
        if isinstance(right, ast.Constant):
            return f"({x} % {divisor})"
        if _is_constant(right):
            return f"((1.0 * {x}) % {divisor})"
        by_one = f"({divisor} == -1)"
        elsewhere = f"({x} % where({by_one}, 1, {divisor}))"
        return f"where({by_one}, -((-1 * {x}) % 1), {elsewhere})"

    def _membership(self, left: ast.expr, right: ast.expr, negated: bool) -> str:
        if not isinstance(right, ast.List | ast.Tuple | ast.Set) or not right.elts:
            raise ValueError(
                f"{self.text!r}: `in` needs a list of numbers, such as `[1, 2]`."
            )
        value = self._variable(left, *right.elts)
        choices = " | ".join(f"({value} == {self.write(item)})" for item in right.elts)
        return f"(~({choices}))" if negated else f"({choices})"

    def _call(self, node: ast.Call) -> str:
        name = node.func.id if isinstance(node.func, ast.Name) else "?"
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            raise ValueError(f"{self.text!r}: `{name}` takes values without names.")
        if name in REDUCTIONS:
            return self._reduced_call(name, node.args)
        if name not in FUNCTIONS:
            known = [*FUNCTIONS, *REDUCTIONS]
            raise ValueError(
                f"{self.text!r}: there is no function {name!r}.{near(name, known)}"
            )
        function, count = FUNCTIONS[name]
        if len(node.args) != count:
            raise ValueError(
                f"{self.text!r}: `{name}` takes {count} value{'s'[: count != 1]}; got "
                f"{len(node.args)}."
            )
        if function == "where":
            parts = [self._truth(node.args[0]), *map(self.write, node.args[1:])]
        elif function in ("isnan", "isfinite", "isinf"):
            parts = [self._variable(node.args[0])]
        else:
            parts = [self.write(argument) for argument in node.args]
        if function == "pow":
            return _power(*parts)
        return f"{function}({', '.join(parts)})"

    def _reduced_call(self, name: str, args: Sequence[ast.expr]) -> str:
        most = REDUCTIONS[name]
        least = 1 if name == "at" else 0
        if not 1 + least <= len(args) <= 1 + most:
            raise ValueError(
                f"{self.text!r}: `{name}` takes a list per event"
                + ("" if not most else f" and at most {most} numbers")
                + f"; got {len(args)} values."
            )
        return self._reduction(name, args[0], [_number(a, self.text) for a in args[1:]])

    def _reduction(self, name: str, of: ast.expr, constants: Sequence[float]) -> str:
        if name == "at" and (constants[0] < 0 or constants[0] != int(constants[0])):
            raise ValueError(
                f"{self.text!r}: a place in a list is counted from 0; got "
                f"{constants[0]}."
            )
        inner = _Writer(self.text, self.quoted)
        inner.depth = self.depth
        local = f"r{len(self.reductions)}_{self.depth}"
        self.reductions[local] = Reduction(name, inner.expression(of), (*constants,))
        return local


def _power(base: str, exponent: str) -> str:
    # In float64: integers overflow without a word, and have no negative powers.
    return f"((1.0 * {base}) ** {exponent})"


def _dotted(node: ast.expr, text: str) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{_dotted(value, text)}.{attr}"
    raise ValueError(f"{text!r}: a dot stands between the parts of a column's name.")


def _joined(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr)


def _is_constant(node: ast.expr) -> bool:
    """Whether it has no column, and so one value for all events."""
    called = {n.func for n in ast.walk(node) if isinstance(n, ast.Call)}
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Subscript))
    return all(name in called for name in names)


def _is_condition(node: ast.expr) -> bool:
    """Whether it is known to be true or false without looking at any column."""
    match node:
        case ast.Constant(value=bool()) | ast.Compare() | ast.BoolOp():
            return True
        case ast.UnaryOp(op=ast.Not()):
            return True
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            return _is_condition(operand)
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr(), right=right):
            return _is_condition(left) and _is_condition(right)
        case ast.Call(func=ast.Name(id="isnan" | "isfinite" | "isinf" | "any" | "all")):
            return True
    return False


def _number(node: ast.expr, text: str) -> float:
    match node:
        case ast.Constant(value=int() | float() as value) if not _too_wide(value):
            return value
        case ast.UnaryOp(
            op=ast.USub(), operand=ast.Constant(value=int() | float() as value)
        ):
            return -value
    raise ValueError(
        f"{text!r}: what follows a list must be a number. The larger of two values is "
        "`maximum(a, b)`, the smaller one `minimum(a, b)`."
    )


def _too_wide(value: float) -> bool:
    return not (abs(value) < 2**63 if isinstance(value, int) else abs(value) < 1e300)
