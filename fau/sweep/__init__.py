"""Sweeps: a W&B sweep file, its trials, and the runner that works through them on one machine."""
