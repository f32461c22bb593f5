"""What was noticed in a document, and the same grouped by kind."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Literal, final, overload

Severity = Literal["problem", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("problem", "warning", "note")


@final
@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes:
        severity: "problem" (the likelihood is not what it should be), "warning" (likely
            a mistake, or trouble for a fit) or "note" (harmless).
        kind: what is odd, the same text wherever it is.
        detail: what is odd here, with numbers; may be empty.
        channel, sample, modifier: where, as far as it applies.
        bins: the bins that it concerns.
        size: how odd, to compare findings of one kind: larger is worse.
        message: kind and detail.
    """

    severity: Severity
    kind: str
    detail: str = ""
    channel: str | None = None
    sample: str | None = None
    modifier: str | None = None
    bins: tuple[int, ...] = ()
    size: float = 0.0
    message: str = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        detail = f" ({self.detail})" if self.detail else ""
        object.__setattr__(self, "message", self.kind + detail)

    @property
    def place(self) -> str:
        """Where, such as "SR / background / jes [bin 0]"; may be empty."""
        names = [each for each in (self.channel, self.sample, self.modifier) if each]
        bins = f" [bin {', '.join(map(str, self.bins))}]" if self.bins else ""
        return " / ".join(names) + bins

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.severity, self.place, self.message)))


@final
@dataclasses.dataclass(frozen=True)
class FindingGroup:
    """All findings of one kind.

    Attributes:
        severity, kind: theirs.
        findings: worst first.
    """

    severity: Severity
    kind: str
    findings: tuple[Finding, ...]

    def lines(self, most: int | None = 3) -> list[str]:
        """The kind, and below it the places, worst first.

        Args:
            most: so many places at most, then how many more there are; None for all.
        """
        count = len(self.findings)
        lines = [f"{self.severity}: {self.kind}" + f" ({count} places)" * (count > 1)]
        for each in self.findings[:most]:
            # What concerns the whole document has no place.
            lines.append("    " + ": ".join(filter(None, (each.place, each.detail))))
        if most is not None and count > most:
            lines.append(f"    and {count - most} more")
        return [line for line in lines if line.strip()]


@final
class Findings(Sequence[Finding]):
    """What `validate` reports: a sequence of findings, problems first.

    Printed, it shows them grouped by kind with the worst few of each.

    Example:
        >>> import fitkit
        >>> document = {
        ...     "channels": [{"name": "SR", "samples": [{"name": "fakes",
        ...         "data": [5.0, -1.0], "modifiers": []}]}],
        ...     "observations": [{"name": "SR", "data": [4, 0]}],
        ...     "measurements": [
        ...         {"name": "m", "config": {"poi": "", "parameters": []}}],
        ...     "version": "1.0.0"}
        >>> fitkit.validate(document)
        1 warning, 1 note
        warning: negative yields
            SR / fakes [bin 1]: down to -1
        note: nothing expected, nothing seen
            SR [bin 1]
    """

    # The sort is stable: of one severity they stay in the document's order.
    def __init__(self, findings: Iterable[Finding]):
        self._all = tuple(sorted(findings, key=lambda f: SEVERITIES.index(f.severity)))

    @overload
    def __getitem__(self, index: int) -> Finding: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Finding, ...]: ...

    def __getitem__(self, index):
        return self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    @property
    def groups(self) -> tuple[FindingGroup, ...]:
        """The findings by kind: problems first, then kinds of many places first."""
        by_kind: dict[tuple[Severity, str], list[Finding]] = {}
        for each in self._all:
            by_kind.setdefault((each.severity, each.kind), []).append(each)
        groups = [
            FindingGroup(*key, tuple(sorted(listed, key=lambda f: -f.size)))
            for key, listed in by_kind.items()
        ]
        return tuple(
            sorted(
                groups, key=lambda g: (SEVERITIES.index(g.severity), -len(g.findings))
            )
        )

    @property
    def counts(self) -> dict[Severity, int]:
        """How many there are of each severity."""
        return {
            severity: sum(each.severity == severity for each in self._all)
            for severity in SEVERITIES
        }

    def lines(self, most: int | None = 3) -> list[str]:
        """As they are printed.

        Args:
            most: so many places of each kind at most; None for all.
        """
        counts = [f"{n} {s}{'s' * (n != 1)}" for s, n in self.counts.items() if n]
        grouped = [line for group in self.groups for line in group.lines(most)]
        return [", ".join(counts) or "nothing to report", *grouped]

    def __repr__(self) -> str:
        return "\n".join(self.lines())
