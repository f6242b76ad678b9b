"""Trainings that are stopped in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from fau.modules.base import FaceModule


@contextmanager
def stopped_in_epoch(epoch: int = 1, error: type[BaseException] | BaseException = KeyboardInterrupt) -> Iterator[None]:
    """Let trainings reach the second batch of an epoch, the only one where there is one, and there raise the error.

    Args:
        epoch: Counted from 0.
        error: As Ctrl-C raises it, by default.
    """
    original = FaceModule.training_step

    def step(self: FaceModule, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == epoch and batch_idx == min(1, self.trainer.num_training_batches - 1):
            raise error
        return original(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FaceModule, "training_step", step)
        yield
