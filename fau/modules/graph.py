"""Detection of action units by ME-GraphAU: probabilities for outputs, a loss of their own, two stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.losses import edge_cross_entropy, weighted_asymmetric
from fau.modules.base import Batch
from fau.modules.detection import AUDetection
from fau.modules.sources import check_groups, check_same_data, find_run, source_run
from fau.nets.megraphau import GraphOutput, MEGraphAUStage1, MEGraphAUStage2
from fau.nets.megraphau_weights import start_from_stage1
from fau.nets.output import Net, NetOutput
from fau.nets.weight_files import path_of


class GraphDetection(AUDetection):
    """Trains ME-GraphAU: the weighted asymmetric loss, in stage 2 with the edge loss beside it.

    Args:
        label_set: The action units, by the name of their set; follows ``data.label_set``.
        net: Stage 1 or stage 2 of the network.
        optimizer: The optimiser; the default is the authors'.
        scheduler: A schedule in place of ``cosine``, stepped once an epoch.
        cosine: Let the rate fall to 0 along half a cosine, step by step over the whole training, as the authors do.
        edge_weight: The paper's lambda: 0.05 for BP4D with ResNet-50, 0.01 for DISFA with Swin-B.
        stop_gradient: Hold the loss's focusing factor constant to the gradient, as the authors' code does.
        stage1: Where stage 2 starts: a run of stage 1 by its folder or its id below ``runs``, a folder of such runs
            (that of the same crop set, labels, protocol, fold and seed is taken), or a checkpoint, also of the authors.
        threshold: Least score that counts as present, in metrics and counts.
        channels_last: Lay activations out channel by channel within a pixel, which convolutions prefer.
        compile: Compile the network by ``torch.compile``.
        allow_upsample: Let crops smaller than the network's input be enlarged; such rows are marked in reports.
        resize: Side in pixels that crops are brought to before a window of the network's input is cut out of them: in
            training at random where ``data.augment`` is set, else from the centre. None resizes them to the input.

    Raises:
        FauError: If the network is none of ME-GraphAU's, or settings contradict each other.
    """

    def __init__(
        self,
        label_set: str = "bp4d12",
        net: Callable[[int], Net] = lambda num_outputs: MEGraphAUStage1(num_outputs),
        optimizer: OptimizerCallable = lambda parameters: torch.optim.AdamW(parameters, lr=1e-4, weight_decay=5e-4),
        scheduler: LRSchedulerCallable | None = None,
        cosine: bool = True,
        edge_weight: float = 0.05,
        stop_gradient: bool = True,
        stage1: str | None = None,
        threshold: float = 0.5,
        channels_last: bool = True,
        compile: bool = False,
        allow_upsample: bool = False,
        resize: int | None = None,
    ) -> None:
        more = (channels_last, compile, allow_upsample, resize)
        super().__init__(label_set, net, optimizer, scheduler, threshold, *more)
        if not isinstance(self.net, MEGraphAUStage1 | MEGraphAUStage2):
            raise FauError(f"GraphDetection trains ME-GraphAU, not {type(self.net).__name__}; set model.net")
        if stage1 is not None and not isinstance(self.net, MEGraphAUStage2):
            raise FauError(
                "model.stage1 is what stage 2 starts from; leave it out, or take MEGraphAUStage2 for model.net"
            )
        if cosine and scheduler is not None:
            raise FauError("model.cosine and model.scheduler both set the learning rate; set cosine to false")
        if edge_weight < 0:
            raise FauError(f"model.edge_weight {edge_weight} is below 0; the authors take 0.01 or 0.05")
        self.cosine = cosine
        self.edge_weight = edge_weight
        self.stop_gradient = stop_gradient
        self._stage1 = stage1
        self.started_from: dict[str, Any] = {}

    def use_training_data(self, data: FaceDataModule) -> None:
        """Take the loss weights from the training part, and stage 1's weights."""
        super().use_training_data(data)
        if self.positive_weight is not None:
            raise FauError(f"data.weights '{data.weights}' is for cross-entropy; ME-GraphAU takes inverse, or none")
        if self._stage1 is not None:
            path = self._source(self._stage1, data)
            self.started_from = {"stage1": str(path), "carried over": start_from_stage1(self.net, path)}

    def _source(self, setting: str, data: FaceDataModule) -> Path:
        """Return the run of stage 1 that belongs to the fold, or the file that was named.

        Raises:
            FauError: If there is none, or more than one, or the run named is of other data.
        """
        named = path_of(setting)
        run = source_run(named) if named.is_file() else find_run("stage1", setting, data)
        if run is not None:
            check_same_data(run, data)
            self.notes += check_groups(run, data, "model.stage1")
        return named if run is None or named.is_file() else run.path

    def record(self) -> dict[str, Any]:
        """Return what the run's record keeps of where training started."""
        about = super().record()
        if self.started_from:
            return about | {"started_from": self.started_from}
        if not isinstance(self.net, MEGraphAUStage2):
            return about
        sentence = "stage 2 was trained without a stage 1 to start from; name one by --model.stage1"
        return about | {"warnings": [*about.get("warnings", []), sentence]}

    def loss(self, output: NetOutput, batch: Batch) -> Tensor:
        """Return the loss of the union batch: each part's mean over what is coded of it."""
        if not isinstance(output, GraphOutput):
            raise TypeError(f"{type(self.net).__name__} gives no GraphOutput")
        label, mask = batch["label"], batch["label_mask"]
        loss = self.union_mean(
            weighted_asymmetric(output.probability, label, mask, self.label_weight, self.stop_gradient)
        )
        if output.edge_logits is not None:
            loss = loss + self.edge_weight * self.union_mean(edge_cross_entropy(output.edge_logits, label, mask))
        return loss

    def configure_optimizers(self) -> Any:
        """Build the optimiser and its schedule; the cosine's length is that of the whole training."""
        made = super().configure_optimizers()
        if not self.cosine:
            return made
        steps = self.trainer.estimated_stepping_batches
        if steps == float("inf"):
            raise FauError("model.cosine needs to know when training ends; set trainer.max_epochs, or cosine to false")
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(made, T_max=max(int(steps), 1))
        return {"optimizer": made, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
