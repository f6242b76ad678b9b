"""Classification of expressions: one of several classes a frame."""

from __future__ import annotations

from collections.abc import Callable

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable

from fau.labels import expression_set
from fau.modules.composed import ComposedModule
from fau.modules.tasks import ExpressionTask
from fau.nets.gla import GLACNN
from fau.nets.output import Net


class ExpressionClassification(ComposedModule):
    """Trains a network by cross-entropy over the classes of a label set, weighted as the data module says.

    Against imbalance there are weights (``data.weights``), undersampling (``data.undersample``), the focal loss, with
    weights or without, and logit adjustment: without weights, which would correct the same imbalance a second time, and
    by the shares of what undersampling keeps. Label smoothing goes with all but the focal loss.

    Args:
        label_set: The classes, by the name of their set; follows ``data.label_set``.
        net: The network; its outputs are the classes.
        optimizer: The optimiser.
        scheduler: The learning rate schedule, stepped once an epoch; None keeps the rate.
        label_smoothing: Share of the target that is spread evenly over all classes, 0..1.
        focal_gamma: Exponent of the focal loss (Lin et al., ICCV 2017), which lets samples that are right already count
            less; 2 is the paper's, 0 turns it off.
        logit_adjustment: Strength of logit adjustment (Menon et al., ICLR 2021): the loss sees logits + this * log of
            the classes' shares in training, scores do not; 1 is the paper's, 0 turns it off.
        channels_last: Lay activations out channel by channel within a pixel, which convolutions prefer.
        compile: Compile the network by ``torch.compile``.
        allow_upsample: Let crops smaller than the network's input be enlarged; such rows are marked in reports.
        resize: Side in pixels of what a window of the network's input is cut from; None cuts nothing.
        start_from: A run whose weights training starts from: its folder, its id below ``runs``, or a folder of runs
            (that of the same crop set, protocol, fold and seed is taken). Of other labels, those of the same name keep
            their weights, and the rest start at random.
    """

    def __init__(
        self,
        label_set: str = "affectnet8",
        net: Callable[[int], Net] = lambda num_outputs: GLACNN(num_outputs),
        optimizer: OptimizerCallable = lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        logit_adjustment: float = 0.0,
        channels_last: bool = True,
        compile: bool = False,
        allow_upsample: bool = False,
        resize: int | None = None,
        start_from: str | None = None,
    ) -> None:
        task = ExpressionTask(list(expression_set(label_set)), label_smoothing, focal_gamma, logit_adjustment)
        more = (channels_last, compile, allow_upsample, resize)
        super().__init__([task], net, optimizer, scheduler, *more, start_from=start_from)
