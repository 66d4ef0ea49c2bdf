"""One process of a training on several devices, run by `test_training_devices.py`.

Usage: python devices_job.py OUT DEVICES EPOCHS [PORT PROCESS PROCESSES]. The first process leaves the weights
after one step, and after the epochs, in OUT-first.npz and OUT-last.npz.
"""

import os
import sys


def main(out, devices, epochs, port="", process="0", processes="1"):
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["JAX_NUM_CPU_DEVICES"] = devices
    import jax  # reads the environment

    if port:
        jax.distributed.initialize(f"127.0.0.1:{port}", int(processes), int(process))
    assert len(jax.devices()) == int(devices) * int(processes)

    import numpy as np
    from training_studies import CONFIG, make_study

    from lassovae.training import fit

    config = CONFIG.replace(windows_per_step=8, epochs=int(epochs), learning_rate=1e-3)
    study = make_study()
    first = fit(study, config.replace(epochs=1), show_progress=False)
    last = fit(study, config, run_dir=out, resume=True, show_progress=False)
    for name, model in (("first", first), ("last", last)) if process == "0" else ():
        leaves = jax.tree.leaves_with_path(model.weights)
        values = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
        np.savez(f"{out}-{name}.npz", **values)


if __name__ == "__main__":
    main(*sys.argv[1:])
