"""Callbacks that write a run directory while it trains."""

from __future__ import annotations

import math
import time
from statistics import median
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from fau.runs import RunDirectory

MONITOR = "val/f1_macro"


def checkpoints(run: RunDirectory, select_best: bool) -> list[Callback]:
    """Return the callbacks that keep ``best.ckpt``, where there is a validation part, and ``last.ckpt``.

    Both are written at the ends of epochs only, since Lightning restores no position within one. The best comes first:
    a run killed between the two then does the epoch again and writes the same best, whereas the other order would lose
    it.
    """
    common: dict[str, Any] = {
        "dirpath": run.checkpoints,
        "save_on_train_epoch_end": True,
        "enable_version_counter": False,
        "auto_insert_metric_name": False,
    }
    best = ModelCheckpoint(filename="best", monitor=MONITOR, mode="max", save_top_k=1, **common)
    last = ModelCheckpoint(filename="last", monitor=None, every_n_epochs=1, save_top_k=1, **common)
    return [best, last] if select_best else [last]


class EpochLog(Callback):
    """Writes a row of ``metrics.csv`` an epoch and measures the rate of training.

    Attributes:
        images_per_s: Training images a second of this process group, the median over epochs, validation apart; None
            before the first epoch ended.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._rates: list[float] = []

    @property
    def images_per_s(self) -> float | None:  # noqa: D102  described by the class
        return median(self._rates) if self._rates else None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the epoch's clock."""
        self._images = 0
        self._seconds = 0.0

    def on_train_batch_start(self, *args: Any) -> None:
        """Start the clock of a batch; loading is counted from the second batch on."""
        if not self._images:
            self._mark = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the batch."""
        self._images += len(batch["index"])
        self._seconds = time.perf_counter() - self._mark

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the epoch's row."""
        if self._seconds > 0:
            self._rates.append(self._images * trainer.world_size / self._seconds)
        if not trainer.is_global_zero:
            return
        row: dict[str, float | int | None] = {"epoch": trainer.current_epoch}
        row["lr"] = trainer.optimizers[0].param_groups[0]["lr"]
        for name, value in trainer.callback_metrics.items():
            number = float(value)
            row[name] = number if math.isfinite(number) else None
        self._run.log_epoch(row)
