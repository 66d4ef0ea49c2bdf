"""Recordings, studies, preprocessing, windows and simulated movies (NumPy only)."""
