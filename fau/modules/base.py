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
from fau.modules.guards import batch_norm_explained, check_finite, check_precision
from fau.modules.sources import check_weights
from fau.nets.output import Net, NetOutput, check_output

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
        resize: Side in pixels that crops are brought to before a window of the network's input is cut out of them: in
            training at random where ``data.augment`` is set, else from the centre. None resizes them to the input.
    """

    task: str  # what it trains: the first part of the names of its arrays; of several tasks, with plus signs between
    task_labels: dict[str, list[str]]  # printed names of each task's labels, in output order
    monitor: str = MONITOR  # what chooses a checkpoint, stops early and lowers the rate: the higher, the better
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
        resize: int | None = None,
    ) -> None:
        super().__init__()
        self.net = net(num_outputs)
        self.transform = BatchTransform(self.net.input_size, self.net.mean, self.net.std, allow_upsample, resize)
        self._optimizer = optimizer
        self._scheduler = scheduler
        self._epoch_arrays: list[dict[str, Tensor]] = []
        self.evaluated: dict[str, Arrays] = {}
        self.test_part = "test"  # what a test pass scores: the test fold, or the hold-out set
        self.notes: list[str] = []  # sentences that reports show beside the run
        self.layer_decay = 1.0  # what a layer's rate is of the next one's, towards the head; fine-tuning sets it
        self.run_id = ""  # written into checkpoints, so that another configuration's is refused
        self.training_seed = 0
        if channels_last:
            self.net.to(memory_format=torch.channels_last)
        if compile:
            self.net.compile()  # in place: the keys of the state dict stay

    # What a subclass defines ------------------------------------------------------------------------------------------

    def use_training_data(self, data: FaceDataModule) -> None:
        """Take from the training part what the loss needs, and check that its crops and landmarks will do.

        Raises:
            FauError: If crops are smaller than the network's input and may not be enlarged, the network needs
                landmarks that batches do not carry, or it starts from a run of other labels or of people tested here.
        """
        self.transform.check(data.cropset.size)
        self._check_landmarks(data)
        weights = getattr(self.net, "weights", None)
        if isinstance(weights, str):
            self.notes += check_weights(weights, data)

    @property
    def landmark_set(self) -> str | None:
        """The landmarks that batches must carry, as the network's input or for the loss; None for none."""
        return self.net.landmarks

    def _check_landmarks(self, data: FaceDataModule) -> None:
        needed, name = self.landmark_set, type(self.net).__name__
        if needed is None:
            return
        if data.landmarks != needed:
            raise FauError(
                f"{name} needs {needed} landmarks, and data.landmarks is {data.landmarks}; set it to {needed}"
            )
        share = data.landmark_share()
        if not share:
            raise FauError(
                f"{name} needs landmarks, and no crop of the training part of '{data.cropset.info.name}' has any; "
                "prepare the corpus with a detector, or train another network"
            )
        if share < 1:
            missing = f"about {100 * (1 - share):.2g} %" if share > 0.01 else "more than 99 %"
            self.notes.append(f"{missing} of the training crops have no landmarks, which {name} uses")

    def record(self) -> dict[str, Any]:
        """Return what the run's record keeps of the module, after ``use_training_data``, as plain JSON values.

        ``warnings`` are sentences that reports show beside the run.
        """
        return {"warnings": list(self.notes)} if self.notes else {}

    def loss(self, output: NetOutput, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar; under DDP the mean over ranks is the loss of the union batch."""
        raise NotImplementedError

    def arrays(self, output: NetOutput, batch: Batch) -> dict[str, Tensor]:
        """Return what evaluation keeps of a batch, each of shape (B, ...), by ``task/name``."""
        raise NotImplementedError

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Return the metrics of a part from its arrays, one row a sample in manifest order."""
        raise NotImplementedError

    def counts(self, arrays: Arrays, groups: NDArray[np.str_]) -> Arrays:
        """Return what reports pool over folds, by group, from the arrays of the test part and its samples' groups."""
        raise NotImplementedError

    def union_mean(self, loss: MaskedSum) -> Tensor:
        """Return a loss's mean over the union batch's coded labels; ranks may hold different numbers of them."""
        if self.trainer.world_size == 1:
            return loss.mean()
        count = loss.count.clone()
        torch.distributed.all_reduce(count)
        return loss.mean(over=count / self.trainer.world_size)  # DDP averages the gradients of its ranks

    def union_sum(self, local: Tensor) -> Tensor:
        """Return a tensor's sum over all processes, for losses that are no mean over samples.

        A function of such sums has the value of the union batch on every rank, and its gradient, averaged over the
        ranks as DDP does, is that of the union batch: each rank's is the local one times their number.
        """
        if self.trainer.world_size == 1:
            return local
        total = local.detach().clone()
        torch.distributed.all_reduce(total)
        return total + self.trainer.world_size * (local - local.detach())

    # One step for all stages ------------------------------------------------------------------------------------------

    def forward(self, batch: Batch) -> NetOutput:
        """Run the network on a batch of the data module: uint8 ``image`` (B, H, W, 3) and what goes with it."""
        image = self.transform(batch["image"], batch.get("window"))
        output = self.net(image) if self.net.landmarks is None else self.net(image, self.landmarks(batch))
        check_output(self.net, output, len(image))
        return output

    def landmarks(self, batch: Batch) -> Tensor:
        """Return a batch's landmarks, float32 (B, K, 2), in pixels of the network's input; NaN = not known."""
        return self.transform.points(batch["landmarks"], batch["image"].shape[1], batch.get("window"))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a training batch."""
        with batch_norm_explained(self.net):
            output = self(batch)
        loss = self.loss(output, batch)
        mean = loss.detach().clone()
        if self.trainer.world_size > 1:  # not by Lightning at the epoch's end: a callback that only rank 0 runs may ask
            torch.distributed.all_reduce(mean)
            mean /= self.trainer.world_size
        self.log("train/loss", mean, on_step=False, on_epoch=True, batch_size=len(batch["index"]))
        return loss

    def _evaluation_step(self, batch: Batch) -> None:
        output = self(batch)
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

    def on_fit_start(self) -> None:
        """Refuse a precision that cannot train."""
        check_precision(str(self.trainer.precision))

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
        check_finite(self.net, self.current_epoch)

    def on_train_epoch_end(self) -> None:
        """Make batch-norm statistics equal on all processes before a checkpoint keeps one's; keep none of NaN."""
        self._synchronise_buffers()
        check_finite(self.net, self.current_epoch)

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

    def _parameters_by_depth(self) -> Any:
        """Return what the optimiser gets: all parameters, or a group of each depth where the rate falls with it."""
        if self.layer_decay == 1:
            return self.net.parameters()
        parameters, depths = dict(self.net.named_parameters()), self.net.depths()
        last = max(depths.values())
        groups: dict[int, list[torch.nn.Parameter]] = {}
        for name, parameter in parameters.items():
            groups.setdefault(depths[name], []).append(parameter)
        return [{"params": own, "rate": self.layer_decay ** (last - depth)} for depth, own in sorted(groups.items())]

    def configure_optimizers(self) -> Any:
        """Build the optimiser and its schedule from the settings."""
        try:
            optimizer = self._optimizer(self._parameters_by_depth())
        except ValueError as error:
            raise FauError(f"model.optimizer refuses its settings: {error}") from error
        for group in optimizer.param_groups:
            group["lr"] *= group.get("rate", 1.0)
        if self._scheduler is None:
            return optimizer
        schedule = self._scheduler(optimizer)
        settings: dict[str, Any] = {"scheduler": schedule, "interval": "epoch"}
        if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            # Lightning's class of that name is told what to watch; torch's is not, and watches what chooses.
            watched = self.monitor if schedule.mode == "max" else "val/loss"
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
