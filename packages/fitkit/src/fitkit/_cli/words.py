"""Messages of the library in the words of the command line.

The library says `model.with_fixed(...)`, `poi=` and `throw=False`; whoever typed a
command knows `--fix` and `--poi`.
"""

import re

# What the library says, and what to say here; tried in turn.
_WORDS = (
    # ways out that are calls of Python
    (r"; `throw=False` returns the last point", ""),
    (
        r"Other starts \(`model\.with_init`, or `fit_from_many_starts`\), narrower "
        r"bounds \(`with_bounds`\) or fixed parameters \(`with_fixed`\) may help",
        "Another start (--init), narrower bounds (--bounds) or fixed parameters "
        "(--fix) may help",
    ),
    (r"`model\.with_free\('(.*?)'\)` frees it", r"--free '\1' frees it"),
    (r"`(?:model\.)?with_fixed(?:\([^`]*\))?`", "--fix"),
    (r"`(?:model\.)?with_free(?:\([^`]*\))?`", "--free"),
    (r"`(?:model\.)?with_init(?:\([^`]*\))?`", "--init"),
    (r"`(?:model\.)?with_bounds(?:\([^`]*\))?`", "--bounds"),
    (r"`(?:model\.)?with_masked(?:\([^`]*\))?`", "--mask"),
    # arguments that are options
    (r"`poi=\.\.\.` \(None: no warning\)", "--poi"),
    (r"Give `poi=` where the model is made or read", "Name one with --poi"),
    (r"`poi='(.*?)'`", r"--poi '\1'"),
    (r"`poi=[^`]*`", "--poi"),
    (r"Give `values=`", "Give --range"),
    (r'`join="(\w+) outer"` or "(\w+) outer"', r"--join '\1 outer' or '\2 outer'"),
    (r'another `join`, such as "outer"', "another --join, such as outer"),
    (r"`merge_channels=True`", "--merge-channels"),
    (r"`merge_channels`", "--merge-channels"),
    (r"or apply with `verify=False`", "or give --no-verify"),
    (r", or give the path of a document to `read_workspace`", ""),
    (r"`\w+\(level=[^`]*\)`", "--level"),
    (r"`\w+\(levels=[^`]*\)`", "--level"),
    (r"Hold it with `fixed=`", "Fix it with --fix"),
    (r"`plot\.\w+\(top=[^`]*\)`", "--top"),
    (r"`plot\.\w+`", "--plot"),
    (r"`hepdata\.[\w.]+(?:\([^`]*\))?`", "--hepdata"),
    # calls that are commands
    (r"`(?:fitkit\.)?fit`", "`fitkit fit`"),
    (r"`discovery`", "`fitkit significance`"),
    (r"`upper_limit`", "`fitkit limit`"),
    (r"`goodness_of_fit`", "`fitkit gof`"),
    (r"`predicted_yields`", "`fitkit yields`"),
    (r"`(hypotest|scan|contour|ranking|grid)`", r"`fitkit \1`"),
)
_RULES = tuple((re.compile(pattern), words) for pattern, words in _WORDS)


def of_the_command_line(text: str) -> str:
    """A message with options and commands in the place of arguments and calls."""
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    return text
