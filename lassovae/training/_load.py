"""load: from a run folder to its model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from lassovae._config import Config
from lassovae._errors import InputError
from lassovae._model import Model
from lassovae.autoencoder import Weights
from lassovae.data import num_windows
from lassovae.training._batches import steps_an_epoch
from lassovae.training._checkpoint import read_tree
from lassovae.training._folder import SEALED, read_metrics, read_rows, read_settings
from lassovae.training._measured import FILE as MEASURED
from lassovae.training._measured import read_measured
from lassovae.training._notes import training_notes
from lassovae.training._saved import BEST, FINAL, check_files, manifest_of, names_by_step, read_saved
from lassovae.training._step import initial_state
from lassovae.training._trees import held, unknown_positions

Which = Literal["final", "best"]
NEEDED = {"step", "run", "start", "nonzeros", "failed"}  # in the rows of every format


def load(run_dir: str | Path, *, checkpoint: Which = "final") -> Model:
    """Read back the model of a run folder.

    Every file of it is compared with the checksum that was written with it, so that what is returned is what was
    trained, or nothing.

    Args:
        run_dir: written by `fit`, of this version or an earlier one.
        checkpoint: "final" is the model after the last step, what `fit` returned; "best" that of the epoch whose mean
            loss was smallest, the last one more often than not.

    Returns:
        Model.

    Raises:
        InputError: not a run folder, a newer format, an unfinished training, or a file that is damaged or missing.
    """
    if checkpoint not in get_args(Which):
        raise InputError(
            f"checkpoint={checkpoint!r} is not known; choose one of {', '.join(get_args(Which))}"
        )
    folder = Path(run_dir)
    found = read_settings(folder / "config.json")
    config, height, width = _settings(folder, found)
    if found["format_version"] < SEALED:
        if checkpoint == "best":
            raise InputError(f"{folder} is of a format that kept no best checkpoint: load the final one")
        name, rows, beside = _newest_unsealed(folder), None, True
    else:
        name = _sealed_name(folder, checkpoint, found, config)
        saved = read_saved(folder / "checkpoints", name)
        beside = MEASURED in saved.beside
        check_files(folder, saved, str(found.get("id")))
        rows = read_metrics(folder / "metrics.jsonl", saved)
    whole = initial_state(config, (height, width))
    part = {key: value for key, value in whole._asdict().items() if key != "opt_state"}
    blank = np.zeros((height, width), np.float32)
    like = held(part, blank, 1.0, 0.0, unknown_positions(config, (height, width)))
    tree = read_tree(folder / "checkpoints" / name, like, beside="state/opt_state")
    state, step = tree["state"], int(tree["state"]["step"])
    if checkpoint == "final" and step < _num_steps(found, config):
        raise _unfinished(folder, step, _num_steps(found, config))
    if rows is None:
        rows = read_rows(folder / "metrics.jsonl", step)
        if not all(NEEDED <= row.keys() for row in rows):  # no checksum would have told
            raise InputError(
                f"{folder / 'metrics.jsonl'} is damaged: restore it, or remove it to load the rest"
            )
    reference, bad_pixels = read_measured(folder) if beside else (None, None)
    return Model(
        config=config,
        weights=Weights(state["params"], state["batch_stats"]),
        mean_frame=np.asarray(tree["mean_frame"]),
        scale=float(tree["scale"]),
        offset=float(tree["offset"]),
        positions=tree["positions"],
        history=tuple(rows),
        lam_factor=float(state["lam_factor"]),
        notes=training_notes(tuple(rows), config),
        reference=reference,
        bad_pixels=bad_pixels,
    )


def _settings(folder: Path, found: dict[str, Any]) -> tuple[Config, int, int]:
    """Configuration, and height and width of a frame."""
    shape = found["frame_shape"]
    if len(shape) != 2 or not all(type(side) is int and side > 0 for side in shape):
        raise InputError(
            f"{folder / 'config.json'}: frame_shape={shape!r} is not (height, width): restore it"
        )
    return Config.from_dict(found["config"]), shape[0], shape[1]


def _num_steps(found: dict[str, Any], config: Config) -> int:
    """Steps of the whole training."""
    if config.encoder == "block_mean":
        return 0
    lengths = [run["frames"] // config.preprocess.bin_frames for run in found["runs"]]
    return config.epochs * steps_an_epoch(num_windows(lengths, config.window), config.windows_per_step)


def _unfinished(folder: Path, step: int, num_steps: int) -> InputError:
    return InputError(
        f"{folder} holds an unfinished training (step {step} of {num_steps}): finish it by the call that began it, "
        "with resume=True (lassovae fit ... --resume)"
    )


def _sealed_name(folder: Path, checkpoint: Which, found: dict[str, Any], config: Config) -> str:
    """The checkpoint that is asked for; the best one is the last where no other was kept."""
    checkpoints = folder / "checkpoints"
    if not manifest_of(checkpoints, FINAL).exists():
        names = names_by_step(checkpoints)
        if names:
            raise _unfinished(folder, int(names[0]), _num_steps(found, config))
        raise InputError(
            f"{folder} holds no checkpoint: the training stopped before its first epoch, or was moved without it"
        )
    other = checkpoint == "best" and read_saved(checkpoints, FINAL).best is not None
    if other and not manifest_of(checkpoints, BEST).exists():
        raise InputError(
            f"{folder} ended before its best epoch was kept: repeat the call that began it with resume=True (lassovae "
            "fit ... --resume), which makes it without training"
        )
    return BEST if other else FINAL


def _newest_unsealed(folder: Path) -> str:
    """The newest checkpoint of a format that had no manifests."""
    places = folder / "checkpoints"
    names = [p.name for p in places.iterdir() if p.name.isdecimal()] if places.is_dir() else []
    if not names:
        raise InputError(
            f"{folder} holds no checkpoint: the training stopped before its first epoch, or was moved without it"
        )
    return max(names, key=int)
