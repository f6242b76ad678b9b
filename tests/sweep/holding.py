"""A callback with which a trial stays in an epoch until it is told to go on, or to end."""

import time
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer


class HoldEpoch(Callback):
    """Waits at the start of an epoch.

    Args:
        epoch: Which, counted from 0.
        until: The file that ends the waiting.
    """

    def __init__(self, epoch: int, until: str) -> None:
        self.epoch, self.until = epoch, Path(until)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        while trainer.current_epoch == self.epoch and not self.until.exists() and not trainer.received_sigterm:
            time.sleep(0.05)
