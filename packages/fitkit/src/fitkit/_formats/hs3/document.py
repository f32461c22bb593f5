"""An HS3 document: its parts by name, and which of its likelihoods is meant."""

from collections.abc import Mapping
from typing import Any, NamedTuple, final

from ..._histfactory.problem import Key, written
from ..._model.parameters import hint
from ..._workspace import foreign
from ..._workspace.document import plain
from ..._workspace.error import WorkspaceError
from .schema import (
    AnalysisPart,
    DomainPart,
    LikelihoodPart,
    Metadata,
    PointPart,
    parsed,
)

# ROOT's word for no bound.
_ENDLESS = 1e30
# The names of parameter points and domains that ROOT writes for the whole workspace.
_DEFAULT_POINTS = ("default_values", "NominalParamValues")
_DEFAULT_DOMAIN = "default_domain"


def is_hs3(document: Any) -> bool:
    """Whether a decoded document is HS3."""
    return isinstance(document, Mapping) and "distributions" in document


@final
class Hs3Document:
    """The parts of a decoded document by name, each looked at when it is needed.

    Attributes:
        raw: the document.
        by_root: whether it says that ROOT wrote it.
    """

    def __init__(self, document: Any):
        """Look at a document.

        Raises:
            WorkspaceError: for what is no HS3 document.
        """
        if not is_hs3(document):
            if isinstance(document, Mapping) and "channels" in document:
                what = "a workspace. Read it with `read_workspace`"
            else:
                what = foreign.of_document(document)
                what = what or "no HS3 document: it has no `distributions`. Check it"
            raise WorkspaceError(f"the document is {what}.")
        self.raw = document
        metadata: Metadata = parsed(Metadata, document.get("metadata", {}), "metadata")
        self.by_root = any(each.name == "ROOT" for each in metadata.packages)
        self._named: dict[str, dict[str, tuple[Key, Any]]] = {}

    def named(self, component: str) -> dict[str, tuple[Key, Any]]:
        """The parts of a top-level component by name, each with its place in it.

        Raises:
            WorkspaceError: for what is no list of parts with names of their own.
        """
        if component not in self._named:
            self._named[component] = _by_name(self.raw.get(component, []), component)
        return self._named[component]

    def part(self, kind: Any, component: str, name: str, asked: str) -> Any:
        """A part of a name, checked.

        Args:
            kind: what it must be.
            component: of the document.
            name: of the part.
            asked: which place names it, for the message.

        Raises:
            WorkspaceError: where there is none such, or it is another kind.
        """
        key, raw = self.found(component, name, asked)
        return parsed(kind, raw, component, key)

    def found(self, component: str, name: str, asked: str) -> tuple[Key, Any]:
        """The place and the content of a part, as it is."""
        parts = self.named(component)
        if name not in parts:
            raise WorkspaceError(
                f"{asked}: there is no {name!r} in `{component}`. {hint(name, parts)}"
            )
        return parts[name]


def _by_name(raw: Any, component: str) -> dict[str, tuple[Key, Any]]:
    if isinstance(raw, Mapping):  # the oldest dialect: names are keys
        raw = plain(raw)
        for name, part in raw.items():
            if not isinstance(part, Mapping):
                raise WorkspaceError(
                    f"{component}.{name}: should be an object {{…}}; got "
                    f"{type(part).__name__}. Correct it."
                )
        return {name: (name, {"name": name, **part}) for name, part in raw.items()}
    if not isinstance(raw, list | tuple):
        raise WorkspaceError(
            f"{component}: should be a list; got {type(raw).__name__}. Write a list: "
            "[...]."
        )
    found: dict[str, tuple[Key, Any]] = {}
    for number, part in enumerate(raw):
        name = part.get("name") if isinstance(part, Mapping) else None
        if not isinstance(name, str) or not name:
            raise WorkspaceError(
                f"{written(component, number)}: needs a `name`, a string. Add it."
            )
        if name in found:
            raise WorkspaceError(
                f"{written(component, number, 'name')}: {name!r} is already the name "
                f"of {written(component, found[name][0])}. Rename or remove one."
            )
        found[name] = number, part
    return found


@final
class Bounds(NamedTuple):
    """How far a parameter may go; None where nothing is said."""

    lower: float | None
    upper: float | None


@final
class Value(NamedTuple):
    """What a parameter point says of a parameter; None where it says nothing."""

    value: float | None
    const: bool | None


@final
class Chosen(NamedTuple):
    """A likelihood of a document, with what an analysis says about its parameters.

    Attributes:
        likelihood: which distributions with which data.
        where: its place.
        analysis: the name of the analysis, None where the document has none.
        pois: the parameters of interest.
        bounds, values: by parameter.
    """

    likelihood: LikelihoodPart
    where: tuple[Key, ...]
    analysis: str | None
    pois: tuple[str, ...]
    bounds: Mapping[str, Bounds]
    values: Mapping[str, Value]


def chosen(
    document: Hs3Document, analysis: str | None, likelihood: str | None
) -> Chosen:
    """The likelihood that is meant.

    Args:
        document: all of them.
        analysis: the name of an analysis.
        likelihood: the name of a likelihood, without what an analysis says of it, or
            to tell analyses apart.

    Raises:
        WorkspaceError: for an unknown name, or where several could be meant.
    """
    about = _analysis(document, analysis, likelihood)
    if about is None:
        name = _one_of(document, "likelihoods", likelihood)
        asked, domains, init, analysis_name = "`likelihood`", [], None, None
        pois: tuple[str, ...] = ()
    else:
        key, part = about
        analysis_name, name = part.name, part.likelihood
        asked = f"{written('analyses', key)}.likelihood"
        pois = _pois(part)
        domains = [part.domain] if part.domain else part.domains
        init = part.init
    key, raw = document.found("likelihoods", name, asked)
    content: LikelihoodPart = parsed(LikelihoodPart, raw, "likelihoods", key)
    if about is not None:
        terms = about[1].aux_likelihood_terms
        content.aux_distributions += [
            t for t in terms if t not in content.aux_distributions
        ]
    if len(content.distributions) != len(content.data):
        raise WorkspaceError(
            f"{written('likelihoods', key)}: has {len(content.distributions)} "
            f"distributions, but {len(content.data)} data. Give each its own."
        )
    return Chosen(
        content,
        ("likelihoods", key),
        analysis_name,
        pois,
        _bounds(document, domains),
        _values(document, init),
    )


def analyses_of(document: Hs3Document) -> list[tuple[str, tuple[str, ...]]]:
    """The analyses of a document, each with its parameters of interest."""
    return [
        (name, _pois(parsed(AnalysisPart, raw, "analyses", key)))
        for name, (key, raw) in document.named("analyses").items()
    ]


def _pois(part: AnalysisPart) -> tuple[str, ...]:
    singular = part.parameter_of_interest
    singular = [singular] if isinstance(singular, str) else singular
    return tuple(part.parameters_of_interest or singular or part.pois)


def _analysis(
    document: Hs3Document, analysis: str | None, likelihood: str | None
) -> tuple[Key, AnalysisPart] | None:
    """The one analysis that is meant, and its place; None where there is none."""
    known = document.named("analyses")
    if analysis is None and likelihood is not None:
        # An analysis of that likelihood says more than the likelihood alone.
        of = [
            name
            for name, (_, raw) in known.items()
            if isinstance(raw, Mapping) and raw.get("likelihood") == likelihood
        ]
        if len(of) != 1:
            return None
        analysis = of[0]
    elif analysis is None and not known:
        return None
    name = _one_of(document, "analyses", analysis)
    key, raw = document.found("analyses", name, "`analysis`")
    part: AnalysisPart = parsed(AnalysisPart, raw, "analyses", key)
    if likelihood is not None and part.likelihood != likelihood:
        raise WorkspaceError(
            f"`likelihood={likelihood!r}`: the analysis {name!r} is of the likelihood "
            f"{part.likelihood!r}. Give one of the two."
        )
    return key, part


def _one_of(document: Hs3Document, component: str, wanted: str | None) -> str:
    """A name that is wanted, or the only one that there is."""
    names = [*document.named(component)]
    argument = {"analyses": "analysis", "likelihoods": "likelihood"}[component]
    if wanted is not None:
        if wanted in names:
            return wanted
        raise WorkspaceError(
            f"`{argument}={wanted!r}`: there is none such in `{component}`. "
            f"{hint(wanted, names)}"
        )
    if len(names) == 1:
        return names[0]
    if not names:
        raise WorkspaceError(
            f"the document has no {component}. Add one that names its distributions "
            "and their data."
        )
    raise WorkspaceError(
        f"the document has {len(names)} {component}. Choose one: `{argument}=` "
        f"{', '.join(map(repr, names))}."
    )


def _bounds(document: Hs3Document, names: list[str]) -> dict[str, Bounds]:
    known = document.named("domains")
    several = [*names, *([_DEFAULT_DOMAIN] if _DEFAULT_DOMAIN in known else [])]
    if not several and len(known) == 1:
        several = [*known]
    bounds: dict[str, Bounds] = {}
    for name in several:
        part: DomainPart = document.part(DomainPart, "domains", name, "analyses.domain")
        for axis in part.axes:
            lower, upper = axis.min, axis.max
            if lower is not None and lower <= -_ENDLESS:
                lower = None
            if upper is not None and upper >= _ENDLESS:
                upper = None
            # None: an axis that has no end says so, unlike one that is not there.
            bounds.setdefault(axis.name, Bounds(lower, upper))
    return bounds


def _values(document: Hs3Document, init: str | None) -> dict[str, Value]:
    known = document.named("parameter_points")
    several = [*([init] if init else []), *(n for n in _DEFAULT_POINTS if n in known)]
    if not several and len(known) == 1:
        several = [*known]
    values: dict[str, Value] = {}
    for name in several:
        part: PointPart = document.part(
            PointPart, "parameter_points", name, "analyses.init"
        )
        for each in part.parameters:
            first = values.get(each.name, Value(None, None))
            # What the first does not say, the next may.
            values[each.name] = Value(
                each.value if first.value is None else first.value,
                each.const if first.const is None else first.const,
            )
    return values
