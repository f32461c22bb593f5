"""Fits: how the minimum is found, what holds there, and what the result says."""
