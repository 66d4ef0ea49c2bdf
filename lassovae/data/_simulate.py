"""Simulated two-photon studies whose cells, couplings and noise are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage, signal, sparse

from lassovae._errors import InputError
from lassovae.data._recording import ArrayRecording, check_frame_rate
from lassovae.data._simulate_coupling import Wiring, draw_calcium, draw_decays
from lassovae.data._simulate_scene import BORDER_PX, SEPARATION_PX, Scene, make_scene, smooth_field
from lassovae.data._study import Run, Study
from lassovae.data._truth import Truth

OFFSET = 20.0  # stored value of no light
CHUNK_FRAMES = 64
NEUROPIL_SECONDS = 1.5
NEUROPIL_SIGMA_PX = 14.0
NUM_NEUROPIL = 6
MOTION_SECONDS = 0.5


def _seed_sequence(seed: int | Sequence[int] | np.ndarray) -> np.random.SeedSequence:
    values = np.asarray(seed)
    if values.dtype.kind not in "ui" or values.size == 0 or values.min() < 0:
        raise InputError(f"seed={seed!r} must be an integer of at least 0, or an array of such integers")
    return np.random.SeedSequence([int(value) for value in values.ravel()])


def _slow(rng: np.random.Generator, num_frames: int, columns: int, frames: float) -> np.ndarray:
    """(time, columns) stationary fluctuations of variance 1 that forget within about `frames` frames."""
    keep = np.exp(-1 / frames)
    noise = rng.standard_normal((num_frames, columns)) * np.sqrt(1 - keep**2)
    noise[0] /= np.sqrt(1 - keep**2)
    return np.asarray(signal.lfilter([1.0], [1.0, -keep], noise, axis=0))


def _draw_length(rng: np.random.Generator, low: int, high: int) -> int:
    if low == high:
        return low
    return low + round((high - low) * rng.beta(0.4, 2.4))  # standard deviation 0.18 of the range


def _render(
    rng: np.random.Generator,
    scene: Scene,
    calcium: np.ndarray,
    *,
    frame_rate_hz: float,
    photons: float,
    gain: float,
    read_noise: float,
    neuropil: float,
    motion_px: float,
    bleaching: float,
    drift: float,
) -> np.ndarray:
    """Film (time, height, width) uint16 of one run's calcium (time, cells)."""
    num_frames = len(calcium)
    height, width = shape = scene.baseline.shape
    fields = np.stack([smooth_field(rng, shape, NEUROPIL_SIGMA_PX) for _ in range(NUM_NEUROPIL)])
    fields[0] = 1.0  # what the whole field of view shares
    fields *= neuropil / np.sqrt((fields**2).sum(axis=0)).mean()
    background = _slow(rng, num_frames, NUM_NEUROPIL, frame_rate_hz * NEUROPIL_SECONDS)
    shifts = motion_px * _slow(rng, num_frames, 2, frame_rate_hz * MOTION_SECONDS)
    elapsed = np.linspace(0, 1, num_frames)
    lamp = (1 - bleaching) ** elapsed * (1 + drift * np.sin(np.pi * (elapsed + rng.uniform(0, 2))))
    # A product that BLAS spreads over threads is rounded as their number has it, and a photon count flips with it
    cells = sparse.csr_array(scene.footprints.reshape(-1, height * width))
    movie = np.empty((num_frames, height, width), np.uint16)
    for start in range(0, num_frames, CHUNK_FRAMES):
        span = slice(start, min(start + CHUNK_FRAMES, num_frames))
        relative = (calcium[span] @ cells).reshape(-1, height, width)
        relative += np.einsum("tf,fhw->thw", background[span], fields)
        light = photons * lamp[span, None, None] * scene.baseline * np.maximum(1 + relative, 0.05)
        if motion_px > 0:
            for frame, shift in zip(light, shifts[span], strict=True):
                frame[...] = ndimage.shift(frame, shift, order=1, mode="nearest")
        stored = gain * rng.poisson(light) + OFFSET
        stored += read_noise * rng.standard_normal(light.shape, dtype=np.float32)
        movie[span] = np.clip(np.rint(stored), 0, 65535).astype(np.uint16)
    return movie


def _check(fractions: dict[str, float], positives: dict[str, float], counts: dict[str, int]) -> None:
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
            raise InputError(f"{name}={count!r} must be an integer of at least 1")
    for name, value in positives.items():
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"{name}={value} must be a finite number of at least 0")
    for name, value in fractions.items():
        if not 0 <= value < 1:
            raise InputError(f"{name}={value} must lie in [0, 1)")


def simulate_study(
    seed: int | Sequence[int] | np.ndarray,
    *,
    num_runs: int = 8,
    frames: int | tuple[int, int] = 320,
    frame_shape: tuple[int, int] = (64, 96),
    num_cells: int = 30,
    conditions: Sequence[str] = ("F", "N"),
    block_size: int = 5,
    frame_rate_hz: float = 10.0,
    coupling: float = 2.0,
    burst_rate_hz: float = 0.25,
    photons: float = 70.0,
    gain: float = 8.0,
    read_noise: float = 6.0,
    neuropil: float = 0.02,
    motion_px: float = 0.0,
    bleaching: float = 0.0,
    drift: float = 0.0,
    separation_px: float = SEPARATION_PX,
    contrast: float = 1.0,
    block_effect: float = 0.0,
) -> Study:
    """Simulate two-photon movies of cells whose calcium follows a sparse VAR that depends on the condition.

    Latent calcium c_t = sum_k A_k c_{t-k} + s_t with positive sparse innovations s_t. A pixel's light is
    baseline * (1 + footprints @ c_t + neuropil); its stored value is gain * Poisson(photons * light) plus an offset
    and read noise. The field of view is the same in all runs. Runs come in blocks of `block_size` of the first
    condition, then the second, and so on around. Adding runs leaves the earlier ones as they are.

    Args:
        seed: an integer of at least 0, or an array of such integers.
        num_runs: runs to film.
        frames: frames a run, or (low, high) to draw a length for each run: most short, a few long, with mean
            low + (high - low) / 7; (306, 1206) gives the mean and the spread of the paper's, 434.8 +- 160.9.
        frame_shape: (height, width) in pixels.
        num_cells: cells in the field of view.
        conditions: labels; the first has all its couplings, the others lose, weaken and gain some.
        block_size: consecutive runs of one condition.
        frame_rate_hz: frames per second.
        coupling: sustained calcium of a follower per calcium of its driver; 0 for cells that ignore each other.
        burst_rate_hz: bursts of spikes per second of a cell on its own, the same for drivers and followers, so
            that activity alone does not tell who drives.
        photons: detected per pixel and frame at the mean resting intensity; the shot noise is 1/sqrt(photons).
        gain: stored units per photon.
        read_noise: standard deviation of the electronic noise, in stored units.
        neuropil: standard deviation of the smooth background, relative to the resting intensity.
        motion_px: standard deviation of the rigid motion along each axis, in pixels.
        bleaching: fraction of the light lost from the first frame of a run to its last.
        drift: amplitude of a slow change of brightness within a run, relative to the resting intensity.
        separation_px: smallest distance of two cells' centres; below about 9 pixels they overlap.
        contrast: how far the couplings of the other conditions are from those of the first, as a share of the whole
            way; at 0 conditions are alike and every difference that is found is false.
        block_effect: standard deviation, over blocks, of the logarithm of a factor on each driver's couplings: what
            runs recorded together share for other reasons than their condition. The truth's couplings are without it.

    Returns:
        A Study of uint16 recordings in memory, with a Truth in `truth`.

    Raises:
        InputError: a setting is out of its range, or the cells do not fit into the frame.
    """
    _check(
        {"bleaching": bleaching, "drift": drift},
        {"coupling": coupling, "burst_rate_hz": burst_rate_hz, "photons": photons, "gain": gain}
        | {
            "read_noise": read_noise,
            "neuropil": neuropil,
            "motion_px": motion_px,
            "separation_px": separation_px,
            "block_effect": block_effect,
        },
        {"num_runs": num_runs, "num_cells": num_cells, "block_size": block_size},
    )
    if not 0 <= contrast <= 1:
        raise InputError(f"contrast={contrast} must lie in [0, 1]")
    rate = check_frame_rate("simulation", frame_rate_hz)
    if rate is None:
        raise InputError("frame_rate_hz=None: a simulation needs a frame rate; 10.0 is usual")
    low, high = (frames, frames) if isinstance(frames, (int, np.integer)) else tuple(frames)
    if not 1 <= low <= high:
        raise InputError(f"frames={frames!r} must be at least 1, or (low, high) with 1 <= low <= high")
    if len(frame_shape) != 2 or min(frame_shape) < 2 * BORDER_PX + 4:
        raise InputError(f"frame_shape={frame_shape} must be (height, width), at least 16 pixels each")
    if isinstance(conditions, str) or not conditions or len(set(conditions)) != len(conditions):
        raise InputError(f"conditions={conditions!r} must be a sequence of one or more labels, all different")

    scene_seed, wiring_seed, *run_seeds = _seed_sequence(seed).spawn(2 + num_runs)
    scene = make_scene(
        np.random.default_rng(scene_seed),
        (int(frame_shape[0]), int(frame_shape[1])),
        num_cells,
        separation_px,
    )
    first, *others = (np.random.default_rng(child) for child in wiring_seed.spawn(len(conditions)))
    decays = draw_decays(first, num_cells, rate)
    wiring = Wiring(first, decays, coupling)
    couplings = [wiring.first, *(wiring.change(rng, contrast) for rng in others)]
    block_seeds = wiring_seed.spawn(-(-num_runs // block_size))
    rates = np.full(num_cells, burst_rate_hz)  # of all cells alike: activity alone must not tell a driver

    runs, traces = [], []
    for index, run_seed in enumerate(run_seeds):
        rng = np.random.default_rng(run_seed)
        block = index // block_size
        which = block % len(conditions)
        coupling_here = wiring.varied(
            np.random.default_rng(block_seeds[block]), couplings[which], block_effect
        )
        calcium = draw_calcium(rng, coupling_here, _draw_length(rng, low, high), rate, rates)
        movie = _render(
            rng,
            scene,
            calcium,
            frame_rate_hz=rate,
            photons=photons,
            gain=gain,
            read_noise=read_noise,
            neuropil=neuropil,
            motion_px=motion_px,
            bleaching=bleaching,
            drift=drift,
        )
        name = f"run_{index:02d}"
        recording = ArrayRecording(movie, name=name, frame_rate_hz=rate)
        runs.append(Run(name, recording, str(conditions[which]), block))
        traces.append(calcium)
    truth = _truth(
        scene, decays, dict(zip(map(str, conditions), couplings, strict=True)), traces, photons * gain
    )
    return Study(tuple(runs), truth=truth, name="simulated")


def _truth(
    scene: Scene,
    decays: np.ndarray,
    coupling: dict[str, np.ndarray],
    traces: list[np.ndarray],
    intensity: float,
) -> Truth:
    between = {name: matrix * ~np.eye(len(decays), dtype=bool) for name, matrix in coupling.items()}
    linked = np.any([matrix != 0 for matrix in between.values()], axis=(0, 1))
    first, *others = between.values()
    changed = np.zeros(len(decays), bool)
    for other in others:
        changed |= (other != first).any(axis=(0, 1))
    return Truth(
        positions=scene.positions,
        footprints=scene.footprints,
        drivers={name: (matrix != 0).any(axis=(0, 1)) for name, matrix in between.items()},
        coupling=coupling,
        decays=decays,
        traces=tuple(traces),
        baseline=scene.baseline * intensity,
        coupled=np.asarray(np.any(linked, axis=0) | np.any(linked, axis=1)),
        changed=changed,
        conditions=tuple(coupling),
    )
