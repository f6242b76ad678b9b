"""Crop sets: aligned face crops with their labels, in one format for every corpus."""

import signal

import polars  # noqa: F401

# At its import polars 2.1 puts a handler of its own before Python's, with SA_RESTART: a main thread that waits for a lock
# or a child then sleeps through Ctrl-C until the wait is over. This lets the handler be and lifts the restart.
signal.siginterrupt(signal.SIGINT, True)
