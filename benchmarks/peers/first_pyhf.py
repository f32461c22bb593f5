"""Read, fit, test and limit one workspace with pyhf as it comes: NumPy and SciPy.

Usage: first_pyhf.py WORKSPACE
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from _stages import stage


def imported() -> Any:
    import pyhf

    return pyhf


def main(path: str) -> None:
    pyhf = stage("import", imported)

    def read() -> tuple:
        workspace = pyhf.Workspace(json.loads(Path(path).read_text()))
        model = workspace.model()
        return model, workspace.data(model)

    model, data = stage("read", read)
    stage(
        "fit",
        lambda: pyhf.infer.mle.fit(data, model, return_fitted_val=True),
        lambda result: {"twice_nll": float(result[1])},
    )
    stage(
        "hypotest",
        lambda: pyhf.infer.hypotest(1.0, data, model, return_expected_set=True),
        lambda test: {"cls": float(test[0]), "band": [float(x) for x in test[1]]},
    )
    stage(
        "limit",
        lambda: pyhf.infer.intervals.upper_limits.upper_limit(data, model),
        lambda limit: {
            "limit": float(limit[0]),
            "limits": [float(x) for x in limit[1]],
        },
    )


main(*sys.argv[1:])
