"""How many cores there are to use; no torch here, since the runner of sweeps asks too."""

from __future__ import annotations

import math
import os
from pathlib import Path


def usable_cores() -> int:
    """Return how many cores this process may use, by its affinity and by the quota of its container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()  # microseconds, or "max"
    except (OSError, ValueError):
        return allowed
    return allowed if quota == "max" else max(1, min(allowed, math.ceil(int(quota) / int(period))))
