"""Every setting of a run in one frozen schema; the paper's values are the defaults or a named preset."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from lassovae._errors import InputError
from lassovae._setting_types import require_types, tables

Mode = Literal["sequential", "embedded", "end_to_end"]
Encoder = Literal["convolutional", "soft_roi", "block_mean"]
Precision = Literal["float32", "tensorfloat32", "bfloat16"]
POOLINGS = 3  # poolings of the encoder: latents are 2**POOLINGS times smaller than frames on each side
BLOCK = 2**POOLINGS  # pixels of a frame along one side of a node


def _require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{name}={value!r} is not known; choose one of {', '.join(choices)}")


@dataclass(frozen=True)
class Preprocess:
    """From stored pixels to frames in [0, 1].

    Attributes:
        crop: (height, width) of the crop in stored pixels, None for the whole frame. The paper: (512, 768).
        crop_at: (row, column) of the crop's upper left pixel, in stored pixels; None: the centre.
        downscale: integer factor by which each side shrinks after the crop. The paper: 4.
        downscale_method: "nearest" (the paper: one pixel of each block) or "mean" (all of them; the shot noise
            of a block of b pixels falls by sqrt(b)).
        bin_frames: successive frames averaged into one, after the registration; orders, windows and lags count the
            frames that come out.
        bad_pixels: "fill" gives pixels in blank lines, dead pixels and pixels that are often at the detector's ceiling,
            in any run, the value of the nearest good one; "keep" leaves them.
        scan_lines: "align" moves every other line sideways, by the whole pixels by which each run's lines do not meet
            (bidirectional scanning out of phase); "keep" leaves them.
        bleaching: "divide" takes the slow decay of each run's brightness off; "keep" leaves it in, where a condition
            that was recorded later is a dimmer one.
        registration: "rigid" moves every frame back onto the study's mean frame, by fractions of a pixel after the
            downscale; "none" trusts that the tissue held still, or was made to (docs/decisions/motion.md).
        scaling: "max" divides by the largest pixel of the study; "percentile" divides by `percentile` of it and
            clips at 1, so that a few bright pixels of a noisy recording do not set the scale; what serves real
            recordings: docs/decisions/scaling.md.
        percentile: in (50, 100], used by scaling="percentile".
        mean_frame_floor: smallest value, in units of scaled intensity, that the mean frame may take in the skip
            connection. 0 demands that the recordings have no pixel that is dark in every frame.
    """

    crop: tuple[int, int] | None = None
    downscale: int = 1
    downscale_method: Literal["nearest", "mean"] = "nearest"
    registration: Literal["none", "rigid"] = "none"
    scaling: Literal["max", "percentile"] = "max"
    percentile: float = 99.9
    mean_frame_floor: float = 0.0
    crop_at: tuple[int, int] | None = None
    bin_frames: int = 1
    bad_pixels: Literal["keep", "fill"] = "keep"
    scan_lines: Literal["keep", "align"] = "keep"
    bleaching: Literal["keep", "divide"] = "keep"

    def __post_init__(self) -> None:
        require_types(self)
        _require_choice("downscale_method", self.downscale_method, ("nearest", "mean"))
        for name, changed in (("bad_pixels", "fill"), ("scan_lines", "align"), ("bleaching", "divide")):
            _require_choice(name, getattr(self, name), ("keep", changed))
        _require_choice("registration", self.registration, ("none", "rigid"))
        _require_choice("scaling", self.scaling, ("max", "percentile"))
        if self.crop is not None and (len(self.crop) != 2 or min(self.crop) < 1):
            raise InputError(f"crop={self.crop!r} must be (height, width) in pixels, both at least 1")
        if self.crop is not None:
            object.__setattr__(self, "crop", tuple(self.crop))  # a list would not be hashable
        if self.crop_at is not None:
            if self.crop is None or len(self.crop_at) != 2 or min(self.crop_at) < 0:
                raise InputError(
                    f"crop_at={self.crop_at!r} must be (row, column) of the crop's first pixel, both at least 0, and "
                    "needs crop=(height, width)"
                )
            object.__setattr__(self, "crop_at", tuple(self.crop_at))
        for name in ("downscale", "bin_frames"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name}={value!r} must be an integer of at least 1")
        if not 50 < self.percentile <= 100:
            raise InputError(f"percentile={self.percentile} must lie in (50, 100]")
        if not 0 <= self.mean_frame_floor < 1:
            raise InputError(f"mean_frame_floor={self.mean_frame_floor} must lie in [0, 1)")


@dataclass(frozen=True)
class Config:
    """One training and its analysis.

    Attributes:
        mode: how autoencoder and VAR are combined. "sequential": decode z_t, fit the VAR afterwards; "embedded":
            decode the forecast, coefficients held constant in the gradient; "end_to_end": the gradient flows
            through the LARS fit (docs/reproduction.md, docs/decisions/encoder.md).
        encoder: "convolutional" (the paper's); "soft_roi" (every node is the Delta F / F of pixels that it has
            learned to claim, decoded by learned gains: linear, begins as local averages; recommended,
            docs/decisions/encoder.md); or "block_mean" (no network and no training: the local average of
            (x_t - mean_frame) / mean_frame over the pixels of each node; the baseline to beat).
        order: number of lags p of the VAR, in frames (docs/decisions/choosing_lam.md).
        lam: l1 strength on the loss averaged over all latent entries; each target's lasso gets lam * nodes
            (docs/decisions/lam_scale.md).
        condition_lam: the same for the fits pooled over all runs of a condition, whose many rows support weaker
            couplings; one for all conditions. None: `lassovae.var.suggested_lam` of their mean number of rows
            (docs/decisions/choosing_lam.md).
        prune: coefficients of the pooled fits are set to 0 whose t-value in the least-squares fit on the lasso's
            choice is below this (`lassovae.var.prune`); 0 keeps all, as the paper does (docs/decisions/pruning.md).
        window: frames in a training window; windows do not overlap, and what is left of a run is not trained on
            (docs/decisions/window.md).
        epochs: passes over all windows (likewise).
        learning_rate: Adam's step size.
        channels: feature channels of each convolution; "convolutional" only.
        windows_per_step: windows whose gradients are averaged before the weights move. Batch norm sees each
            window by itself; the running statistics move by the mean over the windows of a step. The windows of a
            step are spread over the devices; an accelerator works on all of its own at once (1 to 4 GB each at
            the paper's size), a CPU on one.
        precision: of the convolutions' products. "float32": all bits on every device; "tensorfloat32": an
            accelerator may round factors to 10 bits, a CPU does not; "bfloat16": factors are rounded to 8 bits.
            Sums are float32, and the VAR is fitted in full precision, always.
        skip: route the mean frame around the autoencoder. False is the paper's ablation.
        unpooling: which frame's pooling positions decode the forecast of frame t. "causal": those of frame t - 1;
            "same_frame": those of frame t, which lets frame t into its own prediction (docs/decisions/unpooling.md).
        forecast_weight: weight of the relative forecast error of the latents in the loss; 0 is the paper
            (docs/decisions/encoder.md).
        lam_warmup: fraction of the steps over which lam rises linearly from a tenth to its full value, so that
            the VAR is alive while the encoder is still random (docs/decisions/dead_var.md).
        seed: of the parameters and of the order of windows.
        preprocess: from stored pixels to frames in [0, 1].
    """

    mode: Mode = "end_to_end"
    encoder: Encoder = "convolutional"
    order: int = 5
    lam: float = 0.01
    condition_lam: float | None = None
    prune: float = 0.0
    window: int = 64
    epochs: int = 2
    learning_rate: float = 1e-3
    channels: int = 32
    windows_per_step: int = 1
    precision: Precision = "float32"
    skip: bool = True
    unpooling: Literal["causal", "same_frame"] = "causal"
    forecast_weight: float = 0.0
    lam_warmup: float = 0.0
    seed: int = 0
    preprocess: Preprocess = field(default_factory=Preprocess)

    def __post_init__(self) -> None:
        require_types(self)
        _require_choice("mode", self.mode, ("sequential", "embedded", "end_to_end"))
        _require_choice("encoder", self.encoder, get_args(Encoder))
        _require_choice("unpooling", self.unpooling, ("causal", "same_frame"))
        _require_choice("precision", self.precision, get_args(Precision))
        for name in ("lam", "condition_lam", "prune", "learning_rate", "forecast_weight", "lam_warmup"):
            value = getattr(self, name)
            if name == "condition_lam" and value is None:
                continue
            if isinstance(value, (bool, str)) or not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name}={value!r} must be a finite number of at least 0")
        for name in ("order", "epochs", "channels", "window", "windows_per_step", "seed"):
            value, least = getattr(self, name), 0 if name == "seed" else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name}={value!r} must be an integer of at least {least}")
        if self.encoder != "convolutional" and not self.skip:
            raise InputError(
                f"encoder={self.encoder!r} works on changes relative to the mean frame and needs skip=True; without it "
                "choose encoder='convolutional'"
            )
        if self.lam_warmup > 1:
            raise InputError(f"lam_warmup={self.lam_warmup} is a fraction of the steps and must not exceed 1")
        if self.window < self.order + 2:
            raise InputError(
                f"window={self.window} frames leave nothing to fit at order={self.order}: use at least order + 2"
            )

    @classmethod
    def recommended(cls, **changes: Any) -> Config:
        """The settings that found most where the truth is known (docs/decisions/encoder.md), with changes.

        Soft regions of interest, trained through the fit for four epochs, and pruned fits a condition. All else is
        the paper's.
        """
        return cls(encoder="soft_roi", epochs=4, prune=1.0).replace(**changes)

    def replace(self, **changes: Any) -> Config:
        """A copy with the named fields changed, checked again."""
        return dataclasses.replace(self, **changes)

    def program(self) -> Config:
        """What compiled programs depend on: all else is set to its default, and equal programs are compiled once."""
        plain = type(self)()
        names = (
            "lam",
            "condition_lam",
            "prune",
            "lam_warmup",
            "learning_rate",
            "epochs",
            "seed",
            "preprocess",
        )
        return self.replace(**{name: getattr(plain, name) for name in names})

    def network(self) -> Config:
        """What the encoder and the decoder depend on alone, likewise."""
        names = ("encoder", "channels", "skip", "precision")
        return type(self)(**{name: getattr(self, name) for name in names})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, the inverse of `from_dict`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """Build from `to_dict`'s output or a parsed JSON file.

        Raises:
            InputError: no dictionary, a key is not a setting, or a value is of another type or out of its range.
        """
        known, known_pre = ([f.name for f in dataclasses.fields(schema)] for schema in (cls, Preprocess))
        given = values if isinstance(values, dict) else {}
        pre = given.get("preprocess")
        unknown = [str(name) for name in given if name not in known]
        unknown += [
            f"preprocess.{name}" for name in (pre if isinstance(pre, dict) else ()) if name not in known_pre
        ]
        if unknown:
            raise InputError(
                f"unknown settings {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}"
            )
        found = tables(values, cls)
        return cls(**found | {"preprocess": Preprocess(**found.get("preprocess", {}))})
