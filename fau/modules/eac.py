"""Detection of action units by EAC-Net: a bounded cross-entropy, and regions drawn around landmarks of the crop set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from fau.errors import FauError
from fau.labels import label_set as aus_of
from fau.losses import clamped_cross_entropy
from fau.modules.base import Arrays, Batch
from fau.modules.detection import AUDetection
from fau.nets.eacnet import EACNet
from fau.nets.output import Net, NetOutput


class EACDetection(AUDetection):
    """Trains EAC-Net by its cross-entropy. But for the variant ``vgg``, ``data.landmarks`` must be 49.

    Faces without landmarks are trained and scored as the network sees them, without attention; the metric
    ``regions_unknown`` says how many regions of a part these are.

    Args:
        label_set: The action units, by the name of their set; follows ``data.label_set``.
        net: The network.
        optimizer: The optimiser; the default is the authors'.
        scheduler: The learning rate schedule, stepped once an epoch; None keeps the rate, as the authors do.
        margin: What bounds the loss: the authors' is 0.05.
        threshold: Least score that counts as present, in metrics and counts.
        channels_last: Lay activations out channel by channel within a pixel, which convolutions prefer.
        compile: Compile the network by ``torch.compile``.
        allow_upsample: Let crops smaller than the network's input be enlarged; such rows are marked in reports.
        resize: Side in pixels that crops are brought to before a window of the network's input is cut out of them: in
            training at random where ``data.augment`` is set, else from the centre. None resizes them to the input.

    Raises:
        FauError: If the network is another, or a setting cannot work.
    """

    net: EACNet

    def __init__(
        self,
        label_set: str = "bp4d12",
        net: Callable[[int], Net] = lambda num_outputs: EACNet(num_outputs),
        optimizer: OptimizerCallable = lambda parameters: torch.optim.SGD(
            parameters, lr=1e-4, momentum=0.9, nesterov=True
        ),
        scheduler: LRSchedulerCallable | None = None,
        margin: float = 0.05,
        threshold: float = 0.5,
        channels_last: bool = True,
        compile: bool = False,
        allow_upsample: bool = False,
        resize: int | None = None,
    ) -> None:
        more = (channels_last, compile, allow_upsample, resize)
        super().__init__(label_set, net, optimizer, scheduler, threshold, *more)
        if not isinstance(self.net, EACNet):
            raise FauError(f"EACDetection trains EACNet, not {type(self.net).__name__}; set model.net")
        if not margin > 0:
            raise FauError(f"model.margin {margin} is not above 0, where the loss is bounded; the authors' is 0.05")
        self.margin = margin
        self.without_region = self.net.use_aus(aus_of(label_set))

    def record(self) -> dict[str, Any]:
        """Return what the run's record keeps: where training started, and which AUs have no region of their own."""
        about = super().record()
        if self.net.weights is not None:
            about["started_from"] = {"weights": self.net.weights, "carried over": self.net.carried_over}
        if self.without_region and self.net.variant != "vgg":
            names = ", ".join(f"AU{au}" for au in self.without_region)
            sentence = f"EAC-Net looks at no place of {names} in particular; model.net.regions names the places"
            about["warnings"] = [*about.get("warnings", []), sentence]
        return about

    def loss(self, output: NetOutput, batch: Batch) -> Tensor:
        """Return the mean over the union batch's coded labels."""
        label, mask = batch["label"], batch["label_mask"]
        weights = (self.positive_weight, self.label_weight)
        return self.union_mean(clamped_cross_entropy(output.scores, label, mask, *weights, margin=self.margin))

    def arrays(self, output: NetOutput, batch: Batch) -> dict[str, Tensor]:
        """Keep scores, labels and masks, and the share of each face's regions whose centre is not known."""
        kept = super().arrays(output, batch)
        if self.net.landmarks is not None:
            unknown = ~torch.isfinite(self.net.share(self.landmarks(batch))).all(dim=-1)
            kept["au/regions_unknown"] = unknown.float().mean(dim=(1, 2))
        return kept

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Return the detection metrics and, where there are any, the share of regions whose centre is not known."""
        found = super().metrics(arrays)
        unknown = arrays.get("au/regions_unknown")
        if unknown is not None and unknown.any():
            found["regions_unknown"] = float(unknown.mean())
        return found
