"""Documents as values: digest, prune, rename, combine.

All take and give decoded documents (dicts), leave their arguments as they are, and
check what they give.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, TypeAlias, get_args

from .document import copied, plain
from .error import WorkspaceError
from .parse import parse
from .to_model import check

Document = Mapping[str, Any]
Join: TypeAlias = Literal["none", "outer", "left outer", "right outer"]


def digest(document: Document, algorithm: str = "sha256") -> str:
    """The digest of a document's content, whatever the order of its keys.

    Args:
        document: a decoded document.
        algorithm: a name that `hashlib` knows.

    Returns:
        The hexadecimal digest, as pyhf computes it.

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
        text = json.dumps(plain(document), sort_keys=True, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise WorkspaceError(
            f"the document cannot be written as JSON: {error}. Give a decoded document."
        ) from None
    return hashlib.new(algorithm, text.encode()).hexdigest()


def prune(
    document: Document,
    *,
    channels: Collection[str] = (),
    samples: Collection[str] = (),
    modifiers: Collection[str] = (),
    modifier_types: Collection[str] = (),
    measurements: Collection[str] = (),
) -> dict[str, Any]:
    """The document without what is named.

    Args:
        document: a decoded document.
        channels: names; their observations go with them.
        samples: names, in all channels.
        modifiers: names, in all samples; the settings of their parameters go with them.
        modifier_types: such as "staterror".
        measurements: names.

    Raises:
        WorkspaceError: for a name that the document lacks, or where nothing valid
            is left.
    """
    document = _with_names(
        document,
        channels=channels,
        samples=samples,
        modifiers=modifiers,
        modifier_types=modifier_types,
        measurements=measurements,
    )

    def stays(each: Mapping[str, Any], names: Collection[str]) -> bool:
        return each["name"] not in names

    return _checked(
        {
            "channels": [
                channel
                | {
                    "samples": [
                        sample
                        | {
                            "modifiers": [
                                modifier
                                for modifier in sample["modifiers"]
                                if stays(modifier, modifiers)
                                and modifier["type"] not in modifier_types
                            ]
                        }
                        for sample in channel["samples"]
                        if stays(sample, samples)
                    ]
                }
                for channel in document["channels"]
                if stays(channel, channels)
            ],
            "observations": [o for o in document["observations"] if stays(o, channels)],
            "measurements": [
                _with_settings(
                    m, [p for p in m["config"]["parameters"] if stays(p, modifiers)]
                )
                for m in document["measurements"]
                if stays(m, measurements)
            ],
            "version": document["version"],
        }
    )


def rename(
    document: Document,
    *,
    channels: Mapping[str, str] | None = None,
    samples: Mapping[str, str] | None = None,
    modifiers: Mapping[str, str] | None = None,
    measurements: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The document with new names, given as `{old: new}`.

    Args:
        document: a decoded document.
        channels: also of observations.
        samples: in all channels.
        modifiers: in all samples, also of parameter settings and of the POI.
        measurements: of measurements.

    Raises:
        WorkspaceError: for an old name that the document lacks, or new names that make
            the document invalid.
    """
    names = {
        "channels": channels or {},
        "samples": samples or {},
        "modifiers": modifiers or {},
        "measurements": measurements or {},
    }
    document = _with_names(document, **names)

    def renamed(each: Mapping[str, Any], what: str) -> dict[str, Any]:
        return {**each, "name": names[what].get(each["name"], each["name"])}

    def measurement(each: Mapping[str, Any]) -> dict[str, Any]:
        settings = [renamed(p, "modifiers") for p in each["config"]["parameters"]]
        each = _with_settings(renamed(each, "measurements"), settings)
        poi = each["config"]["poi"]
        each["config"]["poi"] = names["modifiers"].get(poi, poi)
        return each

    return _checked(
        {
            "channels": [
                renamed(channel, "channels")
                | {
                    "samples": [
                        renamed(sample, "samples")
                        | {
                            "modifiers": [
                                renamed(modifier, "modifiers")
                                for modifier in sample["modifiers"]
                            ]
                        }
                        for sample in channel["samples"]
                    ]
                }
                for channel in document["channels"]
            ],
            "observations": [renamed(o, "channels") for o in document["observations"]],
            "measurements": [measurement(m) for m in document["measurements"]],
            "version": document["version"],
        }
    )


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
    left, right = _checked_format(left), _checked_format(right)
    if join == "right outer":
        left, right = right, left
    merged = _merge_samples if merge_channels else _same
    rules = {
        "channels": merged,
        "observations": _same,
        "measurements": _merge_settings,
    }
    return _checked(
        {
            what: _joined(left[what], right[what], what, join, rule)
            for what, rule in rules.items()
        }
        | {"version": left["version"]}
    )


Item = Mapping[str, Any]


def _joined(
    ours: list[Item],
    theirs: list[Item],
    what: str,
    join: Join,
    rule: Callable[[Item, Item, str], Item],
) -> list[Any]:
    """Items of two lists by name; the first list goes first, and wins an outer join."""
    found = {each["name"]: each for each in ours}
    for each in theirs:
        name = each["name"]
        if name not in found:
            found[name] = each
        elif join == "none":
            raise WorkspaceError(
                f"{what}: the documents both have {name!r}. Rename or prune it in one "
                'of them, or combine with another `join`, such as "outer".'
            )
        elif join == "outer":
            found[name] = rule(found[name], each, what)
        elif rule is _merge_samples:
            samples = _joined(
                found[name]["samples"], each["samples"], "samples", join, _same
            )
            found[name] = {**found[name], "samples": samples}
    return list(found.values())


def _same(ours: Item, theirs: Item, what: str) -> Item:
    """The item, where both are equal."""
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
    return _with_settings(ours, settings)


def _with_settings(
    measurement: Mapping[str, Any], settings: list[Any]
) -> dict[str, Any]:
    return {**measurement, "config": {**measurement["config"], "parameters": settings}}


def _checked_format(document: Document) -> Document:
    """The document as JSON has it, where it has the format of a workspace."""
    parse(document)
    return plain(document)


def _with_names(document: Document, **wanted: Collection[str]) -> Document:
    """The document as JSON has it, where it has all these names."""
    document = _checked_format(document)
    samples = [s for channel in document["channels"] for s in channel["samples"]]
    modifiers = [modifier for sample in samples for modifier in sample["modifiers"]]
    present = {
        "channels": {each["name"] for each in document["channels"]},
        "samples": {each["name"] for each in samples},
        "modifiers": {each["name"] for each in modifiers},
        "modifier_types": {each["type"] for each in modifiers},
        "measurements": {each["name"] for each in document["measurements"]},
    }
    for what, names in wanted.items():
        if isinstance(names, str):
            raise WorkspaceError(
                f"`{what}` is the string {names!r}. Give a list of names."
            )
        for name in names:
            if name not in present[what]:
                raise WorkspaceError(
                    f"{what}: the document has no {name!r}. It has: "
                    f"{', '.join(sorted(present[what]))}."
                )
    return document


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    check(parse(document))
    return copied(document)
