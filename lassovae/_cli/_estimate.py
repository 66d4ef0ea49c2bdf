"""How large a training will be: windows, steps, and roughly how long it takes on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lassovae import Config
    from lassovae.data import Study

# Seconds on two cores of a workstation, from docs/performance.md: a step's network by pixels of a window (and
# channels), its VAR by nodes, and what a training takes before its first step.
CONVOLUTIONS = 1.6e-8
SOFT_ROI = 3.0e-8
VAR = 2.0e-4
BEGINNING = 15.0


@dataclass(frozen=True)
class Size:
    """Of one training.

    Attributes:
        frame_shape: (height, width) after preprocessing.
        num_nodes: of the latent map.
        num_windows, num_steps: of the training.
        seconds: roughly, on a CPU.
    """

    frame_shape: tuple[int, int]
    num_nodes: int
    num_windows: int
    num_steps: int
    seconds: float

    def time(self) -> str:
        """The seconds as people say them; more digits would be a lie."""
        for unit, length in (("hours", 5400), ("minutes", 90)):
            if self.seconds > length:
                return f"about {self.seconds / {'hours': 3600, 'minutes': 60}[unit]:.0f} {unit}"
        return f"about {max(10, round(self.seconds, -1)):.0f} seconds"


def training_size(study: Study, config: Config) -> Size:
    """Sizes are read, no pixels.

    Raises:
        InputError: frames that do not fit the network.
    """
    from lassovae._config import BLOCK
    from lassovae.data import frame_shape_after, num_windows

    height, width = frame_shape_after(study.frame_shape, config.preprocess)
    nodes = height * width // BLOCK**2
    windows = num_windows(study.lengths_after(config.preprocess.bin_frames), config.window)
    if config.encoder == "block_mean":
        return Size((height, width), nodes, windows, 0, 0.0)
    steps = config.epochs * -(-windows // config.windows_per_step)
    values = height * width * config.window * config.windows_per_step
    network = CONVOLUTIONS * config.channels if config.encoder == "convolutional" else SOFT_ROI
    return Size((height, width), nodes, windows, steps, BEGINNING + steps * (network * values + VAR * nodes))
