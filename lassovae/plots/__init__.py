"""Figures: every function takes arrays and Axes and returns Axes."""
