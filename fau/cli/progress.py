"""How a training run shows itself: one bar over all epochs with the time left, one line an epoch."""

from __future__ import annotations

import sys
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fau.modules.base import FaceModule
from fau.units import duration

# What an epoch's line shows of what there is: the loss and what chooses the checkpoint.
SHOWN = {
    **{"train/loss": "loss", "val/loss": "val loss", "val/f1_macro": "val F1", "val/ccc_mean": "val CCC"},
    **{"val/mtl_score": "val score"},
}


class TrainingProgress(Callback):
    """A bar over the whole run on a terminal, and a line an epoch everywhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._started = 0.0
        self._first_epoch = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar."""
        self._started = time.monotonic()
        self._first_epoch = trainer.current_epoch
        started = pl_module.record().get("started_from") if isinstance(pl_module, FaceModule) else None
        if started and trainer.is_global_zero and not trainer.current_epoch:
            source = next(value for key, value in started.items() if key != "carried over")
            carried = ", ".join(started["carried over"])
            carried += "".join(f"; at random: {', '.join(fresh)}" for fresh in [started.get("at random")] if fresh)
            self._console.print(f"starts from {source} (weights carried over: {carried})", highlight=False)
        if not trainer.is_global_zero or not sys.stderr.isatty():
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("batches"))
        self._progress = Progress(
            *columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=self._console
        )
        per_epoch, epochs = int(trainer.num_training_batches), trainer.max_epochs or 1
        self._task = self._progress.add_task("training", total=per_epoch * epochs)
        self._progress.update(self._task, completed=per_epoch * trainer.current_epoch)
        self._progress.start()

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        """Advance the bar."""
        if self._progress is not None:
            self._progress.advance(self._task)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the epoch's line, with the time that the run still needs."""
        if not trainer.is_global_zero or not trainer.max_epochs:
            return
        done = trainer.current_epoch + 1 - self._first_epoch
        left = (time.monotonic() - self._started) / done * (trainer.max_epochs - trainer.current_epoch - 1)
        values = trainer.callback_metrics
        parts = [f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"]
        for key, name in SHOWN.items():
            if key in values:
                parts.append(f"{name} {float(values[key]):.4f}")
        parts.append(f"{duration(left)} left")
        self._console.print("  ".join(parts), highlight=False)

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar, so that the terminal is left usable."""
        self._close()
