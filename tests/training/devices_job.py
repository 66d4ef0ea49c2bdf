"""One process of a training on several devices, run by `test_training_devices.py`.

Usage: python devices_job.py OUT ENCODER DEVICES EPOCHS [STATES [PORT PROCESS PROCESSES]]. The first process leaves the
weights after every step in OUT-weights.npz, under "STEP NAME". With a folder of STATES every step starts from the state
that another training had there; "-" takes its own. A training on one device leaves its own states in OUT-states.
"""

import os
import sys
from pathlib import Path


def main(out, encoder, devices, epochs, states="-", port="", process="0", processes="1"):
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["JAX_NUM_CPU_DEVICES"] = devices
    import jax  # reads the environment

    if port:
        jax.distributed.initialize(f"127.0.0.1:{port}", int(processes), int(process))
    assert len(jax.devices()) == int(devices) * int(processes)

    import numpy as np
    from training_studies import CONFIG, make_study

    from lassovae.training import _epochs, fit
    from lassovae.training._mesh import replicated

    weights = {}
    own = Path(f"{out}-states")
    make_step = _epochs.make_step

    def named(tree):
        return {jax.tree_util.keystr(path): np.asarray(x) for path, x in jax.tree.leaves_with_path(tree)}

    def make(config, mesh):
        inner, count = make_step(config, mesh), [0]

        def step(state, *arguments):
            count[0] += 1
            file = f"{count[0]}.npz"
            if states != "-":
                with np.load(Path(states) / file) as found:
                    leaves = [found[name] for name in named(state)]
                state = replicated(mesh, jax.tree.unflatten(jax.tree.structure(state), leaves))
            elif devices == "1" and not port:
                own.mkdir(exist_ok=True)
                np.savez(own / file, **named(state))
            after, *others = inner(state, *arguments)
            of_networks = {"params": after.params, "batch_stats": after.batch_stats}
            weights.update({f"{count[0]} {name}": x for name, x in named(of_networks).items()})
            return after, *others

        return step

    _epochs.make_step = make
    config = CONFIG.replace(encoder=encoder, windows_per_step=8, epochs=int(epochs), learning_rate=1e-3)
    fit(make_study(), config, run_dir=out, resume=True, show_progress=False)
    if process == "0":
        np.savez(f"{out}-weights.npz", **weights)


if __name__ == "__main__":
    main(*sys.argv[1:])
