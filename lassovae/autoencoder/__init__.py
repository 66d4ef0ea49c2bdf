"""Convolutional autoencoder with remembered pooling positions and a mean-frame skip connection."""
