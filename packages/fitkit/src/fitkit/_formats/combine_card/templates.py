"""The histograms of a Combine datacard, from ROOT files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
from jaxtyping import Float

from ..._workspace.error import WorkspaceError
from .card import Card, ShapeRule, fault


class Template(NamedTuple):
    """One histogram, without under- and overflow.

    Attributes:
        values: contents, `[bins]`.
        errors: their absolute errors, `[bins]`.
    """

    values: Float[np.ndarray, " bins"]
    errors: Float[np.ndarray, " bins"]

    @property
    def integral(self) -> float:
        """The sum of the contents."""
        return float(self.values.sum())


@final
class Templates:
    """Reads the histograms that a card names; each file is opened once.

    Args:
        card: the card.
        folder: that its paths start from.
        keywords: values of `$MASS` and others.
    """

    def __init__(self, card: Card, folder: Path, keywords: Mapping[str, str]):
        self.card, self.folder, self.keywords = card, folder, dict(keywords)
        self._files: dict[Path, Any] = {}
        self._read: dict[tuple[Path, str], Template | None] = {}

    def counts_only(self, channel: str) -> bool:
        """Whether a channel is one number, without any histogram.

        Raises:
            WorkspaceError: where only a part of its processes has histograms.
        """
        columns = [c for c in self.card.columns if c.channel == channel and c.rate]
        rules = {c.process: self.card.rule(channel, c.process) for c in columns}
        without = [p for p, rule in rules.items() if rule is None]
        fake = [p for p, rule in rules.items() if rule and rule.file == "FAKE"]
        if len(without) == len(rules):
            return True
        if without:
            line = next(rule.line for rule in rules.values() if rule)
            raise fault(
                line,
                f"process {without[0]!r} of channel {channel!r} has no `shapes` line, "
                "but other processes there have one.",
            )
        if 0 < len(fake) < len(rules):
            line = next(r.line for r in rules.values() if r and r.file == "FAKE")
            raise fault(
                line,
                f"process {fake[0]!r} of channel {channel!r} is FAKE, but others there "
                "have histograms.",
            )
        return bool(fake)

    def nominal(self, channel: str, process: str) -> Template:
        """The histogram of a process, or of `data_obs`.

        Raises:
            WorkspaceError: naming the `shapes` line.
        """
        rule = self.card.rule(channel, process)
        if rule is None:
            raise fault(0, f"no `shapes` line is for {process!r} in {channel!r}.")
        found = self._get(rule, rule.nominal, channel, process, "")
        if found is None:
            path, name = self._names(rule, rule.nominal, channel, process, "")
            raise fault(
                rule.line, f"{path} has no histogram {name!r}.{self._hint(rule)}"
            )
        return found

    def varied(
        self, line: int, channel: str, process: str, systematic: str
    ) -> tuple[Template, Template]:
        """The histograms of a systematic, down and up.

        Raises:
            WorkspaceError: naming the line of the systematic.
        """
        found = self.varied_if_there(channel, process, systematic)
        if found is not None:
            return found
        rule = self.card.rule(channel, process)
        if rule is None or not rule.varied:
            where = f"line {rule.line}" if rule else "the card"
            raise fault(
                line,
                f"{systematic!r} changes the shape of {process!r} in {channel!r}, but "
                f"the `shapes` line for it ({where}) names no histograms with "
                "systematics. Add them as its last word.",
            )
        path, name = self._names(rule, rule.varied, channel, process, systematic + "Up")
        raise fault(
            line,
            f"{systematic!r} needs two histograms for {process!r} in {channel!r}: "
            f"{path} has no {name!r}, or none for Down.",
        )

    def varied_if_there(
        self, channel: str, process: str, systematic: str
    ) -> tuple[Template, Template] | None:
        """The histograms of a systematic, down and up, or None where one is missing."""
        rule = self.card.rule(channel, process)
        if rule is None or not rule.varied:
            return None
        down, up = (
            self._get(rule, rule.varied, channel, process, systematic + side)
            for side in ("Down", "Up")
        )
        return None if down is None or up is None else (down, up)

    def _names(
        self, rule: ShapeRule, name: str, channel: str, process: str, systematic: str
    ) -> tuple[Path, str]:
        values = {"PROCESS": process, "CHANNEL": channel, "SYSTEMATIC": systematic}
        words = [rule.file, name]
        for keyword, value in (values | self.keywords).items():
            words = [word.replace(f"${keyword}", value) for word in words]
        if "$" in "".join(words):
            missing = next(word for word in words if "$" in word)
            raise fault(
                rule.line,
                f"{missing!r} has a keyword without a value. Give `mass`, or "
                "`keywords`.",
            )
        if ":" in words[1]:
            raise fault(
                rule.line,
                f"{words[1]!r} is in a RooWorkspace: a parametric model, or one of "
                "RooFit's histograms. fitkit reads cards of counts and of histograms "
                "(TH1).",
            )
        return self.folder / words[0], words[1]

    def _get(
        self, rule: ShapeRule, name: str, channel: str, process: str, systematic: str
    ) -> Template | None:
        key = self._names(rule, name, channel, process, systematic)
        if key not in self._read:
            self._read[key] = self._histogram(rule, *key)
        return self._read[key]

    def _histogram(self, rule: ShapeRule, path: Path, name: str) -> Template | None:
        file = self._file(rule, path)
        try:
            if name not in file:
                return None
            found = file[name]
        # Whatever uproot meets in a broken file.
        except Exception as error:
            raise fault(
                rule.line, f"{path} cannot be read at {name!r}: {error!s:.200}"
            ) from error
        kind = getattr(found, "classname", type(found).__name__)
        if not kind.startswith("TH1"):
            raise fault(
                rule.line,
                f"{name!r} of {path} is a {kind}. fitkit reads histograms (TH1) only.",
            )
        values = np.asarray(found.values(flow=False), float)
        errors = np.asarray(found.errors(flow=False), float)
        if not (np.isfinite(values).all() and np.isfinite(errors).all()):
            raise fault(
                rule.line, f"{name!r} of {path} has a content that is not finite."
            )
        return Template(values, errors)

    def _file(self, rule: ShapeRule, path: Path) -> Any:
        if path not in self._files:
            try:
                import uproot
            except ImportError as error:
                raise WorkspaceError(
                    "needs uproot to read its histograms: install `fitkit[root]`."
                ) from error
            if not path.is_file():
                raise fault(rule.line, f"there is no file {path}.")
            try:
                self._files[path] = uproot.open(path)
            except Exception as error:  # whatever uproot meets in another format
                raise fault(
                    rule.line,
                    f"{path} is no ROOT file that can be read: {error!s:.200}",
                ) from error
        return self._files[path]

    def _hint(self, rule: ShapeRule) -> str:
        return (
            ""
            if self.keywords.get("MASS") or "$MASS" not in rule.nominal
            else (" Give `mass`.")
        )

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()


def same_bins(line: int, templates: Iterable[tuple[str, Template]]) -> int:
    """How many bins all templates have.

    Raises:
        WorkspaceError: naming the line and one that has others.
    """
    named = [(name, len(each.values)) for name, each in templates]
    for name, bins in named:
        if bins != named[0][1]:
            raise fault(
                line,
                f"{name} has {bins} bins, but {named[0][0]} has {named[0][1]}. All "
                "histograms of a channel have the same.",
            )
    return named[0][1]
