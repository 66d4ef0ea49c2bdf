"""Training of the autoencoder with its embedded VAR."""

from lassovae.training._loop import fit, load

__all__ = ["fit", "load"]
