"""Read, fit and rank one workspace with cabinetry: pyhf's model, Minuit's fits.

Usage: first_cabinetry.py WORKSPACE
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from _stages import stage


def imported() -> Any:
    import cabinetry

    return cabinetry


def main(path: str) -> None:
    cabinetry = stage("import", imported)

    def read() -> tuple:
        return cabinetry.model_utils.model_and_data(json.loads(Path(path).read_text()))

    model, data = stage("read", read)
    found = stage(
        "fit",
        lambda: cabinetry.fit.fit(model, data),
        lambda result: {"twice_nll": float(result.best_twice_nll)},
    )
    if found is not None:
        stage(
            "ranking",
            lambda: cabinetry.fit.ranking(model, data, fit_results=found),
            lambda ranks: {
                "impacts": {
                    name: [float(up), float(down)]
                    for name, up, down in zip(
                        ranks.labels, ranks.postfit_up, ranks.postfit_down, strict=True
                    )
                }
            },
        )


main(*sys.argv[1:])
