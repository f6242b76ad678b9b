"""Scores and trains a small network on all tasks on a number of processes; started by a test.

Usage: ddp_multitask.py CROPSET DEVICES OUT
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn

from fau.data.datamodule import FaceDataModule
from fau.modules.multitask import MultiTask
from fau.nets.output import Net, NetOutput

LABELS = "bp4d12+affectnet8+va"


class Linear(Net):
    """Sees every sample by itself: batch norm would see each process's share of a batch."""

    def __init__(self, num_outputs: int) -> None:
        super().__init__(num_outputs, input_size=16)
        self.weigh = nn.Linear(3 * 16 * 16, num_outputs)

    def forward(self, image: Tensor) -> NetOutput:
        return NetOutput(self.weigh(image.flatten(1)))


def run(cropset: str, devices: int, out: str) -> None:
    torch.set_num_threads(1)
    seed_everything(0, verbose=False)
    data = FaceDataModule(cropset, LABELS, folds=3, batch_size=20, weights="balanced", augment=None)
    data.setup()
    module = MultiTask(LABELS, Linear, lambda parameters: torch.optim.SGD(parameters, lr=0.01), focal_gamma=1.0)
    module.use_training_data(data)
    trainer = Trainer(
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        max_epochs=1,
        limit_train_batches=3,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.test(module, datamodule=data, verbose=False)
    metrics = {name: np.array(float(value)) for name, value in trainer.callback_metrics.items()}
    scored = {f"exact/{name}": value for name, value in (module.evaluated["test"] | metrics).items()}
    trainer.fit(module, datamodule=data)
    if trainer.is_global_zero:
        trained = {name: value.numpy() for name, value in module.net.state_dict().items()}
        np.savez(out, loss=float(trainer.callback_metrics["train/loss"]), **trained, **scored)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), sys.argv[3])
