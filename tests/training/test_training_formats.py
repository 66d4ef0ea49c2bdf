"""Run folders of every format there was: one training, written by the code of each, read by the code of today."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from training_studies import make_study

from lassovae import Config, InputError, encode_run
from lassovae.training import fit, load
from lassovae.training._folder import FORMAT_VERSION, READABLE

FOLDERS = Path(__file__).parent / "run_folders"
EXPECTED = np.load(FOLDERS / "expected.npz")  # what the code of each returned when it trained


def test_there_is_one_of_every_format():
    assert READABLE[-1] == FORMAT_VERSION
    assert {p.name for p in FOLDERS.glob("format_*")} == {f"format_{version}" for version in READABLE}


@pytest.mark.parametrize("version", READABLE)
def test_it_loads_as_the_model_that_was_trained(version):
    model = load(FOLDERS / f"format_{version}")
    latents, _ = encode_run(model, EXPECTED["frames"])
    np.testing.assert_allclose(latents, EXPECTED["latents"], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal([row["loss"] for row in model.history], EXPECTED["losses"])
    assert model.notes == ()


@pytest.mark.parametrize("version", READABLE[:-1])
def test_a_training_does_not_go_on_in_an_older_format(version, tmp_path):
    shutil.copytree(FOLDERS / f"format_{version}", tmp_path / "run")
    config = Config(order=2, window=12, epochs=1, channels=4, lam=0.01, learning_rate=0.01)
    words = f"its format_version is {version}, now {FORMAT_VERSION}; finish it with the version of lassovae named in"
    with pytest.raises(InputError, match=words):
        fit(make_study(), config, run_dir=tmp_path / "run", resume=True, show_progress=False)


@pytest.mark.parametrize("version", READABLE[:-1])
def test_an_older_format_kept_no_best_epoch(version):
    with pytest.raises(InputError, match="kept no best checkpoint: load the final one"):
        load(FOLDERS / f"format_{version}", checkpoint="best")


def test_damage_to_a_format_without_checksums_is_one_error(tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(FOLDERS / "format_2", folder)
    file = folder / "checkpoints" / "8" / "state" / "_METADATA"
    content = file.read_bytes()
    for broken in (content[: len(content) // 2], b"", content[::-1], b"[]"):
        file.write_bytes(broken)
        with pytest.raises(InputError, match=r"is no checkpoint, or a damaged one|does not hold this model"):
            load(folder)
