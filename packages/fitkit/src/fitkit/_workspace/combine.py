"""Documents as values: digest, prune, rename, combine.

All take and give decoded documents (dicts), leave their arguments as they are, and
check what they give.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from .document import copied
from .references import check_references
from .schema import WorkspaceError, parse

Document = Mapping[str, Any]


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
        text = json.dumps(document, sort_keys=True, ensure_ascii=False)
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
    _check_names(
        document,
        channels=channels,
        samples=samples,
        modifiers=modifiers,
        modifier_types=modifier_types,
        measurements=measurements,
    )

    def kept(each: Mapping[str, Any], names: Collection[str]) -> bool:
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
                                if kept(modifier, modifiers)
                                and modifier["type"] not in modifier_types
                            ]
                        }
                        for sample in channel["samples"]
                        if kept(sample, samples)
                    ]
                }
                for channel in document["channels"]
                if kept(channel, channels)
            ],
            "observations": [o for o in document["observations"] if kept(o, channels)],
            "measurements": [
                _with_settings(
                    m, [p for p in m["config"]["parameters"] if kept(p, modifiers)]
                )
                for m in document["measurements"]
                if kept(m, measurements)
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
    _check_names(document, **names)

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


def combine(left: Document, right: Document, *, merge: bool = False) -> dict[str, Any]:
    """One document of two: their channels side by side, parameters shared by name.

    Measurements of the same name are merged; they must agree on the POI and on the
    settings of the parameters that both set.

    Args:
        left: a decoded document.
        right: another.
        merge: accept channels, observations and measurements that both have in exactly
            the same form; by default any name that both use is an error, for channels
            and observations.

    Raises:
        WorkspaceError: names what the two disagree on. `rename` and `prune` are the
            ways out.
    """
    parse(left), parse(right)
    return _checked(
        {
            "channels": _joined(left, right, "channels", merge),
            "observations": _joined(left, right, "observations", merge),
            "measurements": _joined_measurements(left, right),
            "version": left["version"],
        }
    )


def _joined(left: Document, right: Document, what: str, merge: bool) -> list[Any]:
    ours = {each["name"]: each for each in left[what]}
    for each in right[what]:
        if each["name"] in ours and not (merge and each == ours[each["name"]]):
            how = "differently" if merge else "both"
            raise WorkspaceError(
                f"{what}: the documents {how} have {each['name']!r}. Rename or prune "
                "it in one of them"
                + ("." if merge else ", or combine with `merge=True`.")
            )
        ours[each["name"]] = each
    return list(ours.values())


def _joined_measurements(left: Document, right: Document) -> list[Any]:
    ours = {each["name"]: each for each in left["measurements"]}
    for theirs in right["measurements"]:
        name = theirs["name"]
        if name not in ours:
            ours[name] = theirs
            continue
        poi, other = ours[name]["config"]["poi"], theirs["config"]["poi"]
        if poi != other:
            raise WorkspaceError(
                f"measurements: {name!r} has POI {poi!r} in one document and {other!r} "
                "in the other. Rename one of the measurements."
            )
        settings = {p["name"]: p for p in ours[name]["config"]["parameters"]}
        for setting in theirs["config"]["parameters"]:
            known = settings.setdefault(setting["name"], setting)
            if known != setting:
                raise WorkspaceError(
                    f"measurements: {name!r} sets parameter {setting['name']!r} "
                    "differently in the two documents. Make the settings equal or "
                    "rename one of the measurements."
                )
        ours[name] = _with_settings(ours[name], list(settings.values()))
    return list(ours.values())


def _with_settings(
    measurement: Mapping[str, Any], settings: list[Any]
) -> dict[str, Any]:
    return {**measurement, "config": {**measurement["config"], "parameters": settings}}


def _check_names(document: Document, **wanted: Collection[str]) -> None:
    parse(document)
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


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    check_references(parse(document))
    return copied(document)
