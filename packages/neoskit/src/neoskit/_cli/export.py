"""The command that writes a run's results as files of others."""

from typing import Annotated

import typer

from . import show
from .options import RunPath


def export(
    run: RunPath,
    seed: Annotated[
        int | None, typer.Option(help="Which seed; by default the first.")
    ] = None,
    workspace: Annotated[
        bool, typer.Option("--workspace", help="As pyhf reads it; the default.")
    ] = False,
    root: Annotated[
        bool, typer.Option("--root", help="Templates as ROOT histograms.")
    ] = False,
    uhi: Annotated[
        bool, typer.Option("--uhi", help="Templates as UHI's JSON.")
    ] = False,
    hepdata: Annotated[
        bool, typer.Option("--hepdata", help="Tables as HEPData takes them.")
    ] = False,
    observable: Annotated[
        bool,
        typer.Option("--observable", help="The observable as StableHLO, for jax."),
    ] = False,
    onnx: Annotated[bool, typer.Option("--onnx", help="The observable as ONNX.")] = (
        False
    ),
    everything: Annotated[bool, typer.Option("--all", help="All of these.")] = False,
) -> None:
    """Write a trained run as files for others: workspace, templates, observable."""
    from .._run.builders import build_dataset
    from .._run.exports import KINDS, export_seed
    from .._run.folder import RunFolder
    from .._run.run import load, rebinned

    asked = {
        "workspace": workspace,
        "root": root,
        "uhi": uhi,
        "hepdata": hepdata,
        "observable": observable,
        "onnx": onnx,
    }
    kinds = [kind for kind in KINDS if everything or asked[kind]] or ["workspace"]
    folder = RunFolder.open(run)
    config = folder.config
    chosen = folder.seeds[0] if seed is None else seed
    trained = load(folder, build_dataset(config, run), chosen)
    pipeline = rebinned(config, trained)
    for path in export_seed(folder, chosen, pipeline, trained.judges, kinds):
        show.line(str(path))
