"""One frozen schema: the paper's defaults, checked ranges, and JSON that brings it back unchanged."""

import dataclasses
import json

import pytest

from lassovae._config import Config, Preprocess
from lassovae._errors import InputError

CHANGED = Config(
    mode="sequential",
    encoder="block_mean",
    order=3,
    lam=0.02,
    condition_lam=0.004,
    prune=1.5,
    window=32,
    epochs=7,
    learning_rate=3e-4,
    channels=8,
    windows_per_step=4,
    precision="bfloat16",
    unpooling="same_frame",
    forecast_weight=0.5,
    lam_warmup=0.25,
    seed=11,
    preprocess=Preprocess(
        crop=(512, 768),
        downscale=4,
        downscale_method="mean",
        scaling="percentile",
        percentile=99.5,
        registration="rigid",
        mean_frame_floor=0.01,
        crop_at=(0, 16),
        bin_frames=2,
        bad_pixels="fill",
        scan_lines="align",
        bleaching="divide",
    ),
)

OUT_OF_RANGE = [
    ({"mode": "joint"}, r"mode='joint' is not known; choose one of sequential, embedded, end_to_end"),
    ({"encoder": "pca"}, r"encoder='pca' is not known; choose one of convolutional, soft_roi, block_mean"),
    ({"unpooling": "next"}, r"unpooling='next' is not known; choose one of causal, same_frame"),
    ({"lam": -0.1}, r"lam=-0.1 must be a finite number of at least 0"),
    ({"lam": float("nan")}, r"lam=nan must be a finite number"),
    ({"lam": float("inf")}, r"lam=inf must be a finite number"),
    ({"learning_rate": -1e-3}, r"learning_rate=-0.001 must be a finite number of at least 0"),
    ({"condition_lam": "auto"}, r"condition_lam='auto' must be a finite number"),
    ({"prune": -2.0}, r"prune=-2.0 must be a finite number of at least 0"),
    ({"forecast_weight": -1.0}, r"forecast_weight=-1.0 must be a finite number of at least 0"),
    ({"lam_warmup": -0.5}, r"lam_warmup=-0.5 must be a finite number of at least 0"),
    ({"lam_warmup": 1.5}, r"lam_warmup=1.5 is a fraction of the steps and must not exceed 1"),
    ({"windows_per_step": 0}, r"windows_per_step=0 must be an integer of at least 1"),
    ({"precision": "half"}, r"precision='half' is not known; choose one of float32, tensorfloat32, bfloat16"),
    ({"order": 0}, r"order=0 must be an integer of at least 1"),
    ({"epochs": 0}, r"epochs=0 must be an integer of at least 1"),
    ({"channels": -2}, r"channels=-2 must be an integer of at least 1"),
    ({"window": 6}, r"window=6 frames leave nothing to fit at order=5: use at least order \+ 2"),
    ({"order": 63}, r"window=64 frames leave nothing to fit at order=63"),
]

PREPROCESS_OUT_OF_RANGE = [
    ({"crop": (512,)}, r"crop=\(512,\) must be \(height, width\) in pixels, both at least 1"),
    ({"crop": (0, 8)}, r"crop=\(0, 8\) must be"),
    ({"downscale": 0}, r"downscale=0 must be an integer of at least 1"),
    ({"downscale_method": "cubic"}, r"downscale_method='cubic' is not known; choose one of nearest, mean"),
    ({"scaling": "z"}, r"scaling='z' is not known; choose one of max, percentile"),
    ({"percentile": 50.0}, r"percentile=50.0 must lie in \(50, 100\]"),
    ({"percentile": 100.5}, r"percentile=100.5 must lie in"),
    ({"percentile": float("nan")}, r"percentile=nan must lie in"),
    ({"mean_frame_floor": -0.1}, r"mean_frame_floor=-0.1 must lie in \[0, 1\)"),
    ({"mean_frame_floor": 1.0}, r"mean_frame_floor=1.0 must lie in"),
]


def name(case: object) -> str | None:
    return "-".join(f"{k}={v}" for k, v in case.items()) if isinstance(case, dict) else ""


def test_defaults_are_the_papers():
    config = Config()
    assert (config.mode, config.encoder, config.skip, config.forecast_weight) == (
        "end_to_end",
        "convolutional",
        True,
        0.0,
    )
    assert (config.window, config.learning_rate, config.lam_warmup) == (64, 1e-3, 0.0)
    assert (config.preprocess.scaling, config.preprocess.downscale_method) == ("max", "nearest")


def test_changed_differs_from_the_default_in_every_setting():
    """So that the round trips below would notice any setting that is lost."""
    for changed, default in ((CHANGED, Config()), (CHANGED.preprocess, Preprocess())):
        for field in dataclasses.fields(default):
            if field.name == "skip":  # block means refuse skip=False: it has its own round trip below
                continue
            assert getattr(changed, field.name) != getattr(default, field.name), field.name


def test_the_ablation_of_the_skip_connection_survives_a_round_trip():
    config = Config(skip=False)
    assert Config.from_dict(config.to_dict()) == config != Config()
    with pytest.raises(InputError, match="needs skip=True"):
        Config(skip=False, encoder="block_mean")


@pytest.mark.parametrize("config", [Config(), CHANGED], ids=["default", "changed"])
def test_round_trip_through_json(config):
    text = json.dumps(config.to_dict(), allow_nan=False)
    back = Config.from_dict(json.loads(text))
    assert back == config
    assert hash(back) == hash(config)
    assert json.dumps(back.to_dict()) == text


def test_from_dict_leaves_what_it_was_given_alone_and_fills_in_defaults():
    values = {"order": 2, "preprocess": {"crop": [8, 16]}}
    config = Config.from_dict(values)
    assert config == Config(order=2, preprocess=Preprocess(crop=(8, 16)))
    assert values == {"order": 2, "preprocess": {"crop": [8, 16]}}
    assert Config.from_dict({}) == Config()


def test_from_dict_names_every_unknown_setting():
    with pytest.raises(
        InputError, match=r"unknown settings lag, lambda, preprocess\.zoom; known are .*order"
    ):
        Config.from_dict({"lambda": 0.1, "lag": 3, "preprocess": {"zoom": 2}})


def test_from_dict_checks_ranges():
    with pytest.raises(InputError, match=r"lam=-1\.0"):
        Config.from_dict({"lam": -1.0})
    with pytest.raises(InputError, match=r"downscale=0"):
        Config.from_dict({"preprocess": {"downscale": 0}})


@pytest.mark.parametrize(("settings", "message"), OUT_OF_RANGE, ids=name)
def test_config_refuses(settings, message):
    with pytest.raises(InputError, match=message):
        Config(**settings)


@pytest.mark.parametrize(("settings", "message"), PREPROCESS_OUT_OF_RANGE, ids=name)
def test_preprocess_refuses(settings, message):
    with pytest.raises(InputError, match=message):
        Preprocess(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"lam": 0.0},
        {"lam_warmup": 1.0},
        {"window": 7},
        {"order": 1, "window": 3},
        {"channels": 1, "epochs": 1},
    ],
    ids=name,
)
def test_the_ends_of_the_ranges_are_allowed(settings):
    assert Config(**settings).to_dict() == Config().to_dict() | settings


def test_preprocess_allows_the_ends_of_its_ranges():
    assert Preprocess(percentile=100.0, crop=(1, 1), mean_frame_floor=0.0).crop == (1, 1)


def test_replace_checks_again_and_leaves_the_original():
    config = Config()
    assert config.replace(order=2).order == 2
    assert config.order == 5
    with pytest.raises(InputError, match=r"order=0"):
        config.replace(order=0)


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().order = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().preprocess.downscale = 2


def test_input_error_is_a_value_error():
    assert issubclass(InputError, ValueError)


def test_recommended_settings_are_the_papers_but_for_what_was_found_better():
    found = Config.recommended(lam=0.02)
    assert (found.encoder, found.mode, found.prune) == ("soft_roi", "end_to_end", 1.0)
    assert found.replace(encoder="convolutional", epochs=2, prune=0.0) == Config(lam=0.02)
