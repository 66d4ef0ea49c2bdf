"""What every figure of a report is drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lassovae._analysis import Analysis
from lassovae._evaluate import centred_forecasts, one_run
from lassovae._model import Model
from lassovae.data import Prepared, Study
from lassovae.maps import contribution_map
from lassovae.report._frames import brightest_frame
from lassovae.report._results import BEST
from lassovae.report._types import Results


@dataclass(frozen=True)
class Scene:
    """Results, and where they come from.

    Attributes:
        results: name -> (model, analysis).
        main: the model whose tests and forecasts are shown.
        study, prepared: what they were made from.
        sweep: l1 strengths of the forecast figure.
        run: the run that is shown where one is.
    """

    results: Results
    main: str
    study: Study
    prepared: Prepared
    sweep: tuple[float, ...]
    run: int = 0

    @property
    def best(self) -> str:
        """The model that says where conditions differ: the recommended one, if it is there."""
        return BEST if BEST in self.results else self.main

    @property
    def model(self) -> Model:
        """The main one."""
        return self.results[self.main][0]

    @property
    def analysis(self) -> Analysis:
        """Of the main model."""
        return self.results[self.main][1]

    @cached_property
    def frame(self) -> int:
        """A transient of the run that is shown."""
        order = max(model.config.order for model, _ in self.results.values())
        return brightest_frame(self.prepared.frames[self.run], self.prepared.mean_frame, max(order, 2))

    @property
    def when(self) -> str:
        """The run and the frame that are shown, in words."""
        return f"run {self.analysis.names[self.run]}, frame {self.frame}"

    @property
    def rate(self) -> float | None:
        """Preprocessed frames a second of the run that is shown."""
        return self.rate_of(self.run)

    def rate_of(self, run: int) -> float | None:
        """Preprocessed frames a second of a run; None where its recording does not tell."""
        rate = self.study.runs[run].recording.frame_rate_hz
        return None if rate is None else rate / self.model.config.preprocess.bin_frames

    @property
    def pixel_size_um(self) -> float | None:
        """Side of a preprocessed pixel in micrometres; None where the recordings do not tell."""
        size = self.study.runs[self.run].recording.pixel_size_um
        if size is None:
            return None
        return float(np.mean(size)) * self.model.config.preprocess.downscale

    @property
    def footprints(self) -> np.ndarray | None:
        """Those of all simulated cells; None for real recordings, or where frames were cropped or made smaller."""
        truth = self.study.truth
        if truth is None or truth.footprints.shape[1:] != self.model.frame_shape:
            return None
        return truth.footprints

    @property
    def changed(self) -> np.ndarray | None:
        """Footprints of the simulated cells whose outgoing coupling differs."""
        truth = self.study.truth
        return None if truth is None or self.footprints is None else truth.footprints[truth.changed]

    def at_rest(self, name: str) -> np.ndarray:
        """(height, width) map of no influence: the mean frame is in every map and would hide what is added to it."""
        model, analysis = self.results[name]
        return contribution_map(model, np.zeros(analysis.influences.shape[1]))

    def forecasts(self, name: str, run: int) -> np.ndarray:
        """(time - order, latent height, latent width), of the fit to the whole run, centred as the decoder wants."""
        analysis = self.results[name][1]
        return centred_forecasts(one_run(analysis.fit, run), analysis.latents[run])
