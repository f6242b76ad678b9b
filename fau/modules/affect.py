"""Valence and arousal: two numbers a frame."""

from __future__ import annotations

from collections.abc import Callable

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable

from fau.errors import FauError
from fau.modules.composed import ComposedModule
from fau.modules.tasks import AffectLoss, AffectTask
from fau.nets.gla import GLACNN
from fau.nets.output import Net


class AffectRegression(ComposedModule):
    """Trains a network on valence and arousal, by 1 - CCC of a batch or by the mean squared error.

    CCC is a property of a batch: small batches make its estimate, and so the loss, noisy. Under DDP it is that of the
    batch of all processes together.

    Args:
        label_set: Must be ``va``; follows ``data.label_set``.
        net: The network; its two outputs are valence and arousal.
        optimizer: The optimiser.
        scheduler: The learning rate schedule, stepped once an epoch; None keeps the rate.
        loss: ``ccc`` or ``mse``.
        bounded: Whether predictions go through a hyperbolic tangent and so stay within -1..1, as labels do.
        channels_last: Lay activations out channel by channel within a pixel, which convolutions prefer.
        compile: Compile the network by ``torch.compile``.
        allow_upsample: Let crops smaller than the network's input be enlarged; such rows are marked in reports.
        resize: Side in pixels of what a window of the network's input is cut from; None cuts nothing.
        start_from: A run whose weights training starts from: its folder, its id below ``runs``, or a folder of runs
            (that of the same crop set, protocol, fold and seed is taken). Of other labels, those of the same name keep
            their weights, and the rest start at random.

    Raises:
        FauError: If the label set is another.
    """

    def __init__(
        self,
        label_set: str = "va",
        net: Callable[[int], Net] = lambda num_outputs: GLACNN(num_outputs),
        optimizer: OptimizerCallable = lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
        loss: AffectLoss = "ccc",
        bounded: bool = True,
        channels_last: bool = True,
        compile: bool = False,
        allow_upsample: bool = False,
        resize: int | None = None,
        start_from: str | None = None,
    ) -> None:
        if label_set != "va":
            raise FauError(
                f"label set '{label_set}' is not va, valence and arousal; set data.label_set to va, or train several "
                "tasks by --config experiments/multitask.yaml"
            )
        task = AffectTask(loss, bounded)
        more = (channels_last, compile, allow_upsample, resize)
        super().__init__([task], net, optimizer, scheduler, *more, start_from=start_from)
