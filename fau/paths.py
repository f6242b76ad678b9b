"""Where fau keeps what can be made or had again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return where fau keeps what can be made again: $FAU_CACHE, $XDG_CACHE_HOME/fau or ~/.cache/fau."""
    if "FAU_CACHE" in os.environ:
        return Path(os.environ["FAU_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fau"
