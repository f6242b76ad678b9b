"""A copy of the package for the processes that a benchmark starts: an edit meanwhile changes nothing under them.

A sweep asks its trials again where fau's source has changed, so that a benchmark which runs for minutes in a checkout
somebody works in would find trials started that should not have been.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import fau


def frozen_environment(folder: Path) -> dict[str, str]:
    """Return an environment in which the package is the copy in a folder, made at the first call.

    Args:
        folder: Of the benchmark.
    """
    code = folder.absolute() / "code"
    if not code.exists():
        shutil.copytree(Path(fau.__file__).parent, code / "fau")  # compiled files too, and the times that they go by
    # Compiled files are kept, as they are where nothing else is said: trials would compile the package again and again.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {"PYTHONPATH": os.pathsep.join([str(code), *filter(None, [os.environ.get("PYTHONPATH")])])}
