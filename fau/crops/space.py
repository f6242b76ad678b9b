"""How much of a disk a crop set takes."""

from __future__ import annotations

import shutil
from pathlib import Path

from fau.crops.format import LANDMARK_POINTS
from fau.errors import FauError

_ROW = 400  # bytes of a row in the manifest, the listing and the outcome, roughly
_SLACK = 2**20


def needed_bytes(rows: int, size: int, landmark_set: str) -> int:
    """Return the most that a crop set of so many rows takes, in bytes."""
    return rows * (3 * size**2 + 8 * LANDMARK_POINTS[landmark_set] + _ROW) + _SLACK


def free_bytes(folder: Path) -> int:
    """Return what is free on the disk of a folder, which need not exist yet, in bytes.

    Raises:
        FauError: If the disk cannot be asked.
    """
    while not folder.exists():
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise FauError(f"cannot tell what is free in '{folder}': {error.strerror}") from error


def spell(amount: int) -> str:
    """Write an amount of bytes: ``12.3 GB``."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if amount >= size:
            return f"{amount / size:.1f} {unit}"
    return f"{amount / 1e3:.1f} kB"
