"""Read, fit, test, limit and rank one workspace with fitkit, one after the other.

Usage: first_fitkit.py WORKSPACE
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from _stages import stage


def imported() -> Any:
    import fitkit

    # A name's module is imported when the name is first used.
    for name in ("read_workspace", "fit", "hypotest", "upper_limit", "ranking"):
        getattr(fitkit, name)
    return fitkit


def main(path: str) -> None:
    fitkit = stage("import", imported)
    model, data = stage("read", lambda: fitkit.read_workspace(path))
    stage(
        "fit",
        lambda: fitkit.fit(model, data),
        lambda result: {"twice_nll": float(result.twice_nll), "size": result.y.size},
    )
    stage(
        "hypotest",
        lambda: fitkit.hypotest(model, data, 1.0),
        lambda test: {"cls": float(test.cls), "band": test.cls_expected.tolist()},
    )
    stage(
        "limit",
        lambda: fitkit.upper_limit(model, data),
        lambda limit: {
            "limit": float(limit.observed),
            "limits": limit.expected.tolist(),
        },
    )
    stage(
        "ranking",
        lambda: fitkit.ranking(model, data),
        lambda ranks: {
            "impacts": {
                name: [float(up), float(down)]
                for name, up, down in zip(
                    ranks.names, ranks.up, ranks.down, strict=True
                )
            },
            "sigma": float(ranks.total),
        },
    )


main(*sys.argv[1:])
