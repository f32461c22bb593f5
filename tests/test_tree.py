"""The tree that is drawn, the modules that exist and the import rules: one story."""

import re
import tomllib
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/src/*/__init__.py"))
RULES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
LAYERED = {
    container: contract["layers"]
    for contract in RULES["contracts"]
    if contract["type"] == "layers"
    for container in contract.get("containers", [])
}


def existing() -> dict[str, set[str]]:
    """The modules and folders of each folder, such as `fitkit._fit`, by their names."""
    tree: dict[str, set[str]] = {}
    for package in PACKAGES:
        for init in package.rglob("__init__.py"):
            folder = init.parent
            name = ".".join(folder.relative_to(package.parent).parts)
            tree[name] = {path.stem for path in folder.glob("*.py") if path != init}
            tree[name] |= {path.parent.name for path in folder.glob("*/__init__.py")}
    return tree


def drawn() -> dict[str, list[str]]:
    """The same from the page, in its order."""
    (text,) = re.findall(
        r"^```text\n(packages/.*?)^```$", PAGE.read_text(), re.M | re.S
    )
    tree: dict[str, list[str]] = {}
    above: list[str] = []  # the folder of each indentation
    for line in filter(str.strip, text.splitlines()):
        depth, names = (len(line) - len(line.lstrip())) // 4, []
        for word in line.split():
            if not re.fullmatch(r"[\w/]+(/|\.py)", word):
                break
            names.append(word)
        assert names, f"no module in the line {line!r}"
        above = above[:depth]
        for name in names:
            if not name.endswith("/"):
                tree[".".join(above)].append(name.removesuffix(".py"))
                continue
            folder = name.rstrip("/").rpartition("/")[2]  # of a package, its path
            if above:
                tree[".".join(above)].append(folder)
            above.append(folder)
            tree[".".join(above)] = []
    return tree


def layers(container: str) -> list[set[str]]:
    """The layers of a folder from below, each a set of modules."""
    split = [re.split(r"[|:]", layer) for layer in reversed(LAYERED[container])]
    return [{name.strip(" ()") for name in layer} for layer in split]


def modules() -> set[str]:
    """All modules and folders by their full names."""
    tree = existing()
    return {*tree, *(f"{folder}.{name}" for folder in tree for name in tree[folder])}


@pytest.mark.parametrize("package", [package.name for package in PACKAGES])
def test_the_page_draws_every_module_once(package):
    def of_package(tree):
        return {k: sorted(v) for k, v in tree.items() if k.split(".")[0] == package}

    assert of_package(drawn()) == of_package(existing())


@pytest.mark.parametrize("container", LAYERED)
def test_the_layers_are_the_modules_of_the_folder(container):
    tree = existing()
    assert container in tree
    named = [name for layer in layers(container) for name in layer]
    assert sorted(named) == sorted(tree[container])


@pytest.mark.parametrize("container", LAYERED)
def test_the_page_draws_what_is_below_before_what_is_above(container):
    order = drawn().get(container, [])
    for below, above in combinations(layers(container), 2):
        late = [
            (low, high)
            for low in below & {*order}
            for high in above & {*order}
            if order.index(low) > order.index(high)
        ]
        assert not late


@pytest.mark.parametrize("contract", RULES["contracts"], ids=lambda c: c["id"])
def test_rules_name_modules_that_exist(contract):
    known = modules()
    named = {*RULES["root_packages"]}
    for key in ("source_modules", "forbidden_modules", "protected_modules"):
        named |= {*contract.get(key, [])}
    for rule in contract.get("ignore_imports", []):
        named |= {*rule.split(" -> ")}
    if "containers" not in contract:
        named |= {x.strip() for y in contract.get("layers", []) for x in y.split("|")}
    ours = {name.removesuffix(".*") for name in named}
    ours = {name for name in ours if name.split(".")[0] in RULES["root_packages"]}
    assert ours <= known
