"""The command line: arguments and printing. `neoskit --help` lists the commands."""

import sys


def main() -> None:
    """Runs the command that was typed; ends the process with its status."""
    try:
        from .app import app
        from .process import set_up

        set_up()
    except ImportError as error:
        sys.exit(
            f"neoskit: the command line needs `{error.name}`. "
            "Install it with: pip install 'neoskit[cli,plot]'"
        )
    app()
