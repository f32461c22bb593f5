"""The command `fitkit`, and how it fails."""

import errno
import importlib
import warnings
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperGroup

from .process import INTERRUPTED, set_up

EPILOG = (
    "Ends with 0; 1 where an input cannot be used, 2 for a wrong option, 3 where a fit "
    "found no minimum, 4 where `validate` found a problem, 130 after Ctrl-C."
)
# The modules of the commands, in the order in which an analysis needs them. One is
# imported when its command is typed.
_MODULES = {
    "looks": ("inspect",),
    "info": ("info",),
    "validation": ("validate",),
    "fits": ("fit",),
    "yields": ("yields", "gof"),
    "limits": ("limit",),
    "hypotheses": ("hypotest", "significance", "toys"),
    "grids": ("grid",),
    "profiles": ("scan", "contour", "ranking"),
    "documents": ("convert", "combine", "prune", "rename", "digest"),
    "patchsets": ("patchset",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
FAILED = 1
NO_MINIMUM = 3


class Commands(TyperGroup):
    """All commands. Errors of the user's making end in one message, no traceback."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        return list(_HOMES)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:
        if cmd_name in _HOMES and cmd_name not in self.commands:
            module = importlib.import_module(f".{_HOMES[cmd_name]}", __package__)
            command = getattr(module, cmd_name)
            # Typer makes a command of a function only inside a group.
            part = typer.Typer(rich_markup_mode=None)
            if isinstance(command, typer.Typer):
                part.add_typer(command, name=cmd_name)
            else:
                part.command(cmd_name)(command)
            self.commands[cmd_name] = typer.main.get_group(part).commands[cmd_name]
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:
        if args[0] not in _HOMES:  # what it may have meant is sought among all
            for name in _HOMES:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: typer.Context) -> object:
        with warnings.catch_warnings():
            # A line of Python's source below each warning helps nobody here.
            warnings.showwarning = _warn
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                _error("interrupted.")
                raise typer.Exit(INTERRUPTED) from None
            except OSError as error:
                if error.errno == errno.EPIPE or ctx.params["debug"]:
                    raise  # the reader of a pipe has left: nothing is wrong
                _error(_of_file(error))
                raise typer.Exit(FAILED) from None
            # Whatever else is raised, a TypeError too, is a fault of fitkit's own: a
            # traceback says more about it than any message.
            except (ValueError, RuntimeError) as error:
                # typer.Exit and Abort are RuntimeErrors too.
                if isinstance(error, (typer.Exit, typer.Abort)) or ctx.params["debug"]:
                    raise
                _error(str(error) or type(error).__name__)
                raise typer.Exit(_status(error)) from None


def _status(error: Exception) -> int:
    if not isinstance(error, RuntimeError):
        return FAILED  # and jax is not imported only to say so
    import fitkit

    return NO_MINIMUM if isinstance(error, fitkit.FitError) else FAILED


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    from . import show  # rich takes long to load, and is not needed for usage errors
    from .words import of_the_command_line

    show.warning(of_the_command_line(str(message)))


def _error(text: str) -> None:
    from . import show
    from .words import of_the_command_line

    show.error(of_the_command_line(text))


def _of_file(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}." if error.filename else reason


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Help without rich: it takes longer to load than all the rest.
    rich_markup_mode=None,
    help="Fit HistFactory likelihoods, test them, set limits.",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        typer.echo(f"fitkit {importlib.metadata.version('fitkit')}")
        raise typer.Exit


@app.callback()
def _settings(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the code an error arose.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    set_up()
