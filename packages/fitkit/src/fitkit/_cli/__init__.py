"""The command line: arguments and printing. `fitkit --help` lists the commands.

It stands beside the package, not in it: whatever is inside `fitkit` imports jax first,
which takes longer than help, a mistyped argument or a completion may take.
"""

import sys


def main() -> None:
    """Runs the command that was typed; ends the process with its status."""
    try:
        from .app import app
    except ImportError as error:
        sys.exit(
            f"fitkit: the command line needs `{error.name}`. "
            "Install it with: pip install 'fitkit[cli]'"
        )
    from .process import INTERRUPTED, leave_at_once, leave_when_interrupted

    leave_when_interrupted()
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            leave_at_once()
        raise
