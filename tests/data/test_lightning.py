"""The data module inside Lightning: epochs, resuming, two processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from fau.data.datamodule import FaceDataModule
from fau.errors import FauError


class Recorder(LightningModule):
    """Learns nothing and writes down which samples it was given."""

    def __init__(self, out: Path) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.out = out
        self.batches: list[tuple[int, int, int, int]] = []  # epoch, step, row, checksum of the augmented crop

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        checksums = batch["image"].long().sum((1, 2, 3)).tolist()
        assert set(batch["epoch"].tolist()) == {self.current_epoch}
        rows = zip(batch["index"].tolist(), checksums, strict=True)
        self.batches += [(self.current_epoch, batch_idx, index, checksum) for index, checksum in rows]
        return self.weight.sum()

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        self.batches += [(-1, batch_idx, index, 0) for index in batch["index"].tolist()]

    def test_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        self.batches += [(-2, batch_idx, index, 0) for index in batch["index"].tolist()]

    def on_fit_end(self) -> None:
        np.save(self.out / f"fit-{self.global_rank}.npy", np.array(self.batches))

    def on_test_end(self) -> None:
        np.save(self.out / f"test-{self.global_rank}.npy", np.array(self.batches))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(**settings: Any) -> Trainer:
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    quiet |= {"accelerator": "cpu", "num_sanity_val_steps": 0, "enable_checkpointing": False}
    return Trainer(**(quiet | settings))


def training(batches: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(row) for row in batches.tolist() if row[0] >= 0]


def read(folder: Path, stage: str, rank: int = 0) -> np.ndarray:
    return np.load(folder / f"{stage}-{rank}.npy")


def data(cropset_path: Path, **settings: Any) -> FaceDataModule:
    defaults = {"folds": 3, "batch_size": 16, "num_workers": 0, "undersample": "classes"}
    return FaceDataModule(str(cropset_path), **(defaults | settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("validation", ["groups", "none"])
def test_a_resumed_run_goes_on_with_the_batches_of_an_uninterrupted_one(
    cropset_path: Path, tmp_path: Path, workers: int, validation: str
) -> None:
    (whole := tmp_path / "whole").mkdir()
    trainer(max_epochs=4).fit(Recorder(whole), datamodule=data(cropset_path, validation=validation))
    (first := tmp_path / "first").mkdir()
    settings = {"validation": validation, "num_workers": workers}
    keep = ModelCheckpoint(tmp_path, save_last=True)
    trainer(max_epochs=2, callbacks=[keep], enable_checkpointing=True).fit(
        Recorder(first), datamodule=data(cropset_path, **settings)
    )
    (rest := tmp_path / "rest").mkdir()
    trainer(max_epochs=4).fit(
        Recorder(rest), datamodule=data(cropset_path, **settings), ckpt_path=str(tmp_path / "last.ckpt")
    )
    expected = training(read(whole, "fit"))
    assert {row[0] for row in expected} == {0, 1, 2, 3}
    assert training(read(first, "fit")) + training(read(rest, "fit")) == expected


def test_a_batch_that_cannot_be_shared_is_said(cropset_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = data(cropset_path, batch_size=15)
    odd.setup("fit")
    odd.trainer = trainer()
    monkeypatch.setattr(type(odd.trainer), "world_size", property(lambda self: 2))
    with pytest.raises(FauError, match=r"batch_size 15 is the batch of all processes together .* use a multiple of 2"):
        odd.train_dataloader()


@pytest.mark.slow
def test_two_processes_share_what_one_process_sees(cropset_path: Path, tmp_path: Path) -> None:
    """15 groups of 16 frames less one hold-out group: neither part is a multiple of the batch."""
    settings = {"holdout": ["S002"], "batch_size": 22}
    seen: dict[int, list[np.ndarray]] = {}
    for processes in (1, 2):
        (folder := tmp_path / str(processes)).mkdir()
        strategy = "auto" if processes == 1 else "ddp_fork"
        # use_distributed_sampler stays at its default, True: it must do no harm.
        fitter = trainer(max_epochs=2, devices=processes, strategy=strategy)
        source = data(cropset_path, **settings)
        source.setup()  # before the fork: polars' threads do not survive it
        fitter.fit(Recorder(folder), datamodule=source)
        fitter.test(Recorder(folder), datamodule=source, verbose=False)
        seen[processes] = [read(folder, "fit", rank) for rank in range(processes)]
    one = data(cropset_path, **settings)
    one.setup()
    # Training: step by step the two ranks' halves are the one process's batch, pixels included, and none is shared.
    merged = sorted(row for rank in seen[2] for row in training(rank))
    assert merged == sorted(training(seen[1][0]))
    for epoch in (0, 1):
        rows = [row[2] for row in merged if row[0] == epoch]
        assert len(rows) == len(set(rows)) == one.plan.kept_in(epoch)["frames"] // 22 * 22
        assert set(rows) <= set(one.plan.draw.chosen(epoch).tolist())
        assert len({sum(r[0] == epoch for r in rank.tolist()) for rank in seen[2]}) == 1
    # Evaluation: every sample counted at least once, all batches of one size on either number of processes.
    for stage, code, part in (("fit", -1, one.split.val), ("test", -2, one.split.test)):
        ranks = [read(tmp_path / "2", stage, rank) for rank in (0, 1)]
        rows = [row[2] for rank in ranks for row in rank.tolist() if row[0] == code]
        rounds = 2 if stage == "fit" else 1  # validated after each of two epochs
        assert set(rows) == set(part.tolist())
        assert len(rows) == rounds * (-(-len(part) // 44) * 44)
