"""What is set of W&B: asked for by flags, and on this machine, a key above all; read without importing its client."""

from __future__ import annotations

import configparser
import netrc
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

Mode = Literal["auto", "online", "offline", "disabled"]
Pictures = Literal["drawn", "all", "none"]

# Where `wandb login` leaves a key for the public server: since 0.31, and before, whose keys the client still takes.
PUBLIC_HOSTS = ("api.forge.coreweave.com", "api.wandb.ai")


@dataclass(frozen=True)
class Tracking:
    """What goes to W&B, and how.

    Attributes:
        project: W&B project.
        mode: How to log.
        pictures: Of which test faces some pictures are sent: of drawn ones, of all, or none. People whom a corpus
            shows did not agree to that, and most licences forbid it.
        model: Send the tested checkpoint as an artifact.
    """

    project: str = "fau"
    mode: Mode = "auto"
    pictures: Pictures = "drawn"
    model: bool = False


def resolve_mode(mode: Mode) -> Literal["online", "offline", "disabled"]:
    """Choose how to log: as W&B is set (``WANDB_MODE``, ``wandb offline``), else online where a key is, else offline.

    An agent gets nothing to do without a key, so its trials are online.
    """
    if mode != "auto":
        return mode
    named = setting("mode")
    if named in ("online", "disabled"):
        return named  # type: ignore[return-value]
    if named in ("offline", "dryrun"):
        return "offline"
    return "online" if has_key() or agents_run() else "offline"


def has_key() -> bool:
    """Tell whether W&B's variables name a key, or ``wandb login`` has left one for the server in use."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(setting("base_url") or "").netloc  # with its port, as W&B's client writes it
    hosts = (host,) if host and host not in PUBLIC_HOSTS else PUBLIC_HOSTS
    try:
        stored = netrc.netrc(_netrc_file())
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return False
    return any(stored.authenticators(host) is not None for host in hosts)


def setting(name: str) -> str | None:
    """Return a setting of W&B's client: by its variable, its file in this folder, or the user's; None where unset.

    Args:
        name: Such as ``base_url``, which ``wandb login --host`` keeps, or ``mode``, which ``wandb offline`` does.
    """
    named = os.environ.get(f"WANDB_{name.upper()}")
    if named:
        return named
    folder = os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read([_at_home(f"{folder}/settings"), Path("wandb", "settings")], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return None
    return parser.get("default", name, fallback=None)


def agents_run() -> str | None:
    """Return the id of the W&B run that an agent has this process fill; None without an agent."""
    return os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None


def _netrc_file() -> Path:
    named = os.environ.get("NETRC")
    standard = [_at_home("~/.netrc"), _at_home("~/_netrc")]
    return _at_home(named) if named else next((file for file in standard if file.exists()), standard[0])


def _at_home(path: str) -> Path:
    return Path(os.path.expanduser(path))  # noqa: PTH111  pathlib's raises where a user has no home
