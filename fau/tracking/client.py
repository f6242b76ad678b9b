"""W&B's client, told what this program wants of it before it is imported."""

import os

os.environ.setdefault("WANDB_SILENT", "true")  # what this program prints is the run's table
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # its crash reports would go online without a key, too

import wandb

__all__ = ["wandb"]
