"""Lightning's stages, fit, validate and test, left as this program leaves them; and the weights between them."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerStatus
from lightning.pytorch.utilities.exceptions import SIGTERMException

from fau.data.datamodule import FaceDataModule
from fau.data.dataset import EpochLoader
from fau.errors import FauError
from fau.modules.base import FaceModule
from fau.modules.callbacks import check_bytes
from fau.runs import RunDirectory


@contextmanager
def _lightning_exits(trainer: Trainer) -> Iterator[None]:
    """Leave Lightning's stages as this program does: 143 after SIGTERM, KeyboardInterrupt, or one sentence."""
    try:
        yield
    except SIGTERMException:
        sys.exit(143)  # Lightning would leave with 0, as if the run had ended well
    except SystemExit as error:
        if trainer.state.status == TrainerStatus.INTERRUPTED and error.code == 1:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from None
        raise
    except MisconfigurationException as error:
        raise FauError(f"Lightning cannot go on with these settings: {' '.join(str(error).split())}") from error
    except ValueError as error:
        if "`val_check_interval`" not in str(error):  # known only once there are batches
            raise
        raise FauError(f"Lightning cannot go on with these settings: {' '.join(str(error).split())}") from error
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise FauError("memory is too small for this batch; lower data.batch_size or the network's size") from error


def fit(trainer: Trainer, module: FaceModule, datamodule: FaceDataModule, checkpoint: Path | None) -> None:
    """Train.

    Args:
        trainer: Of the fold.
        module: What learns.
        datamodule: Its data.
        checkpoint: To go on from; None begins anew.

    Raises:
        FauError: If the checkpoint cannot be read, or settings or memory forbid training.
    """
    try:
        with _lightning_exits(trainer):
            trainer.fit(module, datamodule=datamodule, ckpt_path=checkpoint, weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        if checkpoint is not None and trainer.global_step == 0:
            raise _unreadable(checkpoint, error) from error
        raise


def load_weights(module: FaceModule, run: RunDirectory, checkpoint: Path) -> int:
    """Load the chosen weights and return the epoch that they are from, counted from 0.

    Raises:
        FauError: If the checkpoint is not there, or cannot be read.
    """
    if not checkpoint.exists():
        epochs = run.metrics()
        if module.monitor in epochs.columns and epochs[module.monitor].is_not_null().any():  # so there was one
            raise FauError(f"checkpoint '{checkpoint}' is gone; train the run from the start with --rerun")
        raise FauError(
            f"training ended without '{checkpoint}'; it takes one whole epoch, and one with a validation score where "
            "that chooses: see trainer.max_epochs, limit_train_batches, limit_val_batches, check_val_every_n_epoch "
            "and fast_dev_run"
        )
    try:
        check_bytes(checkpoint)
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        if not isinstance(content, dict):
            raise pickle.UnpicklingError("not a checkpoint of a training")
        module.on_load_checkpoint(content)
        module.load_state_dict(content["state_dict"])
        return int(content["epoch"])
    except (OSError, pickle.UnpicklingError, EOFError, RuntimeError, KeyError) as error:
        raise _unreadable(checkpoint, error) from error


def _unreadable(checkpoint: Path, error: BaseException) -> FauError:
    first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
    return FauError(
        f"checkpoint '{checkpoint}' cannot be loaded ({first_line}); train the run from the start with --rerun"
    )


def evaluate(trainer: Trainer, stage: Any, module: FaceModule, datamodule: FaceDataModule) -> dict[str, float]:
    """Return the metrics of a stage.

    Args:
        trainer: Of the fold.
        stage: Its method ``validate`` or ``test``.
        module: With the chosen weights.
        datamodule: Its data.
    """
    with _lightning_exits(trainer):
        stage(module, datamodule=datamodule, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def score(trainer: Trainer, module: FaceModule, part: str, loader: EpochLoader) -> dict[str, float]:
    """Score a part that is neither the validation part nor the test fold.

    Args:
        trainer: At rest.
        module: With the weights to score.
        part: Its name, such as ``holdout``, before the names of its metrics.
        loader: Of its samples.

    Returns:
        Metrics by name, such as ``holdout/f1_macro``.
    """
    module.test_part = part
    try:
        with _lightning_exits(trainer):
            trainer.test(module, dataloaders=loader, verbose=False)
    finally:
        module.test_part = "test"
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def drop_averaging(trainer: Trainer) -> None:
    """Keep a moving average of weights from taking the place of the loaded ones, which are the average already."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    callbacks[:] = [callback for callback in callbacks if not isinstance(callback, WeightAveraging)]
