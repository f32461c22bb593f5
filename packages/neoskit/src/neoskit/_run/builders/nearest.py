"""What may have been meant by a name that is not known."""

import difflib
from collections.abc import Sequence


def hint(name: str, known: Sequence[str]) -> str:
    """A sentence with the nearest known name, or with all of them."""
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean `{near[0]}`?" if near else f" There are {', '.join(known)}."
