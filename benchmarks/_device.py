"""The choice of a device, from the command line: import it before JAX.

JAX reads `JAX_PLATFORMS` once, when it is imported, so `--device` is read here and not with the other options.
With `--device gpu` nothing is forced.
"""

from __future__ import annotations

import argparse
import os

option = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
option.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where JAX computes")

if option.parse_known_args()[0].device == "cpu":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
