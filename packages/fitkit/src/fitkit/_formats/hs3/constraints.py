"""Constraint terms that an HS3 document writes out as distributions of their own."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, final

from ..._histfactory.problem import Key, written
from ..._workspace.error import WorkspaceError
from .document import Chosen, Hs3Document
from .schema import ConstraintPart, NormalPart, PoissonPart, ProductPart, parsed

# The words for a kind of constraint, as any writer spells them.
_KINDS = {"gauss": "Gauss", "gaussian": "Gauss", "normal": "Gauss"}
_KINDS |= {"poisson": "Poisson", "const": "Const", "lognormal": "LogNormal"}
_WRITTEN_OUT = ("gaussian_dist", "normal_dist", "poisson_dist")


def kind_in_words(word: str | None) -> str | None:
    """A kind of constraint: "Gauss", "Poisson", "Const", "LogNormal"; None for none."""
    return None if word is None else _KINDS.get(word.lower())


@final
class Constraint(NamedTuple):
    """The constraint term of one entry, written out.

    Attributes:
        kind: "Gauss" or "Poisson".
        aux: what was measured.
        sigma: its width; for Poisson 1 over the root of the count expected at 1.
        where: its place.
    """

    kind: str
    aux: float
    sigma: float
    where: str


@final
class Constraints:
    """The constraint terms of a likelihood that are written out, by entry."""

    def __init__(
        self, document: Hs3Document, about: Chosen, entries: Mapping[str, Any]
    ):
        """Those of the auxiliary distributions; modifiers name the others.

        Args:
            document: where they stand.
            about: the likelihood, with the values of constants.
            entries: the parameters of all modifiers.
        """
        self._document, self._about, self._entries = document, about, entries
        self._of: dict[str, Constraint] = {}
        self._seen: set[str] = set()

    def of(self, entry: str) -> Constraint | None:
        """That of an entry, None where none is written out."""
        return self._of.get(entry)

    def add(self, name: str, asked: str, observed: float | None = None) -> str | None:
        """Read a distribution as a constraint.

        Args:
            name: of the distribution.
            asked: which place names it.
            observed: what was measured, where the likelihood says it.

        Returns:
            The entry that it constrains; None for a term that no entry changes.

        Raises:
            WorkspaceError: where it is no constraint that can be read.
        """
        key, raw = self._document.found("distributions", name, asked)
        where = ("distributions", key)
        kind = raw.get("type")
        if kind not in _WRITTEN_OUT:
            raise WorkspaceError(
                f"{written(*where, 'type')}: {kind!r} cannot be read as a constraint. "
                f"There are: {', '.join(_WRITTEN_OUT)}. Other terms can be left out of "
                "the likelihood, if they are constant."
            )
        part: NormalPart | PoissonPart = parsed(ConstraintPart, raw, *where)
        if isinstance(part, NormalPart):
            entry, found = self._normal(part, where, observed)
        else:
            entry, found = self._poisson(part, where, observed)
        if entry is None or name in self._seen:
            return entry
        self._seen.add(name)
        if entry in self._of:
            raise WorkspaceError(
                f"{written(*where)}: {entry!r} has a constraint already, at "
                f"{self._of[entry].where}. Remove one of the two."
            )
        self._of[entry] = found
        return entry

    def _normal(
        self, part: NormalPart, where: tuple[Key, ...], observed: float | None
    ) -> tuple[str | None, Constraint]:
        x, mean = part.x, part.mean
        sigma = self._number(part.sigma, *where, "sigma")
        if sigma <= 0:
            raise WorkspaceError(
                f"{written(*where, 'sigma')}: {sigma:g} must be greater than 0, for it "
                "is the width of a constraint. Correct it."
            )
        # A normal distribution is the same with both changed places.
        if mean in self._entries:
            entry, other, key = mean, x, "x"
        elif x in self._entries:
            entry, other, key = x, mean, "mean"
        else:
            self._of_none((x, mean), where)
            return None, Constraint("Gauss", 0.0, 1.0, "")
        aux = self._number(other, *where, key) if observed is None else observed
        return str(entry), Constraint("Gauss", aux, sigma, written(*where))

    def _poisson(
        self, part: PoissonPart, where: tuple[Key, ...], observed: float | None
    ) -> tuple[str | None, Constraint]:
        entry, tau = self._scaled(part.mean, *where, "mean")
        if entry is None:
            self._of_none((part.mean,), where)
            return None, Constraint("Poisson", 0, 1.0, "")
        aux = self._number(part.x, *where, "x") if observed is None else observed
        if not tau > 0 or aux < 0:
            raise WorkspaceError(
                f"{written(*where)}: counts {aux:g} where {tau:g} are expected. Both "
                "must be counts, the latter not 0."
            )
        return entry, Constraint("Poisson", aux, tau**-0.5, written(*where))

    def _scaled(self, mean: str | float, *where: Key) -> tuple[str | None, float]:
        """An entry and the constant before it."""
        if mean in self._entries:
            return str(mean), 1.0
        functions = self._document.named("functions")
        if mean not in functions:
            return None, 1.0
        key, raw = functions[str(mean)]
        part: ProductPart = parsed(ProductPart, raw, "functions", key)
        entries = [each for each in part.factors if each in self._entries]
        if len(entries) != 1:
            return None, 1.0
        tau = [
            self._number(each, "functions", key, "factors")
            for each in part.factors
            if each not in self._entries
        ]
        return str(entries[0]), math.prod(tau)

    def _number(self, said: str | float, *where: Key) -> float:
        """A number, or the value of a constant that is named."""
        if not isinstance(said, str):
            return said
        about = self._about.values.get(said)
        if about is None or about.value is None:
            raise WorkspaceError(
                f"{written(*where)}: {said!r} has no value in `parameter_points`. Give "
                "the number itself, or its value there."
            )
        return about.value

    def _of_none(self, names: tuple[Any, ...], where: tuple[Key, ...]) -> None:
        """Pass over a term of constants; refuse one of what no modifier has."""
        for name in names:
            about = self._about.values.get(name)
            if isinstance(name, str) and not (about and about.const):
                raise WorkspaceError(
                    f"{written(*where)}: is a term of {name!r}, which no modifier "
                    "names. Leave it out of the likelihood, or make it `const`."
                )
