"""Training of the autoencoder with its embedded VAR."""

from lassovae.training._folder import claim, read_json, settings, write_json, write_text
from lassovae.training._load import load
from lassovae.training._loop import fit
from lassovae.training._mesh import make_mesh

__all__ = ["claim", "fit", "load", "make_mesh", "read_json", "settings", "write_json", "write_text"]
