"""Read, build, fit and print one workspace: all that a command line does.

Usage: cold_fitkit.py WORKSPACE
"""

import json
import sys

import fitkit

result = fitkit.fit(*fitkit.read_workspace(sys.argv[1]))
values = {name: value.tolist() for name, value in result.params.items()}
print(json.dumps({"mle_parameters": values, "twice_nll": float(result.twice_nll)}))
