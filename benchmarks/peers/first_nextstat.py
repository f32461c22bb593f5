"""Read, fit, test, limit and rank one workspace with nextstat.

Its asymptotic test has no band. Its ranking shifts each parameter from its nominal
value by the width of its constraint, two fits where ours makes four.

Usage: first_nextstat.py WORKSPACE
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from _stages import stage


def imported() -> Any:
    import nextstat

    return nextstat


def main(path: str) -> None:
    nextstat = stage("import", imported)
    model = stage("read", lambda: nextstat.from_pyhf(Path(path).read_text()))

    def fit() -> Any:
        result = nextstat.fit(model)
        if not result.converged:
            raise RuntimeError(f"not converged: {result.termination_reason}")
        return result

    stage("fit", fit, lambda result: {"twice_nll": float(result.twice_nll)})
    stage(
        "hypotest",
        lambda: nextstat.hypotest(1.0, model),
        lambda cls: {"cls": float(cls)},
    )
    stage(
        "limit",
        lambda: nextstat.upper_limit(model, method="root"),
        lambda limit: {
            "limit": float(limit[0]),
            "limits": [float(x) for x in limit[1]],
        },
    )
    stage("ranking", lambda: nextstat.ranking(model))


main(*sys.argv[1:])
