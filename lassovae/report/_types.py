"""The shape of results that the whole room shares."""

from __future__ import annotations

from collections.abc import Mapping

from lassovae._analysis import Analysis
from lassovae._model import Model

Results = Mapping[str, tuple[Model, Analysis]]  # name -> what was trained and what it found
