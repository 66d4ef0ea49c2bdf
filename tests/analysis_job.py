"""One process of an analysis by several, run by `test_analysis.py`.

Usage: python analysis_job.py OUT PORT PROCESS PROCESSES. Every process leaves what it got in OUT-<process>.npz.
"""

import os
import sys


def main(out, port, process, processes):
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax  # reads the environment

    jax.distributed.initialize(f"127.0.0.1:{port}", int(processes), int(process))

    import numpy as np
    from test_analysis import CONFIG, SIMULATION

    from lassovae import InputError, analyse, fit
    from lassovae._sharing import shared_by_processes
    from lassovae.data import simulate_study

    study = simulate_study(4, **SIMULATION)
    # two windows a step, because a training would be shared as well
    found = analyse(fit(study, CONFIG.replace(windows_per_step=2), show_progress=False), study)
    values = {f"errors/{name}": value for name, value in vars(found.errors).items()}
    values |= {f"fit/{name}": np.asarray(value) for name, value in found.fit._asdict().items()}
    values |= {"delta": found.delta, "difference": found.difference}
    asked = []

    def thirds(items):
        asked.extend(items)
        return {"third": np.array([[i / 3, -i] for i in items]), "whole": np.array(items, np.int16)}

    for count in (1, 2, 5):
        for name, value in shared_by_processes(thirds, range(count)).items():
            values[f"shared/{count}/{name}"] = value
    values["asked"] = np.array(asked)

    def fails_in_the_second(items):
        return np.array([[1, 2, 4][i] for i in items])

    try:
        shared_by_processes(fails_in_the_second, range(4))
        values["error"] = np.array("none")
    except (InputError, IndexError) as error:
        values["error"] = np.array(f"{type(error).__name__}: {error}")
    np.savez(f"{out}-{process}.npz", **values)


if __name__ == "__main__":
    main(*sys.argv[1:])
