"""What a training does: it learns, repeats itself, ignores labels, compiles once and revives a dead VAR."""

import json
import logging

import numpy as np
import pytest
from training_studies import (
    CONFIG,
    FRAMES,
    LABELS,
    MODES,
    SHAPE,
    assert_same_model,
    contents,
    make_study,
    movies_of,
    numbers,
)

from lassovae._model import encode_run
from lassovae.data import prepare
from lassovae.training import _epochs, fit, load
from lassovae.training._batches import Batch
from lassovae.training._mesh import make_mesh, replicated
from lassovae.training._step import initial_state, make_step, schedule


@pytest.mark.parametrize("mode", ["sequential", "end_to_end"])
def test_the_loss_of_a_window_falls_below_that_of_the_mean_frame(mode, study):
    config = CONFIG.replace(mode=mode)
    prepared = prepare(study, config.preprocess)
    mesh = make_mesh(1)
    window = prepared.frames[0][:12]
    batch = replicated(mesh, Batch(window[None], np.ones(1, np.float32)))
    mean_frame, numbers = replicated(mesh, (prepared.mean_frame, schedule(config, 24)))
    step = make_step(config, mesh)
    state, losses = replicated(mesh, initial_state(config, SHAPE)), []
    for _ in range(150):
        state, measures, _ = step(state, batch, mean_frame, numbers)
        losses.append(float(measures.loss))
    actual = window if mode == "sequential" else window[config.order :]
    # the last batch norm starts at scale 0: the first reconstruction is the mean frame itself
    assert losses[0] == pytest.approx(float(np.mean((actual - prepared.mean_frame) ** 2)), rel=1e-4)
    assert np.mean(losses[-10:]) < 0.8 * losses[0], losses[::10]


def test_the_same_seed_gives_the_same_bits_and_another_seed_other_weights(study, finished):
    again = fit(study, CONFIG, show_progress=False)  # and a folder changes nothing
    assert_same_model(again, finished[0])
    other = fit(study, CONFIG.replace(seed=1), show_progress=False)
    a, b = numbers(other), numbers(finished[0])
    assert [name for name in a if "kernel" in name and np.array_equal(a[name], b[name])] == []
    assert [row["run"] for row in other.history] != [row["run"] for row in finished[0].history]


@pytest.mark.parametrize("mode", MODES)
def test_permuting_the_labels_leaves_the_model_bit_identical(mode, study, finished):
    config = CONFIG.replace(mode=mode)
    model = finished[0] if mode == "end_to_end" else fit(study, config, show_progress=False)
    for labels in (("N", "F", "F", "N"), ("late", "early", "late", "early")):
        permuted = make_study(labels, movies_of(study))
        assert permuted.labels == labels != LABELS
        assert_same_model(fit(permuted, config, show_progress=False), model)


def test_the_three_modes_train_different_models(study, finished):
    models = [fit(study, CONFIG.replace(mode=mode), show_progress=False) for mode in MODES[:2]]
    kernels = [numbers(m) for m in (*models, finished[0])]
    name = next(n for n in kernels[0] if "encoder" in n and n.endswith("['kernel']"))
    assert len({k[name].tobytes() for k in kernels}) == 3


def test_a_dead_var_is_revived_and_the_user_is_told(study, caplog):
    config = CONFIG.replace(lam=1.5, lam_warmup=0.0)
    with caplog.at_level(logging.WARNING, logger="lassovae"):
        model = fit(study, config, show_progress=False)
    nonzeros = np.array([row["nonzeros"] for row in model.history])
    lams = np.array([row["lam"] for row in model.history])
    dead = nonzeros == 0
    assert dead[1]
    assert (~dead).any()
    first_alive = 2 + int(np.argmax(~dead[2:]))
    np.testing.assert_allclose(lams[2 : first_alive + 1] / lams[1:first_alive], 0.5, rtol=1e-6)
    assert model.lam_factor < 1
    assert len(model.notes) == 1
    assert f"no coefficient in {dead.sum()} of 24 training steps" in model.notes[0]
    assert "lower lam" in model.notes[0]
    assert model.notes[0] in caplog.text


def test_a_living_var_leaves_the_guard_alone_and_needs_no_note(finished):
    model = finished[0]
    assert min(row["nonzeros"] for row in model.history) > 0
    assert (model.lam_factor, model.notes) == (1.0, ())


def test_the_folder_holds_settings_provenance_and_one_line_a_step(study, finished):
    model, folder = finished
    assert sorted(p.name for p in folder.iterdir()) == [
        "checkpoints",
        "config.json",
        "metrics.jsonl",
        "provenance.json",
    ]
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 25))
    assert tuple(rows) == model.history
    for epoch in (1, 2, 3):
        seen = sorted((row["run"], row["start"]) for row in rows if row["epoch"] == epoch)
        assert seen == [(name, start) for name in study.names for start in (0, 12)]
    provenance = json.loads((folder / "provenance.json").read_text())
    assert [entry["run"] for entry in provenance["inputs"]] == list(study.names)
    assert provenance["seed"] == CONFIG.seed
    assert {"lassovae", "jax", "numpy"} <= set(provenance["versions"])
    assert json.loads((folder / "config.json").read_text())["config"]["mode"] == "end_to_end"


def test_load_brings_the_model_back_to_the_bit_and_writes_nothing(study, finished):
    model, folder = finished
    before = contents(folder)
    back = load(folder)
    assert contents(folder) == before
    assert back.config == model.config
    assert_same_model(back, model)
    frames = prepare(study, CONFIG.preprocess).frames[1]
    latents, positions = encode_run(model, frames)
    again, positions_again = encode_run(back, frames)
    assert latents.shape == (FRAMES, 2, 3)
    assert latents.tobytes() == again.tobytes()
    for one, other in zip(positions, positions_again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_encode_run_does_not_depend_on_the_other_frames(study, finished):
    frames = prepare(study, CONFIG.preprocess).frames[0]
    whole, _ = encode_run(finished[0], frames)
    part, _ = encode_run(finished[0], frames[5:9])
    np.testing.assert_allclose(part, whole[5:9], rtol=1e-5, atol=1e-6)


def test_block_means_need_no_training_and_come_back(study, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("a step was made")

    monkeypatch.setattr(_epochs, "make_step", never)
    config = CONFIG.replace(encoder="block_mean")
    model = fit(study, config, run_dir=tmp_path / "run", show_progress=False)
    back = load(tmp_path / "run")
    assert_same_model(back, model)
    assert model.history == ()
    x = prepare(study, config.preprocess).frames[2].astype(np.float64)
    mean = np.mean(
        [f.mean(axis=0, dtype=np.float64) for f in prepare(study, config.preprocess).frames], axis=0
    )
    relative = (x - mean) / mean
    expected = np.array(
        [
            [[frame[8 * i : 8 * i + 8, 8 * j : 8 * j + 8].mean() for j in range(3)] for i in range(2)]
            for frame in relative
        ]
    )
    np.testing.assert_allclose(encode_run(back, x.astype(np.float32))[0], expected, atol=1e-5)
    resumed = fit(study, config, run_dir=tmp_path / "run", resume=True, show_progress=False)
    assert_same_model(resumed, model)
