"""The command line: arguments and printing. `fitkit --help` lists the commands.

Nothing here imports jax, NumPy or rich before a command runs: help, a mistyped option
and the shell's completion answer at once.
"""

import atexit
import gc
import sys

from .process import INTERRUPTED, leave_at_once, leave_when_interrupted

_OBJECTS = 200_000  # made before garbage is looked for


def main() -> None:
    """Runs the command that was typed; ends the process with its status."""
    # Nothing in the thousand modules that a fit needs is garbage. Looking for it takes
    # a quarter of the time of a small fit, most of it when the process ends.
    gc.set_threshold(_OBJECTS)
    atexit.register(gc.freeze)
    for stream in (sys.stdout, sys.stderr):
        # A terminal or a file that has no "σ" gets a question mark, not a traceback.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    leave_when_interrupted()
    try:
        from .app import app

        app()
    except KeyboardInterrupt:  # while modules are imported
        leave_at_once()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            leave_at_once()
        raise
    except ImportError as error:
        if error.name not in ("typer", "rich", "click"):
            raise
        sys.exit(
            f"fitkit: the command line needs `{error.name}`. "
            "Install it with: pip install 'fitkit[cli]'"
        )
