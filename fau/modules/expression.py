"""Classification of expressions: one of several classes a frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.labels import expression_set
from fau.losses import masked_cross_entropy
from fau.metrics import expression_metrics
from fau.modules.base import Arrays, Batch, FaceModule
from fau.nets.gla import GLACNN
from fau.nets.output import Net, NetOutput


class ExpressionClassification(FaceModule):
    """Trains a network by cross-entropy over the classes of a label set, weighted as the data module says.

    Args:
        label_set: The classes, by the name of their set; follows ``data.label_set``.
        net: The network; its outputs are the classes.
        optimizer: The optimiser.
        scheduler: The learning rate schedule, stepped once an epoch; None keeps the rate.
        label_smoothing: Share of the target that is spread evenly over all classes, 0..1.
        channels_last: Lay activations out channel by channel within a pixel, which convolutions prefer.
        compile: Compile the network by ``torch.compile``.
        allow_upsample: Let crops smaller than the network's input be enlarged; such rows are marked in reports.
    """

    task = "expression"
    class_weight: Tensor | None

    def __init__(
        self,
        label_set: str = "affectnet8",
        net: Callable[[int], Net] = lambda num_outputs: GLACNN(num_outputs),
        optimizer: OptimizerCallable = lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
        label_smoothing: float = 0.0,
        channels_last: bool = True,
        compile: bool = False,
        allow_upsample: bool = False,
    ) -> None:
        self.labels = list(expression_set(label_set))
        super().__init__(net, len(self.labels), optimizer, scheduler, channels_last, compile, allow_upsample)
        if not 0 <= label_smoothing < 1:
            raise FauError(f"model.label_smoothing {label_smoothing} is outside 0..1; 0.1 is usual")
        self.label_smoothing = label_smoothing
        # Not persistent: weights belong to the fold's training part and not to the trained network.
        self.register_buffer("class_weight", None, persistent=False)

    def use_training_data(self, data: FaceDataModule) -> None:
        """Take the loss weights from the training part."""
        super().use_training_data(data)
        weights = data.positive_weights()
        if weights is not None:
            self.class_weight = torch.from_numpy(weights)

    def loss(self, output: NetOutput, batch: Batch) -> Tensor:
        """Return the mean over the union batch's samples, weighted by their classes."""
        target = torch.where(batch["label_mask"][:, 0], batch["label"].argmax(1), -1)
        loss = masked_cross_entropy(
            output.logits, target, class_weight=self.class_weight, smoothing=self.label_smoothing
        )
        return self.union_mean(loss)

    def arrays(self, output: NetOutput, batch: Batch) -> dict[str, Tensor]:
        """Keep probabilities, one-hot labels and masks."""
        return {
            "expression/score": output.logits.float().softmax(1),
            "expression/label": torch.where(batch["label_mask"], batch["label"], 0).to(torch.int8),
            "expression/mask": batch["label_mask"],
        }

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Return the classification metrics and the unweighted cross-entropy."""
        score, label, mask = (arrays[f"expression/{name}"] for name in ("score", "label", "mask"))
        coded = mask[:, 0]
        likelihood = score[coded].astype(float)[label[coded] == 1]
        loss = -np.log(np.maximum(likelihood, 1e-12)).mean() if coded.any() else np.nan
        return {"loss": float(loss)} | expression_metrics(score, label, mask, self.labels)
