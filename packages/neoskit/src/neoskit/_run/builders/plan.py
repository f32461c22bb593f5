"""Tables of files → which events every template is made of."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..config import (
    ChannelTable,
    ConfigError,
    RunConfig,
    SampleTable,
    SystematicTable,
    TemplateTable,
    acts_on_sample,
)

SIDES = ("up", "down")


@dataclass(frozen=True)
class Region:
    """What becomes a channel of the model.

    Args:
        name: the channel's name; of a channel with a `variable`, each bin is one.
        table: the channel of the description.
        number: its place there.
        filter: expressions that its events fulfil.
    """

    name: str
    table: ChannelTable
    number: int
    filter: tuple[str, ...]

    @property
    def counted(self) -> bool:
        """Whether its events are only counted."""
        return not self.table.scored


def regions(config: RunConfig) -> tuple[Region, ...]:
    """Every channel of the model."""
    found: list[Region] = []
    for number, table in enumerate(config.channels):
        if table.variable is None or table.binning is None:
            found.append(Region(table.name, table, number, table.filter))
            continue
        # A bin of a variable that is not trained is a channel of one bin: the
        # likelihood is the same.
        for i, (low, high) in enumerate(
            zip(table.binning, table.binning[1:], strict=False)
        ):
            inside = f"{low!r} <= ({table.variable}) < {high!r}"
            name = f"{table.name}_{i}"
            found.append(Region(name, table, number, (*table.filter, inside)))
    return tuple(found)


def enters(sample: SampleTable, region: Region) -> bool:
    """Whether a region takes events of a sample."""
    return sample.channels is None or region.table.name in sample.channels


def parameter(systematic: SystematicTable, region: Region, sample: SampleTable) -> str:
    """The parameter by which a systematic acts on a sample in a region."""
    axes = {
        "channel": region.table.name,
        "year": sample.year,
        "process": sample.of,
        "sample": sample.name,
    }
    parts = [axes[axis] or "" for axis in systematic.decorrelate]
    return "_".join([systematic.name, *parts])


def acts(systematic: SystematicTable, region: Region, sample: SampleTable) -> bool:
    """Whether a systematic changes a sample in a region."""
    here = systematic.channels is None or region.table.name in systematic.channels
    return here and acts_on_sample(systematic, sample)


@dataclass(frozen=True)
class Acting:
    """One systematic that acts on one sample in one region.

    Args:
        number: of the systematic in the description.
        table: what it says.
    """

    number: int
    table: SystematicTable

    def template(self, side: str) -> TemplateTable | None:
        """What is different on this side; `None` where nothing is."""
        return getattr(self.table, side)


@dataclass(frozen=True)
class Plan:
    """Which samples make up each process of a region, and what acts on each.

    Args:
        region: where.
        process: which.
        samples: those that make it up, by number.
        shifts: parameter → sample → what acts on it by this parameter; a sample that
            is not named is as it is.
    """

    region: Region
    process: str
    samples: tuple[int, ...]
    shifts: dict[str, dict[int, Acting]]

    @property
    def normalised(self) -> dict[str, tuple[float, float]]:
        """Parameter → the factors down and up, of those that scale all of it alike."""
        return {
            name: factors
            for name, of in self.shifts.items()
            if (factors := self._factors(of)) is not None
        }

    @property
    def varied(self) -> dict[str, dict[int, Acting]]:
        """The shifts that need templates of their own."""
        scaled = self.normalised
        return {name: of for name, of in self.shifts.items() if name not in scaled}

    def _factors(self, of: dict[int, Acting]) -> tuple[float, float] | None:
        if set(of) != set(self.samples):
            return None
        pairs = {_constant_factors(acting.table) for acting in of.values()}
        return pairs.pop() if len(pairs) == 1 else None


def _constant_factors(table: SystematicTable) -> tuple[float, float] | None:
    if not table.normalises:
        return None
    up = 1 + (table.up.normalisation or 0.0)
    if table.down is not None:
        return 1 + (table.down.normalisation or 0.0), up
    # Mirrored, as templates are; a factor has to stay positive.
    return max(2 - up, LEAST_FACTOR), up


LEAST_FACTOR = 0.01
"""What a factor on a normalisation is at least: a yield that is negative at one
standard deviation is no expectation."""


def plans(config: RunConfig) -> tuple[Plan, ...]:
    """The plan of every process of every region.

    Raises:
        ConfigError: two systematics act on one sample by one parameter.
    """
    return tuple(
        plan for region in regions(config) for plan in _of_region(config, region)
    )


def _of_region(config: RunConfig, region: Region) -> Iterator[Plan]:
    inside = [i for i, s in enumerate(config.samples) if enters(s, region)]
    for process in dict.fromkeys(config.samples[i].of for i in inside):
        members = tuple(i for i in inside if config.samples[i].of == process)
        yield Plan(region, process, members, _shifts(config, region, members))


def _shifts(
    config: RunConfig, region: Region, members: tuple[int, ...]
) -> dict[str, dict[int, Acting]]:
    shifts: dict[str, dict[int, Acting]] = {}
    for number, table in enumerate(config.systematics):
        for i in members:
            sample = config.samples[i]
            if not acts(table, region, sample):
                continue
            name = parameter(table, region, sample)
            of = shifts.setdefault(name, {})
            if i in of:
                raise ConfigError(
                    f"`systematics.{number}` and `systematics.{of[i].number}` both act "
                    f"on the sample {sample.name!r} in the channel "
                    f"{region.table.name!r} by the parameter {name!r}; give one of "
                    "them another name, or other samples"
                )
            of[i] = Acting(number, table)
    for name, of in shifts.items():
        _check_treated_alike(name, list(of.values()))
    return shifts


def _check_treated_alike(name: str, of: list[Acting]) -> None:
    for other in of[1:]:
        for key in ("symmetrise", "smooth", "effect", "prune"):
            if getattr(other.table, key) != getattr(of[0].table, key):
                raise ConfigError(
                    f"`systematics.{of[0].number}.{key}` and "
                    f"`systematics.{other.number}.{key}` differ, and both act on one "
                    f"process by the parameter {name!r}: their events are in one "
                    "template"
                )
