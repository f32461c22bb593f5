"""Names that one table of files gives and another one uses."""

from collections.abc import Iterator, Sequence

from ..._events.nearest import near
from .channels import ChannelTable
from .samples import DataTable, SampleTable
from .source import FilesTable
from .systematics import SystematicTable, TemplateTable


def check_references(
    source: FilesTable,
    samples: Sequence[SampleTable],
    channels: Sequence[ChannelTable],
    systematics: Sequence[SystematicTable],
    data: DataTable | None,
) -> None:
    """Whether every name that is used is given, and given once.

    Raises:
        ValueError: the first that is not, with its key.
    """
    if not samples:
        raise ValueError("`samples` is missing: no file of simulated events is named")
    if not channels:
        raise ValueError("`channels` is missing: no region is described")
    if not source.features and any(channel.scored for channel in channels):
        raise ValueError(
            "`source.features` is missing: a channel is scored, and the observable has "
            "nothing to look at"
        )
    for key, tables in (("samples", samples), ("channels", channels)):
        names = [table.name for table in tables]
        for i, name in enumerate(names):
            if name in names[:i]:
                raise ValueError(f"`{key}.{i}.name` is {name!r} for the second time")
    known = {
        "samples": [sample.name for sample in samples],
        "processes": list(dict.fromkeys(sample.of for sample in samples)),
        "channels": [channel.name for channel in channels],
    }
    for key, kind, name in _used(samples, systematics):
        if name not in known[kind]:
            what = {"processes": "process"}.get(kind, kind.removesuffix("s"))
            raise ValueError(
                f"`{key}` names the {what} {name!r}, which there is not."
                f"{near(name, known[kind])}"
            )
    for i, systematic in enumerate(systematics):
        _check_years(i, systematic, samples)


def _used(
    samples: Sequence[SampleTable], systematics: Sequence[SystematicTable]
) -> Iterator[tuple[str, str, str]]:
    """Key, kind and name of everything that is named."""
    for i, sample in enumerate(samples):
        for name in sample.channels or ():
            yield f"samples.{i}.channels", "channels", name
    for i, systematic in enumerate(systematics):
        for kind in ("samples", "processes", "channels"):
            for name in getattr(systematic, kind) or ():
                yield f"systematics.{i}.{kind}", kind, name
        for side, template in _sides(systematic):
            for name in template.files:
                yield f"systematics.{i}.{side}.files", "samples", name


def _sides(systematic: SystematicTable) -> Iterator[tuple[str, TemplateTable]]:
    yield "up", systematic.up
    if systematic.down is not None:
        yield "down", systematic.down


def _check_years(
    i: int, systematic: SystematicTable, samples: Sequence[SampleTable]
) -> None:
    acted = [sample for sample in samples if acts_on_sample(systematic, sample)]
    if not acted:
        raise ValueError(
            f"`systematics.{i}` acts on nothing: no sample is named by both `samples` "
            "and `processes`"
        )
    for sample in acted:
        if "year" in systematic.decorrelate and sample.year is None:
            raise ValueError(
                f"`systematics.{i}.decorrelate` tells years apart, and the sample "
                f"{sample.name!r} has no `year`"
            )
        for side, template in _sides(systematic):
            if template.files and sample.name not in template.files:
                raise ValueError(
                    f"`systematics.{i}.{side}.files` has none for the sample "
                    f"{sample.name!r}, which the systematic acts on; give them, or "
                    "name the samples that it acts on as `samples`"
                )


def acts_on_sample(systematic: SystematicTable, sample: SampleTable) -> bool:
    """Whether a systematic changes the events of a sample."""
    return (systematic.samples is None or sample.name in systematic.samples) and (
        systematic.processes is None or sample.of in systematic.processes
    )
