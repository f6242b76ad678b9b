"""A fold that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fau.data.datamodule import FaceDataModule
from fau.modules.base import FaceModule
from fau.runs import RunDirectory
from fau.tracking.settings import Tracking


@dataclass
class Fold:
    """A fold that was asked for, with everything built and nothing written yet.

    Attributes:
        run: Its run directory.
        settings: The whole configuration in YAML, for ``config.yaml``.
        record: The record so far: identity, deciding settings, configuration.
        module: The LightningModule.
        datamodule: The data, set up.
        trainer: Arguments of Lightning's Trainer as configured.
        patience: Epochs without a better validation score after which to stop, None to go on to the end.
        score_training: Score the training part too, once training has ended.
        wandb: What goes to W&B, and how.
    """

    run: RunDirectory
    settings: str
    record: dict[str, Any]
    module: FaceModule
    datamodule: FaceDataModule
    trainer: dict[str, Any]
    patience: int | None
    score_training: bool
    wandb: Tracking

    @property
    def selects(self) -> bool:
        """Whether a validation part chooses the checkpoint; else the last epoch's is taken."""
        return self.datamodule.validation != "none"
