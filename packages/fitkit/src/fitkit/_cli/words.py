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
    (r"`model\.with_free\('(.*?)'\)`", r"--free '\1'"),
    (r"`(?:model\.)?with_fixed(?:\([^`]*\))?`", "--fix"),
    (r"`(?:model\.)?with_free(?:\([^`]*\))?`", "--free"),
    (r"`(?:model\.)?with_init(?:\([^`]*\))?`", "--init"),
    (r"`(?:model\.)?with_bounds(?:\([^`]*\))?`", "--bounds"),
    (r"`(?:model\.)?with_masked(?:\([^`]*\))?`", "--mask"),
    # arguments that are options
    (r"`poi=\.\.\.` \(None: no warning\)", "--poi"),
    (r"Give `poi=` where the model is made or read", "Name one with --poi"),
    (
        r"Give `poi=None` for a model without one(, or one of: .*)?\.",
        "Choose another with --poi.",
    ),
    (r"`poi='(.*?)'`", r"--poi '\1'"),
    (r"`poi=[^`]*`", "--poi"),
    (r"`analysis=`", "--measurement"),
    (r"`analysis='(.*?)'`", r"--measurement '\1'"),
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
    # documents
    (
        r"Read it with `read_patchset`, and give one of its points as `patch`",
        "Give it with --patchset, and one of its points with --point,",
    ),
    (
        r"`patch` is a patch set\. Choose one of its points: `patch=[^`]*`",
        "--patch names a patch set. Give it with --patchset, and one of its points "
        "with --point",
    ),
    (r"Give it as `patch` together", "Give it with --patch, together"),
    (
        r"Give it to `read_workspace`, or to `read_patchset`",
        "Give it a name that ends in .json",
    ),
    (
        r"`fitkit\.read_archive\(path\)` gives its documents by name",
        "Give it a name that ends in .zip or .tar.gz",
    ),
    (r"`hashlib` has", "There are"),
    # datacards
    (r"Give `mass`(, or `keywords`)?", "Give --mass"),
    (r"`poi_map`:", "--poi-map:"),
    (r"Fit the card itself, with `read_combine_card`", "Fit the card itself"),
    # calls that are commands
    (r"`(?:fitkit\.)?fit`", "`fitkit fit`"),
    (r"`discovery`", "`fitkit significance`"),
    (r"`upper_limit`", "`fitkit limit`"),
    (r"`goodness_of_fit`", "`fitkit gof`"),
    (r"`interval`", "`fitkit fit --interval`"),
    (r"`predicted_yields`", "`fitkit yields`"),
    (r"`(hypotest|scan|contour|ranking|grid)`", r"`fitkit \1`"),
)
_RULES = tuple((re.compile(pattern), words) for pattern, words in _WORDS)


def of_the_command_line(text: str) -> str:
    """A message with options and commands in the place of arguments and calls."""
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    return text
