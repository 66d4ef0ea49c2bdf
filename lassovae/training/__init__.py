"""Training of the autoencoder with its embedded VAR."""

from lassovae.training._folder import claim, settings, write_json, write_text
from lassovae.training._loop import fit, load

__all__ = ["claim", "fit", "load", "settings", "write_json", "write_text"]
