"""One of two processes of a training of which a scheduler stops one; run by `test_training_preemption.py`.

Usage: python preempted_job.py OUT PORT PROCESS. Prints the signal and the step at which this process stopped.
"""

import os
import signal
import sys


def main(out, port, process):
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax

    jax.distributed.initialize(f"127.0.0.1:{port}", 2, int(process))

    from training_studies import CONFIG, make_study, signalling_at

    from lassovae import Stopped
    from lassovae.training import _epochs, fit

    if process == "1":
        _epochs.make_step = signalling_at(5, signal.SIGTERM)
    try:
        fit(make_study(), CONFIG.replace(windows_per_step=2, epochs=200), run_dir=out, show_progress=False)
    except Stopped as stopped:
        print("stopped", stopped.signum, str(stopped).split(",")[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
