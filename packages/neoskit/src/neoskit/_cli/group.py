"""How a command fails: one message for a mistake of the user's, no traceback."""

import errno

import typer
from typer.core import TyperGroup

from . import show
from .process import INTERRUPTED


class Commands(TyperGroup):
    """Errors of the user's making end in one message, not in a traceback."""

    def invoke(self, ctx: typer.Context) -> object:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            show.error("interrupted. What was done until here is kept.")
            raise typer.Exit(INTERRUPTED) from None
        # Commands import what they need, so a missing extra is seen here.
        except ModuleNotFoundError as error:
            if ctx.params["debug"]:
                raise
            show.error(
                f"the command line needs `{error.name}`. Install it with: "
                "pip install 'neoskit[cli,plot]'"
            )
            raise typer.Exit(1) from None
        except (ValueError, TypeError, RuntimeError, OSError, ImportError) as error:
            if ctx.params["debug"] or _reader_left(error):
                raise
            show.error(show.message(error))
            raise typer.Exit(1) from None


def _reader_left(error: Exception) -> bool:
    # Of a pipe, as `head` does: nothing is wrong, and typer ends without a word.
    return isinstance(error, OSError) and error.errno == errno.EPIPE
