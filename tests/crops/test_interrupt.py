"""Ctrl-C wakes a program that waits, although polars has a handler of its own."""

from __future__ import annotations

import subprocess
import sys

WAIT = """
import os, signal, subprocess, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started the tests deaf to it
import fau.crops.store
signal.signal(signal.SIGALRM, lambda *_: os._exit(3))  # not woken
signal.alarm(90)
lock = threading.Lock()
lock.acquire()
subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -INT {os.getpid()}"])
try:
    lock.acquire()
except KeyboardInterrupt:
    sys.exit(0 if signal.alarm(0) > 0 else 4)  # 4: woken by the alarm
"""


def test_ctrl_c_wakes_a_waiting_program() -> None:
    assert subprocess.run([sys.executable, "-c", WAIT], check=False, timeout=300).returncode == 0
