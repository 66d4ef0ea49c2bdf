"""Sparse dynamics of calcium-imaging movies: an autoencoder trained through a differentiable lasso VAR."""

__version__ = "0.1.0"
