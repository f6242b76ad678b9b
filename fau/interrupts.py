"""Importing this module imports polars and keeps Ctrl-C working; whatever else imports polars imports it as well.

At its import polars 2.1 puts a handler of its own before Python's and asks for interrupted system calls to be restarted
(SA_RESTART). A main thread that waits for a lock or a child then sleeps through Ctrl-C until the wait is over. The
handler may stay; the restarting goes.
"""

import signal

import polars  # noqa: F401

signal.siginterrupt(signal.SIGINT, True)
