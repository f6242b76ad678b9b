"""What a process that DDP's launcher started does before anything is imported: it binds its life to the launcher's."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

LAUNCHER = "FAU_LAUNCHER"  # in the environment of such a process: the process that started it
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_launcher() -> None:
    """Let the kernel kill this process when the one that started it ends, if that was a launcher of ours.

    No signal that Python handles would do: a process that waits for a lost one is not in Python. What a terminal or a
    sweep tells all processes is the launcher's to hear.
    """
    parent = os.environ.get(LAUNCHER)
    if parent is None or os.environ.get("LOCAL_RANK", "0") == "0" or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != int(parent):  # it ended before the line above
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})  # of every thread that will be
    # Workers of data loaders are ended by SIGTERM, and waited for: blocked in them too, this process could not end.
    os.register_at_fork(after_in_child=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM}))
