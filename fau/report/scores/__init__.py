"""Scores beside F1: each counted in a run, and put together over the runs of a row."""
