"""Read, build, fit and print one workspace: all that a command line does.

Usage: cold_fitkit.py WORKSPACE CACHE
"""

import json
import os
import sys

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_compilation_cache_dir", sys.argv[2])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

import fitkit  # noqa: E402

fitkit.keep_programs(f"{sys.argv[2]}/programs")
result = fitkit.fit(*fitkit.read_workspace(sys.argv[1]))
values = {name: value.tolist() for name, value in result.params.items()}
print(json.dumps({"mle_parameters": values, "twice_nll": float(result.twice_nll)}))
