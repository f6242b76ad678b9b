"""Detection of action units by JAA-Net: labels and landmarks learned together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.labels import label_set as aus_of
from fau.landmarks import FAILURE
from fau.losses import landmark_loss, masked_bce, refinement_loss, squared_interocular, weighted_dice
from fau.modules.base import Arrays, Batch
from fau.modules.detection import AUDetection
from fau.modules.sources import check_groups, source_run
from fau.nets.jaanet import PUBLISHED, JAANet, JAAOutput
from fau.nets.jaanet_weights import outputs_of, start_from_other_aus
from fau.nets.output import Net, NetOutput


class JAADetection(AUDetection):
    """Trains JAA-Net: cross-entropy and Dice of every head, the landmark loss, in version 1 the refinement loss.

    ``data.landmarks`` must be 49. Points that are not there, and faces without eyes' points, have no part in that loss.

    Args:
        label_set: The action units, by the name of their set; follows ``data.label_set``. Their maps follow it too.
        net: Version 1 or version 2 of the network.
        optimizer: The optimiser; the default is the authors'.
        scheduler: The learning rate schedule, stepped once an epoch; the default is the authors'.
        landmark_weight: Factor of the landmark loss.
        refinement_weight: Factor of the refinement loss (version 1) with the authors' halving; the rate of the
            refinement's weights is twice that of the rest.
        dice: ``sample``, the ratio of each label as published; or ``batch``, that of the authors' PyTorch code.
        start_from: Where training starts: a run of JAA-Net with any action units, or a folder with the authors' six
            files (of 12: BP4D's, of 8: DISFA's). What other action units cannot use keeps its random start.
        threshold: Least score that counts as present, in metrics and counts.
        channels_last: Lay activations out channel by channel within a pixel, which convolutions prefer.
        compile: Compile the network by ``torch.compile``.
        allow_upsample: Let crops smaller than the network's input be enlarged; such rows are marked in reports.
        resize: Side in pixels that crops are brought to before a window of the network's input is cut out of them: in
            training at random where ``data.augment`` is set, else from the centre. None resizes them to the input.

    Raises:
        FauError: If the network is another, an AU has no place on the face, or a setting cannot work.
    """

    net: JAANet

    def __init__(
        self,
        label_set: str = "bp4d12",
        net: Callable[[int], Net] = lambda num_outputs: JAANet(num_outputs),
        optimizer: OptimizerCallable = lambda parameters: torch.optim.SGD(
            parameters, lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True
        ),
        scheduler: LRSchedulerCallable | None = lambda made: torch.optim.lr_scheduler.StepLR(
            made, step_size=2, gamma=0.3
        ),
        landmark_weight: float = 0.5,
        refinement_weight: float = 1e-4,
        dice: str = "sample",
        start_from: str | None = None,
        threshold: float = 0.5,
        channels_last: bool = True,
        compile: bool = False,
        allow_upsample: bool = False,
        resize: int | None = None,
    ) -> None:
        more = (channels_last, compile, allow_upsample, resize)
        super().__init__(label_set, net, optimizer, scheduler, threshold, *more)
        if not isinstance(self.net, JAANet):
            raise FauError(f"JAADetection trains JAANet, not {type(self.net).__name__}; set model.net")
        if dice not in ("sample", "batch"):
            raise FauError(f"model.dice '{dice}' is unknown; choose sample or batch")
        for name, value in (("landmark_weight", landmark_weight), ("refinement_weight", refinement_weight)):
            if value < 0:
                raise FauError(f"model.{name} {value} is below 0; leave it out for the authors'")
        self.net.use_aus(aus_of(label_set))
        self.landmark_weight, self.refinement_weight = landmark_weight, refinement_weight
        self.dice_over_batch = dice == "batch"
        self._start_from = None if start_from is None else Path(start_from)
        self.started_from: dict[str, Any] = {}
        if self.net.version == 1:
            self._optimizer = self._refinement_faster(optimizer)

    def _refinement_faster(self, optimizer: OptimizerCallable) -> OptimizerCallable:
        """Wrap an optimiser's maker: the refinement's rate is twice that of the rest."""

        def make(_: Any) -> torch.optim.Optimizer:
            refine = list(self.net.refine.parameters())
            own = {id(parameter) for parameter in refine}
            rest = [parameter for parameter in self.net.parameters() if id(parameter) not in own]
            made = optimizer([{"params": rest}, {"params": refine}])
            made.param_groups[1]["lr"] *= 2
            return made

        return make

    @property
    def landmark_set(self) -> str | None:
        """The landmarks that JAA-Net learns."""
        return "49"

    def use_training_data(self, data: FaceDataModule) -> None:
        """Take the loss weights from the training part, and the weights that training starts from.

        Raises:
            FauError: If batches carry no landmarks, weights are of another kind, or the start does not fit.
        """
        super().use_training_data(data)
        if self.positive_weight is not None:
            raise FauError(f"data.weights '{data.weights}' weighs positives alone; JAA-Net takes inverse, or none")
        if self._start_from is not None:
            there, here = self._aus_of_start(self._start_from, data), aus_of(data.label_set)
            carried, fresh = start_from_other_aus(self.net, self._start_from, there, here)
            self.started_from = {"weights": str(self._start_from), "carried over": carried, "at random": fresh}

    def _aus_of_start(self, path: Path, data: FaceDataModule) -> tuple[int, ...]:
        """Return the action units of the weights that training starts from, in their order.

        Raises:
            FauError: If there is no such folder, or a run learned from groups that are tested here.
        """
        if not path.is_dir():
            raise FauError(
                f"model.start_from '{path}' is no folder; name a run, or a folder with the authors' six files"
            )
        run = source_run(path)
        if run is None:
            return PUBLISHED.get(outputs_of(path), ())
        self.notes += check_groups(run, data, "model.start_from")
        return aus_of(run.read()["label_set"])

    def record(self) -> dict[str, Any]:
        """Return what the run's record keeps of where training started."""
        return super().record() | ({"started_from": self.started_from} if self.started_from else {})

    def loss(self, output: NetOutput, batch: Batch) -> Tensor:
        """Return the loss of the union batch: each part's mean over what is coded of it.

        Raises:
            FauError: If it is not finite, which with JAA-Net means that the landmarks diverged.
        """
        if not isinstance(output, JAAOutput):
            raise TypeError(f"{type(self.net).__name__} gives no JAAOutput")
        label, mask = batch["label"], batch["label_mask"]
        loss = self.landmark_weight * self.union_mean(landmark_loss(output.landmarks, self.landmarks(batch)))
        for logits in (output.logits, output.local_logits):
            if logits is not None:
                score = logits.float().sigmoid()
                weight, whole = self.label_weight, self.dice_over_batch
                dice = weighted_dice(score, label, mask, weight, whole, union=self.union_sum)
                loss = loss + self.union_mean(masked_bce(logits, label, mask, label_weight=self.label_weight))
                loss = loss + self.union_mean(dice)
        if output.local_logits is None:
            refinement = refinement_loss(output.maps, output.initial_maps)
            loss = loss + self.refinement_weight * self.union_mean(refinement)
        if not torch.isfinite(loss):
            raise FauError("the loss of JAA-Net is not finite: its landmarks diverged; lower model.optimizer's lr")
        return loss

    def arrays(self, output: NetOutput, batch: Batch) -> dict[str, Tensor]:
        """Keep scores, labels and masks, and each face's landmark error in distances of its eyes."""
        if not isinstance(output, JAAOutput):
            raise TypeError(f"{type(self.net).__name__} gives no JAAOutput")
        target = self.landmarks(batch)
        error = (output.landmarks - target).square().sum(dim=2).sqrt().nanmean(dim=1)
        error = error / squared_interocular(target).sqrt()
        kept = super().arrays(output, batch) | {"au/landmark_error": error}
        if output.local_logits is not None:
            kept["au/local_score"] = output.local_logits.float().sigmoid()
        return kept

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Return the detection metrics, the mean landmark error and the rate of failures, of faces with landmarks."""
        error = arrays["au/landmark_error"]
        error = error[~np.isnan(error)]
        found = super().metrics(arrays)
        if len(error):
            found |= {"landmark_error": float(error.mean()), "landmark_failures": float((error > FAILURE).mean())}
        return found
