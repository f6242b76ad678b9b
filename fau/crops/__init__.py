"""Crop sets: aligned face crops with their labels, in one format for every corpus."""

import fau.interrupts  # noqa: F401
