"""A fingerprint of a recording's pixels, whatever file they lie in."""

from __future__ import annotations

import hashlib

import numpy as np

from lassovae.data._recording import Recording
from lassovae.data._stretches import forget_stretch

FRAMES_AT_A_TIME = 64


def content_hash(recording: Recording) -> str:
    """SHA-256 of shape, dtype and pixels, read from the file now: in another file format the movie has the same."""
    forget_stretch()
    digest = hashlib.sha256(f"{recording.shape} {recording.dtype.newbyteorder('<').str}".encode())
    for chunk in recording.chunks(FRAMES_AT_A_TIME):
        digest.update(np.ascontiguousarray(chunk, chunk.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
