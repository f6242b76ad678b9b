"""The code and the libraries that made a result."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fau import __version__

LIBRARIES = ("torch", "lightning", "torchmetrics", "timm", "albumentations", "numpy", "opencv-python-headless")


def code_version() -> str:
    """Return the commit of the source tree, marked when files differ from it, or else the package's version."""
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude", "*"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        # An installed package may lie inside somebody else's repository, whose commit says nothing about fau.
        tracked = subprocess.run(
            ["git", "-C", str(folder), "ls-files", "--error-unmatch", "__init__.py"], capture_output=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return __version__
    return f"{__version__}+{described}" if tracked.returncode == 0 else __version__


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide results."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return versions
