"""Crop sets: aligned face crops with their labels, in one format for every corpus."""
