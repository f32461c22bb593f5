"""From what was typed to a document, and to a model with its data."""

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, final

from .names import Mistake, entry, interval, known, matching, number, split
from .options import Choice, Fits, Input, Pseudo
from .process import keep_programs

if TYPE_CHECKING:
    import fitkit

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")
_FIX = "NAME or NAME=VALUE, such as lumi or lumi=1.02"
_INIT = "NAME=VALUE, such as mu=0.5"
_BOUNDS = "NAME=LOW:HIGH, such as mu=-5:5"


def is_archive(path: str) -> bool:
    """Whether the name is that of an archive."""
    return path.endswith(_ARCHIVES)


@final
@dataclasses.dataclass(frozen=True)
class Folder:
    """One analysis region of an archive: a workspace and the patches beside it.

    Attributes:
        name: of the folder, empty at the archive's root.
        workspaces: member names of documents with channels.
        patchsets: member names of patch sets.
        patches: member names of JSON Patches, by the name of their signal point.
    """

    name: str
    workspaces: list[str]
    patchsets: list[str]
    patches: dict[str, str]


def folders(archive: "fitkit.Archive") -> list[Folder]:
    """The regions of an archive; decodes no patch."""
    found: dict[str, Folder] = {}
    for member, text in archive.contents.items():
        path = PurePosixPath(member)
        name = "" if str(path.parent) == "." else str(path.parent)
        folder = found.setdefault(name, Folder(name, [], [], {}))
        if text[:64].lstrip()[:1] == b"[":  # a list of operations
            folder.patches[path.stem.removeprefix("patch.")] = member
        elif isinstance(document := archive[member], dict):
            if "channels" in document:
                folder.workspaces.append(member)
            elif "patches" in document:
                folder.patchsets.append(member)
    return [found[name] for name in sorted(found)]


def read_json(path: str) -> Any:
    """The decoded document of a file or, for `-`, of standard input."""
    import pydantic_core

    import fitkit

    if is_archive(path):
        raise Mistake(f"{path} is an archive; a JSON document is needed here.")
    try:
        if path == "-":
            name, text = "standard input", sys.stdin.buffer.read()
        else:
            name = path
            with open(path, "rb") as file:
                text = file.read()
        return pydantic_core.from_json(text)
    except OSError as error:
        raise fitkit.WorkspaceError(f"cannot read {path}: {error.strerror}.") from None
    except ValueError as error:
        raise fitkit.WorkspaceError(f"{name} is not JSON: {error}.") from None


@final
@dataclasses.dataclass(frozen=True)
class Source:
    """A workspace as it was published, and the signal points that go with it.

    Attributes:
        name: for messages.
        document: decoded, without any patch.
        patches: operations of each `--patch`.
        points: the signal points by name.
        labels: what their coordinates are, where a patch set says it.
    """

    name: str
    document: Any
    patches: list[Any]
    points: Mapping[str, "fitkit.Patch"]
    labels: tuple[str, ...] = ()

    def patched(self, point: "fitkit.Patch | None") -> Any:
        """The document with its patches and a signal point applied."""
        import fitkit

        document = self.document
        for operations in self.patches:
            document = fitkit.Patch("patch", (), operations).apply(document)
        return document if point is None else point.apply(document)


def source(given: Input) -> Source:
    """Read what the options name.

    Raises:
        Mistake: for an option that does not fit.
        WorkspaceError: for a file that cannot be used.
    """
    import fitkit

    if not is_archive(given.workspace):
        if given.member is not None:
            raise Mistake("--member is for archives; this is a JSON document.")
        document = read_json(given.workspace)
        patches = [read_json(path) for path in given.patch or ()]
        patchset = None if given.patchset is None else read_json(given.patchset)
        found = _points(patchset, document, given)
        return Source(given.workspace, document, patches, *found)
    archive = fitkit.read_archive(given.workspace)
    folder, member = _member(archive, given.member)
    document = archive[member]

    def beside(path: str) -> Any:
        # a member's name, whole or inside the folder; else a file on the disk
        for name in (path, f"{folder.name}/{path}"):
            if name in archive.contents:
                return archive[name]
        return read_json(path)

    patches = [beside(path) for path in given.patch or ()]
    patchset = given.patchset or (folder.patchsets[0] if folder.patchsets else None)
    name = f"{given.workspace}:{member}"
    if patchset is None:
        return Source(name, document, patches, _Members(archive, folder.patches))
    return Source(name, document, patches, *_points(beside(patchset), document, given))


def _member(archive: "fitkit.Archive", wanted: str | None) -> tuple[Folder, str]:
    """The one workspace that is meant, and its folder."""
    found = {name: f for f in folders(archive) for name in f.workspaces}
    if not found:
        raise Mistake(f"{archive.path} holds no workspace.")
    if wanted is not None:
        chosen = [n for n, f in found.items() if wanted.rstrip("/") in (n, f.name)]
        if not chosen:
            known(
                "--member",
                wanted,
                [*found, *(f.name for f in found.values())],
                "workspaces of the archive",
            )
    else:
        chosen = list(found)
    if len(chosen) > 1:
        raise Mistake(
            f"{archive.path} holds {len(chosen)} workspaces: choose with --member "
            f"among {', '.join(chosen)}."
        )
    return found[chosen[0]], chosen[0]


def _points(
    patchset: Any, document: Any, given: Input
) -> tuple[Mapping[str, "fitkit.Patch"], tuple[str, ...]]:
    """The signal points of a patch set by name, and what their coordinates are."""
    import fitkit

    if patchset is None:
        return {}, ()
    read = fitkit.read_patchset(patchset)
    if given.verify:
        try:
            read.verify(document)
        except fitkit.WorkspaceError as error:
            raise fitkit.WorkspaceError(f"{error} Here: --no-verify.") from None
    return {patch.name: patch for patch in read}, read.labels


@final
class _Members(Mapping[str, "fitkit.Patch"]):
    """The patches beside a workspace, decoded when asked for."""

    def __init__(self, archive: "fitkit.Archive", members: Mapping[str, str]):
        self.archive = archive
        self.members = members

    def __getitem__(self, name: str) -> "fitkit.Patch":
        import fitkit

        return fitkit.Patch(name, (), self.archive[self.members[name]])

    def __iter__(self):
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)


def chosen_point(found: Source, wanted: str | None) -> "fitkit.Patch | None":
    """The signal point of a name, or of values such as `900,400`."""
    if wanted is None:
        return None
    if not found.points:
        raise Mistake(
            f"--point {wanted}: {found.name} comes without signal points. Give "
            "--patchset."
        )
    if wanted in found.points:
        return found.points[wanted]
    if "," in wanted:
        for name in found.points:
            values = found.points[name].values
            if ",".join(map(str, values)) == wanted.replace(" ", ""):
                return found.points[name]
    known("--point", wanted, found.points, f"{len(found.points)} signal points")
    return None


@final
@dataclasses.dataclass(frozen=True)
class Problem:
    """A model, its data, and what holds in all fits.

    Attributes:
        name: of the document.
        document: decoded, patched.
        model, data: as `fitkit.read_workspace` gives them.
        options: the arguments `init`, `fixed` and `bounds`.
    """

    name: str
    document: Any
    model: Any
    data: Any
    options: dict[str, Any]


def problem(given: Input, choice: Choice, fits: Fits | None = None) -> Problem:
    """Read the document that the options name, and make what they say of it.

    Raises:
        Mistake: for an option that does not fit.
        WorkspaceError: for a document that cannot be used.
    """
    found = source(given)
    document = found.patched(chosen_point(found, given.point))
    return of_document(found.name, document, choice, fits)


def of_document(
    name: str, document: Any, choice: Choice, fits: Fits | None = None
) -> Problem:
    """The problem that a decoded document poses."""
    import fitkit

    keep_programs()
    if choice.measurement is not None and isinstance(document, dict):
        given = [m.get("name") for m in document.get("measurements", ())]
        known("--measurement", choice.measurement, given, "measurements")
    try:
        model, data = fitkit.read_workspace(
            document,
            measurement=choice.measurement,
            poi=fitkit.UNSET if choice.poi is None else _scalar(document, choice),
        )
    except fitkit.WorkspaceError as error:
        raise fitkit.WorkspaceError(f"{name}: {error}") from None
    options = fit_options(model, fits) if fits is not None else {}
    model, data = _taken(model, data, choice, options)
    return Problem(name, document, model, data, options)


def _taken(model: Any, data: Any, choice: Choice, options: dict[str, Any]) -> Any:
    """The model, and the data that the options leave of it."""
    import numpy as np

    import fitkit

    if choice.postfit and choice.asimov is None:
        raise Mistake("--postfit is about expected data: give --asimov MU too.")
    names = list(model.channel_names)
    hidden = {
        name
        for pattern in choice.mask or ()
        for name in matching("--mask", pattern, names, "channels")
    }
    blind = model.masking(*hidden) if hidden else model
    # Whoever forgets the mask finds that there is nothing to see.
    main = {
        name: np.full(np.shape(counts), np.nan) if name in hidden else counts
        for name, counts in data.main.items()
    }
    seen = fitkit.Data(main, data.aux)
    if choice.asimov is None:
        return blind, seen
    # What is expected is known in all channels: none of them is masked any more.
    given = {"data": seen, **options} if choice.postfit else {}
    return model, fitkit.asimov_data(choice.asimov, blind, **given)


def _scalar(document: Any, choice: Choice) -> str:
    """The parameter of interest that is wanted, known to the document."""
    names = {
        modifier.get("name")
        for channel in document.get("channels", ())
        for sample in channel.get("samples", ())
        for modifier in sample.get("modifiers", ())
    }
    return known("--poi", choice.poi or "", sorted(names), "parameters")


def fit_options(model: Any, fits: Fits) -> dict[str, dict[str, Any]]:
    """The arguments `init`, `fixed` and `bounds` of all fits.

    Raises:
        Mistake: for an unknown parameter, or what cannot be parsed.
    """
    init: dict[str, Any] = {}
    fixed: dict[str, Any] = {}
    bounds: dict[str, Any] = {}
    for text in fits.fix or ():
        name, sign, value = text.partition("=")
        for each in matching("--fix", *_matched(name, model)):
            _put(fixed, each, True, model, "fixed")
            if sign:
                _put(init, each, number("--fix", value, _FIX), model, "init")
    for text in fits.init or ():
        name, value = split("--init", text, _INIT)
        for each in matching("--init", *_matched(name, model)):
            _put(init, each, number("--init", value, _INIT), model, "init")
    for text in fits.bounds or ():
        name, value = split("--bounds", text, _BOUNDS)
        for each in matching("--bounds", *_matched(name, model)):
            low, high = interval("--bounds", value, _BOUNDS)
            _put(bounds, each, (low, high), model, "bounds")
    return {"init": init, "fixed": fixed, "bounds": bounds}


def experiments(pseudo: Pseudo, progress: Any) -> "fitkit.Toys | None":
    """The pseudo-experiments that the options ask for, if any.

    Args:
        pseudo: the options.
        progress: told how many of how many are done, or None.
    """
    if pseudo.toys is None:
        return None
    import jax

    import fitkit

    key = jax.random.key(pseudo.seed)
    return fitkit.Toys(key, pseudo.toys, progress=progress)


def _matched(pattern: str, model: Any) -> tuple[str, list[str], str]:
    """A pattern, and the names that it may match: with entries if it has brackets."""
    names = list(model.parameter_names)
    return pattern, names + entries(model) * ("[" in pattern), "parameters"


def entries(model: Any) -> list[str]:
    """Every single number among the parameters: `mu`, `gamma[0]`."""
    names = []
    for name in model.parameter_names:
        shape = model.parameter_shapes[name]
        names += [f"{name}[{i}]" for i in range(shape[0])] if shape else [name]
    return names


def _put(into: dict[str, Any], name: str, value: Any, model: Any, what: str) -> None:
    """Note a value for a parameter, or for one of its entries."""
    import numpy as np

    name, index = (name, None) if name in model.parameter_names else entry(name)
    if index is None:
        into[name] = value
        return
    settings = model.parameters[name]
    if what == "bounds":
        low, high = into.get(name, (settings.lower, settings.upper))
        shape = settings.init.shape
        low, high = (np.array(np.broadcast_to(x, shape)) for x in (low, high))
        low[index], high[index] = value
        into[name] = (low, high)
    else:
        start = into.get(name, getattr(settings, what))
        values = np.array(np.broadcast_to(start, settings.init.shape))
        values[index] = value
        into[name] = values
