"""Commands about patch sets: inspect, verify, apply, extract."""

from typing import Annotated, Any

import typer

from .options import Input, Output, Workspace, Written
from .signature import with_options
from .source import Source, point_of, read_json, read_source

PatchsetFile = Annotated[
    str, typer.Argument(metavar="PATCHSET", help="A patch set.", show_default=False)
]
Point = Annotated[
    str, typer.Option("--point", metavar="NAME", help="The signal point.")
]


patchset = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Patch sets: many signal points."
)


@patchset.command()
@with_options
def inspect(patchset: PatchsetFile, output: Output) -> None:
    """The signal points of a patch set."""
    import fitkit

    from . import show

    read = fitkit.read_patchset(read_json(patchset))
    content = {
        "description": read.description,
        "labels": read.labels,
        "references": dict(read.references),
        "digests": dict(read.digests),
        "points": [{"name": p.name, "values": p.values} for p in read],
    }

    def human(content: dict[str, Any]) -> None:
        show.line(content["description"])
        table = show.table("signal point", *content["labels"])
        for point in content["points"]:
            table.add_row(point["name"], *map(str, point["values"]))
        show.print_table(table)
        show.line(f"{len(content['points'])} signal points")

    show.answer(content, output, human)


@patchset.command()
@with_options
def verify(workspace: Workspace, patchset: PatchsetFile) -> None:
    """Whether a patch set was made for a workspace.

    Ends with 1 where it was not.
    """
    import fitkit

    from . import show

    read = fitkit.read_patchset(read_json(patchset))
    read.verify(read_json(workspace))
    show.line(f"{patchset} was made for {workspace}.")


@patchset.command()
@with_options
def apply(
    workspace: Workspace,
    patchset: PatchsetFile,
    point: Point,
    written: Written,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Compare the digests first.")
    ] = True,
) -> None:
    """The workspace with a signal point."""
    from . import show

    given = Input(workspace, patchset=patchset, point=point, verify=verify)
    source = read_source(given)
    show.document(source.patched(point_of(source, point)), written.output)


@patchset.command()
@with_options
def extract(patchset: PatchsetFile, point: Point, written: Written) -> None:
    """The JSON Patch of a signal point."""
    import fitkit

    from . import show

    read = fitkit.read_patchset(read_json(patchset))
    points = {patch.name: patch for patch in read}
    source = Source(patchset, {}, [], points, read.labels)
    chosen = point_of(source, point)
    show.document(list(chosen.operations), written.output)
