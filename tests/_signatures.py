"""The signatures of all public names, as text: one line each.

_signatures.py                  # writes packages/*/api.txt
_signatures.py --check          # says where it differs from the code
_signatures.py --release NAME   # packages/NAME/api-released.txt becomes the same
"""

import argparse
import ast
import importlib
import inspect
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import _changelog

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))
NOW, RELEASED = "api.txt", "api-released.txt"

_CALLED = ("__init__", "__call__")


def modules(package: str) -> Iterator[ModuleType]:
    """The package, and those of its modules that are public: `fitkit.plot`."""
    whole = importlib.import_module(package)
    yield whole
    for path in sorted(Path(whole.__file__).parent.iterdir()):
        name = path.stem
        inner = path.suffix == ".py" or (path / "__init__.py").is_file()
        if inner and not name.startswith("_"):
            yield importlib.import_module(f"{package}.{name}")


def public_names(package: str) -> dict[str, object]:
    """Every public name, `fit` or `plot.pulls`, with what it stands for."""
    found = {}
    for module in modules(package):
        above = module.__name__.removeprefix(package).lstrip(".")
        for name in module.__all__:
            found[f"{above}.{name}".lstrip(".")] = getattr(module, name)
    found.pop("__version__", None)
    return found


def definition(of: object) -> ast.AST:
    """The node of the source that defines a class or a function."""
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(of)))
    return ast.parse(source).body[0]


def signature(node: ast.FunctionDef) -> str:
    """`(data, *, throw: bool = True) -> FitResult`, as the source writes it."""
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({ast.unparse(node.args)}){returns}"


def decorators(node: ast.FunctionDef) -> str:
    """Those that change how a member is used: `property`, `classmethod`, …"""
    known = ("property", "classmethod", "staticmethod", "abstractmethod")
    found = [ast.unparse(each).rpartition(".")[2] for each in node.decorator_list]
    return "".join(f" @{name}" for name in found if name in known)


def members(of: type) -> Iterator[str]:
    """Fields in their order, then methods and properties, of one class."""
    methods, fields = [], []
    for node in definition(of).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
                fields.append(ast.unparse(node))
            case ast.FunctionDef(name=name) if name in _CALLED or name[0] != "_":
                methods.append(f"{name}{signature(node)}{decorators(node)}")
    yield from fields
    yield from sorted(methods)


def of_class(name: str, value: type, public: list[object]) -> Iterator[str]:
    bases = ", ".join(map(ast.unparse, definition(value).bases))
    yield f"class {name}({bases})"
    # What is inherited stands at the base, where that is public.
    ours = [base for base in value.__mro__ if base.__module__.split(".")[0] in PACKAGES]
    for base in ours:
        if base is value or base not in public:
            yield from (f"{name}.{member}" for member in members(base))


def lines(package: str) -> list[str]:
    names = public_names(package)
    public = [value for value in names.values() if inspect.isclass(value)]
    found: list[str] = []
    for name, value in names.items():
        if inspect.isclass(value):
            found += of_class(name, value, public)
        elif inspect.isroutine(inspect.unwrap(value)):
            found.append(f"{name}{signature(definition(value))}")
        else:  # a type alias, a constant
            found.append(f"{name}: {type(value).__name__}")
    return [" ".join(line.split()) for line in dict.fromkeys(found)]


def symbol(line: str) -> str:
    """What a line is about: `Model.with_fixed`."""
    return re.match(r"(?:class )?(?P<name>[\w.]+)", line)["name"]


def read(package: str, file: str = NOW, root: Path = ROOT) -> list[str]:
    text = (root / "packages" / package / file).read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def write(package: str) -> None:
    head = f"# Public names of {package}, written by `nox -s api`."
    text = "\n".join([head, "", *lines(package), ""])
    (ROOT / "packages" / package / NOW).write_text(text)


def changed(before: list[str], after: list[str]) -> set[str]:
    """The names whose lines are not the same, are gone, or are new."""
    return {symbol(line) for line in {*before} ^ {*after}}


def untold(package: str, root: Path = ROOT) -> list[str]:
    """The names that changed since the last release and stand in no line about it.

    What a new class has needs no line of its own, nor what one had that is gone.
    """
    before, after = read(package, RELEASED, root), read(package, NOW, root)
    sections = _changelog.sections(package, root)
    told = _changelog.names(sections.get(_changelog.UNRELEASED, ""))
    stays = {*map(symbol, before)} & {*map(symbol, after)}
    names = changed(before, after) - told
    return sorted(
        name for name in names if "." not in name or name.rpartition(".")[0] in stays
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=textwrap.dedent(__doc__))
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--release", metavar="NAME", choices=PACKAGES)
    options = parser.parse_args()
    wrong, missing = [], []
    for package in PACKAGES:
        if options.check:
            wrong += sorted(changed(read(package), lines(package)))
        else:
            write(package)
            missing += [f"{package}.{name}" for name in untold(package)]
    if options.release:
        folder = ROOT / "packages" / options.release
        shutil.copyfile(folder / NOW, folder / RELEASED)
    print(*wrong, sep="\n")
    if missing:
        print("in no changelog yet:", *missing)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
