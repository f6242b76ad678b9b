"""Callbacks that write a run directory while it trains."""

from __future__ import annotations

import errno
import io
import math
import pickle
import time
import warnings
import zipfile
import zlib
from pathlib import Path
from statistics import median
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from fau.atomic import write_atomically
from fau.metrics import MONITOR
from fau.runs import RunDirectory


def checkpoints(run: RunDirectory, select_best: bool, monitor: str = MONITOR) -> list[Callback]:
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
    best = RunCheckpoint(filename="best", monitor=monitor, mode="max", save_top_k=1, **common)
    last = RunCheckpoint(filename="last", monitor=None, every_n_epochs=1, save_top_k=1, **common)
    return [best, last] if select_best else [last]


class RunCheckpoint(ModelCheckpoint):
    """A checkpoint callback whose folder may be moved between two attempts.

    Lightning's own forgets the best score when its folder has another path, and a later, worse epoch would then take
    the place of ``best.ckpt``. It also warns of each epoch before the first validation, which is none to choose.
    """

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save as Lightning does, once there is a score."""
        if self.monitor is None or self.monitor in trainer.callback_metrics:
            super().on_train_epoch_end(trainer, pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state as if it had been written here."""
        here, there = str(self.dirpath), str(state_dict["dirpath"])

        def moved(value: Any) -> Any:
            if isinstance(value, dict):
                return {moved(key): inner for key, inner in value.items()}
            return here + value.removeprefix(there) if isinstance(value, str) and value.startswith(there) else value

        super().load_state_dict({key: moved(value) for key, value in state_dict.items()})


LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
# What Lightning's checkpoints hold and a run needs to go on.
_CONTENT = {"state_dict", "epoch", "global_step", "loops", "callbacks", "optimizer_states", "lr_schedulers"}


class WholeCheckpoints(TorchCheckpointIO):
    """Writes checkpoints whole or not at all, reads none but whole ones, and keeps the one before the last.

    Lightning's own writes to the system's temporary folder and moves the file: where that is another file system, the
    move is a copy, and a kill or a full disk in its midst destroys the checkpoint that it was to replace. No folder is
    made here: where the run's has vanished, its disk has, and what were written in its place would be lost later.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save a checkpoint beside its place, then put it there."""
        del storage_options
        content = io.BytesIO()
        torch.save(checkpoint, content)
        file = Path(path)
        fresh = file.with_name(f"{file.name}.new")
        write_atomically(fresh, content.getvalue())
        if file.name == LAST and file.exists():
            file.replace(file.with_name(PREVIOUS))
        fresh.replace(file)

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load a checkpoint.

        Raises:
            UnpicklingError: If the file is damaged, or holds something else.
        """
        check_bytes(Path(path))
        content: Any = super().load_checkpoint(path, *args, **kwargs)
        if not isinstance(content, dict) or not content.keys() >= _CONTENT:
            raise pickle.UnpicklingError("not a checkpoint of a training")
        return content


def check_bytes(checkpoint: Path) -> None:
    """Compare a checkpoint's bytes with the checksums in it, which torch writes and does not read.

    Raises:
        UnpicklingError: If they differ, or the file is no checkpoint.
    """
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise pickle.UnpicklingError(str(error)) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a damaged listing points before the file; all else is the disk's
            raise
        raise pickle.UnpicklingError(str(error)) from error
    if damaged is not None:
        raise pickle.UnpicklingError(f"the bytes of {damaged} have changed")


def mend_last(folder: Path) -> None:
    """Put the checkpoint before the last in the last one's place, where that is damaged, and warn, or was never put."""
    last, previous = folder / LAST, folder / PREVIOUS
    try:
        if last.exists():
            check_bytes(last)
            return
        fault = ""
    except pickle.UnpicklingError as error:
        fault = str(error)
    try:
        check_bytes(previous)
    except (pickle.UnpicklingError, FileNotFoundError):
        return
    previous.replace(last)
    if fault:
        warnings.warn(f"'{last}' is damaged ({fault}); training goes on from the checkpoint before it", stacklevel=2)


class StayStopped(Callback):
    """Ends training at once where early stopping had ended it before the run was interrupted.

    Lightning restores what early stopping knew, but not that it had said stop, and would train one more epoch.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say stop again."""
        if any(stopping.stopped_epoch for stopping in trainer.early_stopping_callbacks):
            trainer.should_stop = True


class EpochLog(Callback):
    """Writes a row of ``metrics.csv`` an epoch and measures the rate of training.

    Args:
        run: The run directory.
        began: When training began, in the time of ``time.monotonic``; earlier for a resumed run, by what it had taken.

    Attributes:
        began: As given.
        images_per_s: Training images a second of this process group, the median over epochs, validation apart; None
            before the first epoch ended.
    """

    def __init__(self, run: RunDirectory, began: float) -> None:
        self._run = run
        self.began = began
        self._rates: list[float] = []

    @property
    def images_per_s(self) -> float | None:  # noqa: D102  described by the class
        return median(self._rates) if self._rates else None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the epoch's clock."""
        self._validated = False
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

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember that the epoch has scores of its own: Lightning keeps those of the last validation."""
        self._validated = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the epoch's row."""
        if self._seconds > 0:
            self._rates.append(self._images * trainer.world_size / self._seconds)
        if not trainer.is_global_zero:
            return
        row: dict[str, float | int | None] = {"epoch": trainer.current_epoch}
        row["processes"] = trainer.world_size
        row["time_s"] = round(time.monotonic() - self.began, 3)
        row["lr"] = trainer.optimizers[0].param_groups[0]["lr"]
        for name, value in trainer.callback_metrics.items():
            number = float(value)
            if self._validated or not name.startswith("val/"):
                row[name] = number if math.isfinite(number) else None
        self._run.log_epoch(row)
        more = {"epoch": float(trainer.current_epoch), "lr": float(trainer.optimizers[0].param_groups[0]["lr"])}
        if self._rates:
            more["images_per_s"] = self._rates[-1]
        for logger in trainer.loggers:  # what Lightning does not log by itself
            logger.log_metrics(more, step=trainer.global_step - 1)
