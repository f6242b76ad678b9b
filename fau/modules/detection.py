"""Detection of action units: several labels a frame, each present or absent."""

from __future__ import annotations

from collections.abc import Callable

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.labels import au_label, label_set
from fau.losses import masked_bce
from fau.metrics import au_metrics
from fau.modules.base import Arrays, Batch, FaceModule
from fau.nets.gla import GLACNN
from fau.nets.output import Net, NetOutput


class AUDetection(FaceModule):
    """Trains a network by masked binary cross-entropy, weighted as the data module says.

    Args:
        label_set: The action units, by the name of their set; follows ``data.label_set``.
        net: The network; its outputs are the label set's.
        optimizer: The optimiser; the default is the paper's (Le Hoai et al., ABAW 2022).
        scheduler: The learning rate schedule, stepped once an epoch; None keeps the rate.
        threshold: Least score that counts as present, in metrics and counts.
        channels_last: Lay activations out channel by channel within a pixel, which convolutions prefer.
        compile: Compile the network by ``torch.compile``.
        allow_upsample: Let crops smaller than the network's input be enlarged; such rows are marked in reports.
    """

    task = "au"
    positive_weight: Tensor | None
    label_weight: Tensor | None

    def __init__(
        self,
        label_set: str = "bp4d12",
        net: Callable[[int], Net] = lambda num_outputs: GLACNN(num_outputs),
        optimizer: OptimizerCallable = lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
        threshold: float = 0.5,
        channels_last: bool = True,
        compile: bool = False,
        allow_upsample: bool = False,
    ) -> None:
        self.labels = [au_label(au) for au in _label_set(label_set)]
        super().__init__(net, len(self.labels), optimizer, scheduler, channels_last, compile, allow_upsample)
        if not 0 < threshold < 1:
            raise FauError(f"model.threshold {threshold} is not between 0 and 1, as scores are; 0.5 is usual")
        self.threshold: float = threshold
        # Not persistent: weights belong to the fold's training part and not to the trained network.
        self.register_buffer("positive_weight", None, persistent=False)
        self.register_buffer("label_weight", None, persistent=False)

    def use_training_data(self, data: FaceDataModule) -> None:
        """Take the loss weights from the training part."""
        super().use_training_data(data)
        weights = data.positive_weights()
        if weights is not None:
            # Text 002 weights the positive term alone, ME-GraphAU a label's whole term.
            kind = "label_weight" if data.weights == "inverse" else "positive_weight"
            setattr(self, kind, torch.from_numpy(weights))

    def loss(self, output: NetOutput, batch: Batch) -> Tensor:
        """Return the mean over the union batch's coded labels."""
        loss = masked_bce(output.logits, batch["label"], batch["label_mask"], self.positive_weight, self.label_weight)
        return self.union_mean(loss)

    def arrays(self, output: NetOutput, batch: Batch) -> dict[str, Tensor]:
        """Keep scores, labels and masks."""
        return {
            "au/score": output.scores,
            "au/label": torch.where(batch["label_mask"], batch["label"], 0).to(torch.int8),
            "au/mask": batch["label_mask"],
        }

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Return the detection metrics and the unweighted cross-entropy."""
        score, label, mask = arrays["au/score"], arrays["au/label"], arrays["au/mask"]
        logits = torch.logit(torch.from_numpy(score).double(), eps=1e-7)
        loss = masked_bce(logits, torch.from_numpy(label), torch.from_numpy(mask)).mean()
        return {"loss": float(loss)} | au_metrics(score, label, mask, self.labels, self.threshold)


_label_set = label_set  # the constructor's parameter of the same name hides it there
