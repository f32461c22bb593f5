"""Commands that look at a document: inspect, validate."""

from collections.abc import Iterable
from typing import Any

import typer

from .options import Choice, Input, Output
from .problem import Folder, chosen_point, folders, is_archive, problem, source
from .signature import with_options

INVALID = 4
_PANEL = "Look"
_SEVERITY = {"problem": "bold red", "warning": "yellow", "note": "dim"}


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command(rich_help_panel=_PANEL)(inspect)
    app.command(rich_help_panel=_PANEL)(validate)


@with_options
def inspect(given: Input, choice: Choice, output: Output) -> None:
    """What a document or an archive holds."""
    from . import show

    if is_archive(given.workspace) and given.member is None:
        import fitkit

        found = folders(fitkit.read_archive(given.workspace))
        if sum(len(folder.workspaces) for folder in found) != 1:
            show.answer({"folders": [_folder(f) for f in found]}, output, _archive)
            return
    read = problem(given, choice)
    show.answer(_contents(read), output, _workspace)


def _folder(folder: Folder) -> dict[str, Any]:
    return {
        "name": folder.name,
        "workspaces": folder.workspaces,
        "patchsets": folder.patchsets,
        "points": list(folder.patches),
    }


def _archive(content: dict[str, Any]) -> None:
    from . import show

    table = show.table("folder", "workspace", "patch sets", "signal points", "such as")
    for folder in content["folders"]:
        points = folder["points"]
        table.add_row(
            folder["name"] or ".",
            ", ".join(name.rpartition("/")[2] for name in folder["workspaces"]),
            str(len(folder["patchsets"])),
            str(len(points)),
            points[0] if points else "–",
        )
    show.out().print(table)
    show.line("Choose one with --member FOLDER; a signal point with --point NAME.")


def _contents(read: Any) -> dict[str, Any]:
    model, data = read.model, read.data
    types: dict[str, list[str]] = {}
    for channel in read.document["channels"]:
        for sample in channel["samples"]:
            for modifier in sample["modifiers"]:
                seen = types.setdefault(modifier["name"], [])
                if modifier["type"] not in seen:
                    seen.append(modifier["type"])
    return {
        "poi": model.poi,
        "measurements": [
            {"name": m["name"], "poi": m["config"]["poi"]}
            for m in read.document["measurements"]
        ],
        "channels": [
            {
                "name": name,
                "observed": data.main[name],
                "samples": list(model.sample_names[name]),
            }
            for name in model.channel_names
        ],
        "parameters": [
            {
                "name": name,
                "types": types[name],
                "size": None if p.init.shape == () else p.init.size,
                "init": p.init,
                "lower": p.lower,
                "upper": p.upper,
                "fixed": p.fixed,
                "constraint": p.constraint and type(p.constraint).__name__,
            }
            for name, p in ((n, model.parameters[n]) for n in model.parameter_names)
        ],
    }


def _workspace(content: dict[str, Any]) -> None:
    from . import show

    for measurement in content["measurements"]:
        show.line(
            f"measurement {measurement['name']}, parameter of interest "
            f"{measurement['poi'] or '(none)'}"
        )
    show.line()
    table = show.table("channel", "bins", "observed", "samples")
    for channel in content["channels"]:
        seen = channel["observed"]
        total = "masked" if None in seen else f"{sum(seen):g}"
        samples = ", ".join(channel["samples"])
        table.add_row(channel["name"], str(len(seen)), total, samples)
    show.out().print(table)
    show.line()
    table = show.table("parameter", "values", "start", "bounds", "constraint", "types")
    for each in content["parameters"]:
        fixed = each["fixed"] is True or each["fixed"] == [True] * (each["size"] or 0)
        table.add_row(
            each["name"] + (" (POI)" if each["name"] == content["poi"] else ""),
            str(each["size"] or 1),
            _one(each["init"]),
            "fixed" if fixed else f"{_one(each['lower'])} … {_one(each['upper'])}",
            each["constraint"] or "free",
            ", ".join(each["types"]),
        )
    show.out().print(table)


def _one(values: Any) -> str:
    """A number, or what all of them are."""
    if not isinstance(values, list):
        return "∞" if values is None else f"{values:g}"
    return _one(values[0]) if len(set(values)) == 1 else "various"


@with_options
def validate(given: Input, output: Output) -> None:
    """What is formally correct but likely wrong, or hard to fit.

    Ends with 4 where there is a problem, and with 0 after warnings and notes.
    """
    import dataclasses

    import fitkit

    from . import show

    found = source(given)
    findings = fitkit.validate(found.patched(chosen_point(found, given.point)))
    content = {
        "status": "problem" if _worst(findings) == "problem" else "ok",
        "findings": [dataclasses.asdict(finding) for finding in findings],
    }
    show.answer(content, output, _findings)
    if content["status"] == "problem":
        raise typer.Exit(INVALID)


def _worst(findings: Iterable[Any]) -> str | None:
    return next((finding.severity for finding in findings), None)


def _findings(content: dict[str, Any]) -> None:
    from rich.text import Text

    from . import show

    if not content["findings"]:
        show.line("Nothing to report.")
        return
    # What is said of many places is said once.
    said: dict[tuple[str, str], list[str]] = {}
    for finding in content["findings"]:
        names = (finding["channel"], finding["sample"], finding["modifier"])
        where = " / ".join(name for name in names if name)
        if finding["bins"]:
            where += f" [{', '.join(map(str, finding['bins']))}]"
        said.setdefault((finding["severity"], finding["message"]), []).append(where)
    for (severity, message), places in said.items():
        head = Text(severity, _SEVERITY[severity]) + Text(f": {message}", "default")
        show.out().print(head, soft_wrap=True)
        for where in places:
            show.line(f"  {where}")
    count = {
        s: [f["severity"] for f in content["findings"]].count(s) for s in _SEVERITY
    }
    show.line(", ".join(f"{n} {s}{'s' * (n != 1)}" for s, n in count.items()))
