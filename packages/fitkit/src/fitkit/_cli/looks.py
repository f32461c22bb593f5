"""The command `inspect`: what a document or an archive holds."""

from typing import Any

from .names import of_interest
from .options import Choice, Input, Output
from .problem import Problem, read_problem
from .signature import with_options
from .source import Folder, folders, is_archive


@with_options
def inspect(given: Input, choice: Choice, output: Output) -> None:
    """What a document or an archive holds."""
    from . import show

    # With one workspace there is nothing to choose, and its content is shown at once.
    if is_archive(given.workspace) and given.member is None:
        import fitkit

        regions = folders(fitkit.read_archive(given.workspace))
        if sum(len(folder.workspaces) for folder in regions) != 1:
            show.answer({"folders": [_folder(f) for f in regions]}, output, _archive)
            return
    problem = read_problem(given, choice)
    show.answer(_contents(problem), output, _workspace)


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
    show.print_table(table)
    show.line("Choose one with --member FOLDER; a signal point with --point NAME.")


def _contents(problem: Problem) -> dict[str, Any]:
    model, data = problem.model, problem.data
    # Once: the property makes those of all parameters anew, minutes for hundreds.
    settings = model.parameters
    types: dict[str, list[str]] = {}
    for _, _, kind, name in model.layout.modifiers:
        seen = types.setdefault(name, [])
        if kind.lower() not in seen:
            seen.append(kind.lower())
    return {
        "poi": model.poi,
        "measurements": problem.measurements,
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
            for name, p in ((n, settings[n]) for n in model.parameter_names)
        ],
    }


def _workspace(content: dict[str, Any]) -> None:
    from . import show

    # A background's document names the signal's strength, which only a patch brings.
    names = {each["name"] for each in content["parameters"]}
    for measurement in content["measurements"]:
        poi = measurement["poi"] or "(none)"
        if measurement["poi"] and measurement["poi"] not in names:
            poi += ", which is no parameter of the model"
        show.line(f"measurement {measurement['name']}, parameter of interest {poi}")
    show.line()
    table = show.table("channel", "bins", "observed", "samples")
    for channel in content["channels"]:
        seen = channel["observed"]
        total = "masked" if None in seen else f"{sum(seen):g}"
        samples = ", ".join(channel["samples"])
        table.add_row(channel["name"], str(len(seen)), total, samples)
    show.print_table(table)
    show.line()
    table = show.table("parameter", "values", "start", "bounds", "constraint", "types")
    for each in content["parameters"]:
        fixed = each["fixed"] is True or each["fixed"] == [True] * (each["size"] or 0)
        table.add_row(
            each["name"]
            + (" (POI)" if each["name"] in of_interest(content["poi"]) else ""),
            str(each["size"] or 1),
            _one(each["init"]),
            "fixed" if fixed else f"{_one(each['lower'], '-')} … {_one(each['upper'])}",
            each["constraint"] or "free",
            ", ".join(each["types"]),
        )
    show.print_table(table)


def _one(values: Any, sign: str = "") -> str:
    """A number, or what all of them are; infinite where there is none."""
    if not isinstance(values, list):
        return f"{sign}∞" if values is None else f"{values:g}"
    return _one(values[0], sign) if len(set(values)) == 1 else "various"
