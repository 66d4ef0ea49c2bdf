"""How programs of tests are compiled: they are run once, so what counts is how quickly that is done.

`python tests/compile_flags.py` prints them as XLA_FLAGS, for scripts that try what users run (`.ci/run`).
"""

import jaxlib.version

# XLA ends the process at a flag that it does not know.
FOR_USERS: dict[str, int | bool] = {"xla_backend_optimization_level": 3}
FOR_TESTS: dict[str, int | bool] = {"xla_backend_optimization_level": 0}
if jaxlib.version.__version_info__ < (0, 11):
    FOR_USERS["xla_cpu_use_fusion_emitters"] = True
    FOR_TESTS["xla_cpu_use_fusion_emitters"] = False
XLA_FLAGS = " ".join(f"--{name}={str(value).lower()}" for name, value in FOR_TESTS.items())

if __name__ == "__main__":
    print(XLA_FLAGS)
