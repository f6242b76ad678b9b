"""Evaluates the weights of a run on a number of processes and keeps what was predicted; started by a test.

Usage: ddp_evaluate.py CHECKPOINT CROPSET DEVICES OUT
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from lightning.pytorch import Trainer

from fau.data.datamodule import FaceDataModule
from fau.modules.detection import AUDetection
from fau.nets.gla import GLACNN


def evaluate(checkpoint: str, cropset: str, devices: int, out: str) -> None:
    torch.set_num_threads(1)
    data = FaceDataModule(crop_set=cropset, folds=3, fold=2, batch_size=20)
    data.setup()
    module = AUDetection(net=lambda outputs: GLACNN(outputs, input_size=32))
    module.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"])
    trainer = Trainer(
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.test(module, datamodule=data, verbose=False)
    if trainer.is_global_zero:
        metrics = {name: np.array(float(value)) for name, value in trainer.callback_metrics.items()}
        np.savez(out, **module.evaluated["test"], **metrics)


if __name__ == "__main__":
    evaluate(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
