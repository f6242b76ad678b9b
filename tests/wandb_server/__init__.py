"""A W&B server on loopback, with as much of W&B's protocol as its own client, sweeps, sync and reports need."""

from wandb_server.records import Artifact, Report, Run, Sweep
from wandb_server.serve import FAKE_KEY, Server

__all__ = ["FAKE_KEY", "Artifact", "Report", "Run", "Server", "Sweep"]
