"""Do dynamics differ between groups of runs (NumPy and SciPy only)."""
