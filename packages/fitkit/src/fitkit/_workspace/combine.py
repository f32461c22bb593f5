"""One document of two, which share the parameters of one name.

Takes and gives decoded documents, leaves its arguments as they are, and checks what it
gives.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, get_args

from .error import WorkspaceError
from .names import Document, as_json, checked, with_settings

Join: TypeAlias = Literal["none", "outer", "left outer", "right outer"]
Item: TypeAlias = Mapping[str, Any]


def combine(
    left: Document,
    right: Document,
    *,
    join: Join = "outer",
    merge_channels: bool = False,
) -> dict[str, Any]:
    """One document of two: their channels side by side, parameters shared by name.

    Args:
        left: a decoded document.
        right: another.
        join: what to do about channels, observations and measurements of one name:

            - "outer" (default): they must be equal, but for measurements, whose
              parameter settings are put together and must not contradict each other;
            - "none": they are an error;
            - "left outer", "right outer": those of the named side are taken, and the
              other's are dropped without a word. Look at the result.
        merge_channels: for channels of one name, put their samples together, by the
            same rule; not with "none".

    Raises:
        WorkspaceError: names what the two disagree on. `rename` and `prune` are the
            ways out.

    Example:
        >>> import fitkit
        >>> def document(channel):
        ...     sample = {"name": "b", "data": [50.0], "modifiers": []}
        ...     return {
        ...         "channels": [{"name": channel, "samples": [sample]}],
        ...         "observations": [{"name": channel, "data": [55.0]}],
        ...         "measurements": [
        ...             {"name": "m", "config": {"poi": "", "parameters": []}}],
        ...         "version": "1.0.0"}
        >>> both = fitkit.combine(document("SR"), document("CR"))
        >>> [channel["name"] for channel in both["channels"]]
        ['SR', 'CR']
    """
    if join not in get_args(Join):
        raise WorkspaceError(f"`join={join!r}` is not one of {get_args(Join)}.")
    if merge_channels and join == "none":
        raise WorkspaceError(
            '`merge_channels` needs one of the joins "outer", "left outer" and "right '
            'outer"; with "none" channels of one name are an error.'
        )
    left, right = as_json(left), as_json(right)
    # The side that wins goes first, as in pyhf.
    if join == "right outer":
        left, right = right, left
    merged = _merge_samples if merge_channels else _same
    rules = {
        "channels": merged,
        "observations": _same,
        "measurements": _merge_settings,
    }
    return checked(
        {
            what: _joined(left[what], right[what], what, join, rule)
            for what, rule in rules.items()
        }
        | {"version": left["version"]}
    )


def _joined(
    ours: list[Item],
    theirs: list[Item],
    what: str,
    join: Join,
    rule: Callable[[Item, Item, str], Item],
) -> list[Any]:
    """Items of two lists by name; the first list goes first, and wins an outer join."""
    # Order is that of the first list: the parameters of a model follow it.
    named = {each["name"]: each for each in ours}
    for each in theirs:
        name = each["name"]
        if name not in named:
            named[name] = each
        elif join == "none":
            raise WorkspaceError(
                f"{what}: the documents both have {name!r}. Rename or prune it in one "
                'of them, or combine with another `join`, such as "outer".'
            )
        elif join == "outer":
            named[name] = rule(named[name], each, what)
        elif rule is _merge_samples:
            samples = _joined(
                named[name]["samples"], each["samples"], "samples", join, _same
            )
            named[name] = {**named[name], "samples": samples}
    return list(named.values())


def _same(ours: Item, theirs: Item, what: str) -> Item:
    """The item, where both are equal."""
    # Stricter than pyhf, which drops one of two samples that differ without a word.
    if ours != theirs:
        raise WorkspaceError(
            f"{what}: the documents differ in {ours['name']!r}. Rename or prune it in "
            'one of them, or take one side\'s with `join="left outer"` or "right outer"'
            + (
                "; `merge_channels=True` puts the samples of both into one channel."
                if what == "channels"
                else "."
            )
        )
    return ours


def _merge_samples(ours: Item, theirs: Item, what: str) -> Item:
    """A channel with the samples of both."""
    where = f"{what} {ours['name']!r}: samples"
    samples = _joined(ours["samples"], theirs["samples"], where, "outer", _same)
    return {**ours, "samples": samples}


def _merge_settings(ours: Item, theirs: Item, what: str) -> Item:
    """A measurement with the parameter settings of both."""
    name, poi, other = ours["name"], ours["config"]["poi"], theirs["config"]["poi"]
    if poi != other:
        raise WorkspaceError(
            f"{what}: {name!r} has POI {poi!r} in one document and {other!r} in the "
            "other. Rename one of the measurements."
        )
    where = f"{what} {name!r}: parameters"
    settings = _joined(
        ours["config"]["parameters"],
        theirs["config"]["parameters"],
        where,
        "outer",
        _same,
    )
    return with_settings(ours, settings)
