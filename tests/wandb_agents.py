"""A folder with a W&B server, in which W&B's own commands run as a user types them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from wandb_server import Server, Sweep

PATIENCE = 500  # s, for a machine under load


class Place:
    """A folder, a server and what a terminal there has in its environment.

    Args:
        folder: Current folder of all commands.
        server: The server.
        environment: On top of this process's; by default a key for the server.
    """

    def __init__(self, folder: Path, server: Server, environment: dict[str, str] | None = None) -> None:
        self.folder, self.server = folder, server
        self.runs = folder / "runs"
        self.said = ""
        programs = os.fspath(Path(sys.executable).parent)
        added = server.environment() if environment is None else environment
        config = {f"WANDB_{name}_DIR": str(folder / name.lower()) for name in ("DATA", "CACHE", "CONFIG")}
        self.environment = dict(os.environ) | config | {"NETRC": str(folder / "no-netrc")} | added
        self.environment["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"  # as in an activated environment
        if "WANDB_MODE" not in added:
            self.environment.pop("WANDB_MODE", None)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            words,
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def wait(self, process: subprocess.Popen[str]) -> str:
        """Wait for a command's end and return what it printed."""
        try:
            printed, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            printed, _ = process.communicate()
            raise AssertionError(f"{process.args} hangs:\n{printed}") from None
        self.said += printed
        return printed

    def do(self, *words: str) -> str:
        """Run a command to its end."""
        return self.wait(self.start(*words))

    def sweep(self, **content: Any) -> Sweep:
        """Write a sweep file, hand it to ``wandb sweep`` and return the server's sweep."""
        file = self.folder / f"{content['method']}.yaml"
        file.write_text(yaml.safe_dump(content))
        before = set(self.server.sweeps)
        printed = self.do("wandb", "sweep", file.name)
        (name,) = set(self.server.sweeps) - before
        assert f"wandb agent me/fau/{name}" in printed
        return self.server.sweeps[name]

    def agents(self, sweep: Sweep, number: int = 1) -> str:
        """Run agents side by side until each has ended."""
        started = [self.start("wandb", "agent", f"me/fau/{sweep.id}") for _ in range(number)]
        return "".join([self.wait(process) for process in started])

    def found(self, secret: str) -> list[Path]:
        """Return the files of the folder that hold a secret, and the folder itself if a command has printed it."""
        files = [file for file in self.folder.rglob("*") if file.is_file() and not file.is_symlink()]
        holders = [file for file in files if secret.encode() in file.read_bytes()]
        return holders + ([self.folder] if secret in self.said else [])
