"""Documents without some of their names, or with others: prune and rename.

Both take and give decoded documents, leave their arguments as they are, and check what
they give.
"""

from collections.abc import Collection, Mapping
from typing import Any

from .document import copied, plain
from .error import WorkspaceError
from .parse import parse
from .to_model import check

Document = Mapping[str, Any]


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

    return checked(
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
                with_settings(
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
        each = with_settings(renamed(each, "measurements"), settings)
        poi = each["config"]["poi"]
        each["config"]["poi"] = names["modifiers"].get(poi, poi)
        return each

    return checked(
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


def with_settings(
    measurement: Mapping[str, Any], settings: list[Any]
) -> dict[str, Any]:
    return {**measurement, "config": {**measurement["config"], "parameters": settings}}


def as_json(document: Document) -> Document:
    """The document as JSON has it, where it has the format of a workspace."""
    parse(document)
    # Comparisons of arrays have no single answer.
    return plain(document)


def _with_names(document: Document, **wanted: Collection[str]) -> Document:
    """The document as JSON has it, where it has all these names."""
    document = as_json(document)
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
        if isinstance(names, str):  # whose letters would be taken for names
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


def checked(document: dict[str, Any]) -> dict[str, Any]:
    """A copy of a document that was put together, where it is a good one."""
    check(parse(document))
    # Parts are the caller's own up to here, and must not change with what is given.
    return copied(document)
