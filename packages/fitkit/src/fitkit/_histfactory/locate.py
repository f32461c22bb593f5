"""Where in a specification a number of a table stands."""

from collections.abc import Sequence

from .arrays import Arrays, Layout
from .check import Broken
from .modifiers import AbstractModifier
from .problem import Key, SpecificationError
from .spec import Channel, Sample

# The modifiers whose numbers a table has, by the beginning of its name.
_TYPES = {
    "normsys": ("NormSys",),
    "histosys": ("HistoSys",),
    "uncertainty": ("ShapeSys", "StatError"),
}


def located(
    broken: Broken, channels: Sequence[Channel], layout: Layout, arrays: Arrays
) -> SpecificationError:
    """A broken rule, at its channel, sample, modifier and bin.

    Args:
        broken: a number of one of the tables of templates in `arrays`.
        channels: what these were made of.
        layout, arrays: what was made.
    """
    kind, _, side = broken.table.partition("_")
    *outer, row, last = broken.index
    # Factors of a normsys are by channel, all else is by bin.
    c, bins = (last, ()) if kind == "normsys" else _bin(last, layout)
    sample = channels[c].samples[row]
    words = [f"channel {channels[c].name!r}", f"sample {sample.name!r}"]
    keys: list[Key] = ["channels", c, "samples", row]
    if kind in _TYPES:
        if kind == "uncertainty" and outer[0] == arrays.factor_index.shape[0]:
            # The slot behind the last is that of the factors that are profiled.
            name = next(name for name, where, _ in layout.profiled if last in where)
        else:
            entry = {
                "normsys": lambda: arrays.normsys_index[outer[0]],
                "histosys": lambda: arrays.histosys_index[outer[0]],
                "uncertainty": lambda: arrays.factor_index[broken.index],
            }[kind]()
            name = next(
                name
                for name, place in layout.shapes.places.items()
                if place.start <= entry < place.stop
            )
        number, modifier = _modifier(sample, name, _TYPES[kind])
        words.append(f"{type(modifier).__name__} {name!r}")
        keys += ["modifiers", number]
    field = side or {"nominal": "yields"}.get(kind, kind)
    words += [f"`{field}`", *(f"bin {each}" for each in bins)]
    return SpecificationError(broken.reason, tuple(words), (*keys, field, *bins))


def _bin(place: int, layout: Layout) -> tuple[int, tuple[int, ...]]:
    """The channel of a bin of all side by side, and which of its bins it is."""
    c = 0
    while place >= (bins := layout.channels[c][1]):
        c, place = c + 1, place - bins
    return c, (place,)


def _modifier(
    sample: Sample, name: str, types: tuple[str, ...]
) -> tuple[int, AbstractModifier]:
    """A modifier of a sample, by its name, and by its type where two share one."""
    named = [(m, each) for m, each in enumerate(sample.modifiers) if each.name == name]
    # A modifier of one's own may fill the same table under another type.
    of_type = (pair for pair in named if type(pair[1]).__name__ in types)
    return next(of_type, named[0])
