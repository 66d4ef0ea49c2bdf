"""Training of the autoencoder with its embedded VAR."""
