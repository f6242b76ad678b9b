"""Whether this machine holds a W&B key, asked without importing wandb."""

from __future__ import annotations

import netrc
import os
from urllib.parse import urlparse


def has_key() -> bool:
    """Tell whether ``WANDB_API_KEY`` is set or ``wandb login`` has left a key for the server in use."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
