"""Fail if any of the distributions named on the command line is here."""

import importlib.metadata
import importlib.util
import sys


def is_here(name: str) -> bool:
    if importlib.util.find_spec(name.replace("-", "_")) is not None:
        return True
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


found = [name for name in sys.argv[1:] if is_here(name)]
if found:
    sys.exit(f"these must not be needed, but are here: {', '.join(found)}")
