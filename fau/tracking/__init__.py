"""Weights & Biases: one run a fold. Nothing depends on it."""
