"""A recording larger than memory: trained and analysed from the file, and with its frames held, side by side.

Writes a simulated recording of so many gigabytes, then trains and analyses it in processes of their own, in turns:
once with `--limit` gigabytes allowed, where frames are read anew whenever they are needed, once with `--held`. Says
seconds, the largest resident memory of each process, what was expected before it began, and whether both found the
same, bit for bit.

    python benchmarks/larger_than_memory.py --folder /somewhere/with/space --gigabytes 12
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
import tyro

PIECE_FRAMES, NUM_CELLS, RATE_HZ, PHOTONS = 200, 80, 10.0, 40.0


@dataclass(frozen=True)
class Options:
    """Command line."""

    folder: Path
    """Where the recording is written and left; needs its size in free space."""
    gigabytes: float = 12.0
    side: int = 512
    """Pixels of a frame along one side."""
    downscale: int = 4
    epochs: int = 4
    limit: float = 4.0
    """Gigabytes (10^9 bytes) allowed to the process that reads frames anew."""
    held: float = 18.0
    """Gigabytes allowed to the process that holds them."""
    analyse: bool = True
    """Analyse too; what an analysis costs beside reading does not depend on where the frames are."""
    repeats: int = 1
    """How often each is run, in turns."""
    write_only: bool = False
    """Write the recording and stop."""
    job: str = ""
    """Used by the program itself: limit of the one process to run."""


def write_recording(options: Options) -> Path:
    """One BigTIFF of uint16: cells whose calcium follows a sparse VAR, on a resting image, under shot noise."""
    from lassovae.data._simulate_coupling import Wiring, draw_calcium, draw_decays
    from lassovae.data._simulate_scene import make_scene

    num_frames = round(options.gigabytes * 1e9 / (2 * options.side**2))
    file = options.folder / f"recording_{options.gigabytes:g}GB_{options.side}.tif"
    if file.exists():
        return file
    rng, shape = np.random.default_rng(0), (options.side, options.side)
    scene = make_scene(rng, shape, NUM_CELLS, 12.0)
    wiring = Wiring(rng, draw_decays(rng, NUM_CELLS, RATE_HZ), 0.3)
    calcium = draw_calcium(rng, wiring.first, num_frames, RATE_HZ, np.full(NUM_CELLS, 0.05))
    footprints = scene.footprints.reshape(NUM_CELLS, -1).astype(np.float32)
    rest = (PHOTONS * scene.baseline).astype(np.float32).ravel()

    def frames():
        for start in range(0, num_frames, PIECE_FRAMES):
            light = calcium[start : start + PIECE_FRAMES].astype(np.float32) @ footprints
            light = np.maximum(rest * (1 + light), 0)
            # of so many photons the Poisson law is all but normal, which is ten times as quickly drawn
            light += np.sqrt(light) * rng.standard_normal(light.shape, np.float32)
            stored = np.clip(20 * light + 100, 0, 65535).astype(np.uint16)
            yield from stored.reshape(-1, *shape)

    options.folder.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".part")
    with tifffile.TiffWriter(temporary, bigtiff=True) as writer:
        metadata = {"axes": "TYX"}
        writer.write(frames(), shape=(num_frames, *shape), dtype=np.uint16, metadata=metadata)
    temporary.rename(file)
    return file


def job(options: Options, file: Path) -> None:
    """Train and analyse in this process, and print what it took."""
    import hashlib

    import jax

    import lassovae
    from lassovae._memory import plan_memory
    from lassovae.data import Run, Study, open_recording

    pre = lassovae.Preprocess(
        downscale=options.downscale, downscale_method="mean", scaling="percentile", mean_frame_floor=0.01
    )
    config = lassovae.Config.recommended(epochs=options.epochs, preprocess=pre, lam=0.005)
    study = Study((Run("long", open_recording(file), "F", 0),), name="long")
    limit = float(options.job)
    plan = plan_memory(study, config, limit)
    began = time.perf_counter()
    model = lassovae.fit(study, config, max_memory_gb=limit, show_progress=False)
    fitted = time.perf_counter()
    digest = hashlib.sha256(np.ascontiguousarray(model.mean_frame).tobytes())
    for leaf in jax.tree.leaves(model.weights):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    if options.analyse:
        analysis = lassovae.analyse(model, study, max_memory_gb=limit)
        digest.update(np.ascontiguousarray(analysis.maps).tobytes())
    done = time.perf_counter()
    result = {
        "frames": "held" if plan.holds_frames else "read anew",
        "fit_s": round(fitted - began, 1),
        "analyse_s": round(done - fitted, 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
        "expected_gb": round(plan.peak / 1e9, 2),
        "sha256": digest.hexdigest()[:16],
    }
    print(json.dumps(result))


def main(options: Options) -> None:
    """Write the recording, run the two kinds of process in turns, print a table."""
    file = write_recording(options)
    if options.write_only:
        return
    if options.job:
        job(options, file)
        return
    rows = []
    for _ in range(options.repeats):
        for limit in (options.limit, options.held):
            arguments = [sys.executable, __file__, *sys.argv[1:], "--job", str(limit)]
            done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(rows[-1], flush=True)
    seconds = {
        kind: min(r["fit_s"] + r["analyse_s"] for r in rows if r["frames"] == kind)
        for kind in ("read anew", "held")
    }
    print(f"speed of reading anew over holding: {seconds['held'] / seconds['read anew']:.2f}")
    print("the same, bit for bit" if len({row["sha256"] for row in rows}) == 1 else "THE RESULTS DIFFER")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
