"""Whether the pixels of a TIFF file can be decoded here, said before any is read."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import tifffile

from lassovae._errors import InputError
from lassovae.data._choice import one_line
from lassovae.data._tiff_bounds import bits_of

WHOLE_BITS = (1, 8, 16, 32, 64)  # of a pixel, that tifffile unpacks by itself


def _try(decode: Any) -> None:
    """Find out whether a decoder is there: some that tifffile lists only say so when they are called.

    Raises:
        ImportError, NotImplementedError: it is not.
    """
    try:
        decode(b"")
    except (ImportError, NotImplementedError):
        raise
    except Exception:
        return  # nothing is no compressed data; what the decoder says of it does not matter


def require_decoder(path: Path, page: Any) -> None:
    """Refuse a compression, or a packing of bits, that nothing installed here can undo.

    Args:
        path: the file, for the message.
        page: its first, as tifffile sees it.

    Raises:
        InputError: an optional package is missing; or there is no decoder at all.
    """
    for registry, code in (
        (tifffile.TIFF.DECOMPRESSORS, page.compression),
        (tifffile.TIFF.UNPREDICTORS, page.predictor),
    ):
        try:
            decode = registry[code]
            if decode is not None and registry is tifffile.TIFF.DECOMPRESSORS:
                _try(decode)
        except (KeyError, ImportError, NotImplementedError):
            name = getattr(code, "name", code)
            raise InputError(
                f"{path}: compressed with {one_line(name, 40)}, which needs an optional package: "
                'pip install "lassovae[codecs]", or '
                "save the file uncompressed or with deflate"
            ) from None
    if bits_of(page) not in WHOLE_BITS and importlib.util.find_spec("imagecodecs") is None:
        raise InputError(
            f"{path}: pixels packed into {bits_of(page)} bits each, which needs an optional package: "
            'pip install "lassovae[codecs]", or save the file with 16 bits a pixel'
        )
