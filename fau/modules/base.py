"""The LightningModule that every kind of training shares: one step for all stages, exact evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from numpy.typing import NDArray
from torch import Tensor

from fau.data.datamodule import FaceDataModule
from fau.data.transform import BatchTransform
from fau.errors import FauError
from fau.losses import MaskedSum
from fau.metrics import MONITOR, unique_samples
from fau.nets.output import Net, NetOutput

Batch = dict[str, Tensor]
Arrays = dict[str, NDArray[Any]]


class FaceModule(LightningModule):
    """Trains a network on face crops; a subclass says which loss, which arrays to keep and which metrics.

    Evaluation gathers every sample's arrays over all processes, drops by id the duplicates that fill the last batches,
    and computes metrics once an epoch, so that one process and eight give the same digits.

    Args:
        net: Builds the network for a number of outputs.
        num_outputs: Outputs of the network.
        optimizer: Builds the optimiser from the parameters.
        scheduler: Builds the learning rate schedule from the optimiser, stepped once an epoch; None keeps the rate.
        channels_last: Lay activations out channel by channel within a pixel, which convolutions prefer.
        compile: Compile the network by ``torch.compile``.
        allow_upsample: Let crops smaller than the network's input be enlarged; such rows are marked.
    """

    task: str  # what it trains: the first part of the names of its arrays
    threshold: float | None = None  # least score that counts as present; None: the highest of a sample does

    def __init__(
        self,
        net: Callable[[int], Net],
        num_outputs: int,
        optimizer: OptimizerCallable,
        scheduler: LRSchedulerCallable | None,
        channels_last: bool,
        compile: bool,
        allow_upsample: bool,
    ) -> None:
        super().__init__()
        self.net = net(num_outputs)
        self.transform = BatchTransform(self.net.input_size, self.net.mean, self.net.std, allow_upsample=allow_upsample)
        self._optimizer = optimizer
        self._scheduler = scheduler
        self._epoch_arrays: list[dict[str, Tensor]] = []
        self.evaluated: dict[str, Arrays] = {}
        self.test_part = "test"  # what a test pass scores: the test fold, or the hold-out set
        self.run_id = ""  # written into checkpoints, so that another configuration's is refused
        self.training_seed = 0
        if channels_last:
            self.net.to(memory_format=torch.channels_last)
        if compile:
            self.net.compile()  # in place: the keys of the state dict stay

    # What a subclass defines ------------------------------------------------------------------------------------------

    def use_training_data(self, data: FaceDataModule) -> None:
        """Take from the training part what the loss needs, and check that its crops are large enough.

        Raises:
            FauError: If they are smaller than the network's input and may not be enlarged.
        """
        self.transform.check(data.cropset.size)

    def record(self) -> dict[str, Any]:
        """Return what the run's record keeps of the module, after ``use_training_data``, as plain JSON values.

        ``warnings`` are sentences that reports show beside the run.
        """
        return {}

    def loss(self, output: NetOutput, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar; under DDP the mean over ranks is the loss of the union batch."""
        raise NotImplementedError

    def arrays(self, output: NetOutput, batch: Batch) -> dict[str, Tensor]:
        """Return what evaluation keeps of a batch, each of shape (B, ...), by ``task/name``."""
        raise NotImplementedError

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Return the metrics of a part from its arrays, one row a sample in manifest order."""
        raise NotImplementedError

    def union_mean(self, loss: MaskedSum) -> Tensor:
        """Return a loss's mean over the union batch's coded labels; ranks may hold different numbers of them."""
        if self.trainer.world_size == 1:
            return loss.mean()
        count = loss.count.clone()
        torch.distributed.all_reduce(count)
        return loss.mean(over=count / self.trainer.world_size)  # DDP averages the gradients of its ranks

    # One step for all stages ------------------------------------------------------------------------------------------

    def forward(self, image: Tensor) -> NetOutput:
        """Run the network on uint8 crops of shape (B, H, W, 3)."""
        output: NetOutput = self.net(self.transform(image))
        return output

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a training batch."""
        loss = self.loss(self(batch["image"]), batch)
        mean = loss.detach().clone()
        if self.trainer.world_size > 1:  # not by Lightning at the epoch's end: a callback that only rank 0 runs may ask
            torch.distributed.all_reduce(mean)
            mean /= self.trainer.world_size
        self.log("train/loss", mean, on_step=False, on_epoch=True, batch_size=len(batch["index"]))
        return loss

    def _evaluation_step(self, batch: Batch) -> None:
        output = self(batch["image"])
        arrays = {"index": batch["index"]} | self.arrays(output, batch)
        self._epoch_arrays.append({name: value.detach() for name, value in arrays.items()})

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the arrays of a validation batch."""
        self._evaluation_step(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the arrays of a test batch."""
        self._evaluation_step(batch)

    def _gather(self) -> Arrays:
        """Concatenate an epoch's arrays over batches and processes, one row a sample, in manifest order."""
        merged = {name: torch.cat([arrays[name] for arrays in self._epoch_arrays]) for name in self._epoch_arrays[0]}
        self._epoch_arrays = []
        if self.trainer.world_size > 1:
            merged = {name: self.all_gather(value).flatten(0, 1) for name, value in merged.items()}  # type: ignore[union-attr]
        arrays: Arrays = {name: value.float().cpu().numpy() if value.is_floating_point() else value.cpu().numpy()
                          for name, value in merged.items()}  # fmt: skip
        index = arrays.pop("index")
        return dict(zip(["index", *arrays], unique_samples(index, *arrays.values()), strict=True))

    def _evaluation_epoch_end(self, stage: str) -> None:
        arrays = self._gather()
        self.evaluated[stage] = arrays
        metrics = {f"{stage}/{name}": value for name, value in self.metrics(arrays).items() if np.isfinite(value)}
        # Gathered already: every process holds the same digits.
        self.log_dict(metrics, sync_dist=False, rank_zero_only=False)

    def on_validation_epoch_end(self) -> None:
        """Compute the validation metrics."""
        self._evaluation_epoch_end("val")

    def on_test_epoch_end(self) -> None:
        """Compute the test metrics."""
        self._evaluation_epoch_end(self.test_part)

    # Exactness --------------------------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Seed what the network draws, so that a resumed epoch draws the same; log what undersampling kept."""
        entropy = [self.training_seed, self.current_epoch, self.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1)))
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # not kept here: weight averaging copies the module
        if isinstance(data, FaceDataModule) and data.undersample != "none":
            kept = data.plan.kept_in(self.current_epoch)
            self.log_dict({f"kept/{name}": float(count) for name, count in kept.items()}, rank_zero_only=False)

    def on_validation_epoch_start(self) -> None:
        """Make batch-norm statistics equal on all processes before they are used, those of averaged weights too.

        Weight averaging puts its own in place in this hook, and callbacks come before the module.
        """
        self._synchronise_buffers()

    def on_train_epoch_end(self) -> None:
        """Make batch-norm statistics equal on all processes before a checkpoint keeps one's."""
        self._synchronise_buffers()

    def _synchronise_buffers(self) -> None:
        if self.trainer.world_size > 1:
            for buffer in self.net.buffers():
                torch.distributed.broadcast(buffer, 0)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers that checkpoints keep: batch-norm statistics and the like.

        Weight averaging averages what it finds here. Buffers that no checkpoint keeps are constants, such as the
        pixels' mean, loss weights and index tables: averaging would round them, and a resumed run would have others.
        """
        seen = set[Tensor]()
        for module in self.modules() if recurse else [self]:
            for name, buffer in module._buffers.items():
                if buffer is not None and name not in module._non_persistent_buffers_set and buffer not in seen:
                    seen.add(buffer)
                    yield buffer

    def configure_optimizers(self) -> Any:
        """Build the optimiser and its schedule from the settings."""
        try:
            optimizer = self._optimizer(self.net.parameters())
        except ValueError as error:
            raise FauError(f"model.optimizer refuses its settings: {error}") from error
        if self._scheduler is None:
            return optimizer
        schedule = self._scheduler(optimizer)
        settings: dict[str, Any] = {"scheduler": schedule, "interval": "epoch"}
        if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            # Lightning's class of that name is told what to watch; torch's is not, and watches what chooses.
            watched = MONITOR if schedule.mode == "max" else "val/loss"
            settings["monitor"] = getattr(schedule, "monitor", watched)
        return {"optimizer": optimizer, "lr_scheduler": settings}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write down which run the weights belong to."""
        checkpoint["fau_run_id"] = self.run_id

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse the checkpoint of another configuration.

        Raises:
            FauError: If the checkpoint was written by another run.
        """
        other = checkpoint.get("fau_run_id")
        if other != self.run_id:
            raise FauError(
                f"the checkpoint belongs to run '{other}', not to '{self.run_id}': another configuration wrote it; "
                "remove the run's checkpoints folder to start afresh"
            )
