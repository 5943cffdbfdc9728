"""Measurements of this machine: the same code as in use, side by side in one run."""
