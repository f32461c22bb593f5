"""Which constraint each parameter of an HS3 likelihood has."""

from collections.abc import Sequence
from typing import Any, final

from ..._histfactory.problem import Key
from ..._model.constraints import Normal, Poisson
from ..._workspace.error import WorkspaceError
from .channels import Term
from .constraints import Constraint, Constraints, kind_in_words
from .document import Chosen, Hs3Document
from .parameters import Parameters, Vector, parameter_of
from .schema import PerBinPart


@final
class Terms:
    """The constraint terms of a likelihood: kinds in words, and those written out.

    A constraint that is written out is *the* constraint of its parameter. One that a
    modifier does not name, beside a kind in words, is refused: the draft would have
    both, the writers mean one.
    """

    def __init__(
        self,
        document: Hs3Document,
        about: Chosen,
        parameters: Parameters,
        terms: Sequence[Term],
        staterror: type[Normal] | type[Poisson] | None,
    ):
        """Read all constraints that are written out.

        Args:
            document, about: where they stand.
            parameters: of the modifiers.
            terms: distributions beside the channels.
            staterror: the constraint of one that names none; None to refuse it.
        """
        self._parameters, self._staterror = parameters, staterror
        self._constraints = Constraints(document, about, parameters.owners)
        self._named: set[str] = set()
        # Gathered once: a document has thousands of modifiers. By parameter, the words
        # of its modifiers, and those of the channels that its staterror is in.
        self._words: dict[str, set[str | None]] = {}
        self._of_channel: dict[str, set[str | None]] = {}
        for c, s, m, part in parameters.modifiers():
            if isinstance(part, PerBinPart):
                name = parameters.names[parameters.entries_at[c, s, m]]
                content = parameters.channels[c].content
                config = content.staterror or content.statError
                kind = kind_in_words(config.constraint)
                self._of_channel.setdefault(name, set()).add(kind)
            else:
                name = parameter_of(part, "")
            self._words.setdefault(name, set()).add(self._kind(part))
        for c, s, m, part in parameters.modifiers():
            for key, name in _distributions_named(part):
                where = parameters.place(c, s, m, *key)
                if name not in document.named("distributions"):
                    # ROOT names also those that it does not write, and their kind.
                    if kind_in_words(part.constraint_type or part.constraint):
                        continue
                    raise WorkspaceError(
                        f"{where}: {name!r} is neither a kind of constraint (Gauss, "
                        "Poisson, Const) nor a distribution of the document."
                    )
                if entry := self._constraints.add(name, where):
                    self._named.add(entry)
        for term in terms:
            self._constraints.add(*term)

    def _kind(self, part: Any) -> str | None:
        return kind_in_words(part.constraint_type) or kind_in_words(part.constraint)

    def of_scalar(self, name: str) -> tuple[str, Constraint | None]:
        """The kind of a scalar parameter's constraint, and what is written out.

        Returns:
            "Gauss", "Const" or "none"; and the constraint, None for that of its kind.
        """
        kind, where = self._parameters.scalars[name]
        words = self._words[name] - {None}
        explicit = self._constraints.of(name)
        if explicit is not None:
            nominal = 1.0 if kind == "normfactor" else 0.0
            unit = (explicit.kind, explicit.aux, explicit.sigma) == (
                "Gauss",
                nominal,
                1.0,
            )
            if words - {"Const"} and name not in self._named and not unit:
                raise WorkspaceError(
                    f"{where}: the constraint of {name!r} is also written out, at "
                    f"{explicit.where}. Name it there by `constraint_name`, or remove "
                    "one of the two."
                )
            if explicit.kind != "Gauss":
                raise WorkspaceError(
                    f"{explicit.where}: a {kind} can have a normal constraint only."
                )
            return ("Const" if "Const" in words else "Gauss"), explicit
        if len(words) > 1:
            raise WorkspaceError(
                f"{where}: modifiers of {name!r} name different constraints "
                f"({', '.join(sorted(map(str, words)))}). Give all the same."
            )
        word = next(iter(words), "none" if kind == "normfactor" else "Gauss")
        if word in ("Poisson", "LogNormal"):
            raise WorkspaceError(
                f"{where}.constraint: a {kind} with a {word} constraint is not read. "
                "Use Gauss."
            )
        return str(word), None

    def of_vector(self, vector: Vector) -> tuple[str, list[Constraint | None]]:
        """The kind of the constraint of many bins, and what is written out of it."""
        explicit = [self._constraints.of(entry) for entry in vector.entries]
        kinds = {each.kind for each in explicit if each is not None}
        words = self._words[vector.name] - {None}
        if kinds:
            unnamed = [e for e in vector.entries if e not in self._named]
            others = [e for e, x in zip(vector.entries, explicit, strict=True) if x]
            if words - {"Const"} and any(e in others for e in unnamed):
                raise WorkspaceError(
                    f"{vector.where}: constraints of {vector.name!r} are also written "
                    "out. Name them there by `constraints`, or remove one of the two."
                )
            words = {*kinds}
        elif vector.kind == "staterror" and not words:
            words = self._of_channel[vector.name] - {None}
            if not words and (wanted := self._staterror):
                words = {"Gauss" if wanted is Normal else "Poisson"}
        elif not words:
            words = {"Poisson"} if vector.kind == "shapesys" else {"none"}
        if not words:
            raise WorkspaceError(
                f"{vector.where}: a staterror without `constraint`, Gauss or Poisson: "
                "writers assume one or the other. Add it, or choose by "
                "`staterror_constraint=`."
            )
        if len(words) > 1:
            raise WorkspaceError(
                f"{vector.where}: the bins of {vector.name!r} have different "
                f"constraints ({', '.join(sorted(words))}). Give all the same."
            )
        (word,) = words
        allowed = {"shapefactor": ("none", "Const")}.get(
            vector.kind, ("Gauss", "Poisson", "Const")
        )
        if word not in allowed:
            raise WorkspaceError(
                f"{vector.where}: a {vector.kind} with a {word} constraint is not "
                f"read. There are: {', '.join(allowed)}."
            )
        return word, explicit


def _distributions_named(part: Any) -> list[tuple[tuple[Key, ...], str]]:
    """The constraints that a modifier names, each with its key."""
    named: list[tuple[tuple[Key, ...], str]] = []
    if part.constraint_name:
        named.append((("constraint_name",), part.constraint_name))
    if part.constraint and kind_in_words(part.constraint) is None:
        named.append((("constraint",), part.constraint))
    for number, name in enumerate(getattr(part, "constraints", None) or ()):
        if name is not None:
            named.append((("constraints", number), name))
    return named
