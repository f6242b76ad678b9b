"""Detection of action units: several labels a frame, each present or absent."""

from __future__ import annotations

from collections.abc import Callable

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from fau.labels import au_label, label_set
from fau.modules.composed import ComposedModule
from fau.modules.tasks import AUTask
from fau.nets.gla import GLACNN
from fau.nets.output import Net


class AUDetection(ComposedModule):
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
        resize: Side in pixels that crops are brought to before a window of the network's input is cut out of them: in
            training at random where ``data.augment`` is set, else from the centre. None resizes them to the input.
        start_from: A run whose weights training starts from: its folder, its id below ``runs``, or a folder of runs
            (that of the same crop set, protocol, fold and seed is taken). Of other labels, those of the same name keep
            their weights, and the rest start at random.
    """

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
        resize: int | None = None,
        start_from: str | None = None,
    ) -> None:
        au = AUTask([au_label(au) for au in _label_set(label_set)], threshold)
        more = (channels_last, compile, allow_upsample, resize)
        super().__init__([au], net, optimizer, scheduler, *more, start_from=start_from)
        self._au = au
        self.threshold: float = threshold

    @property
    def positive_weight(self) -> Tensor | None:
        """Factors of the positive terms (L,); None without."""
        return self._au.positive_weight

    @property
    def label_weight(self) -> Tensor | None:
        """Factors of the labels' whole terms (L,); None without."""
        return self._au.label_weight


_label_set = label_set  # the constructor's parameter of the same name hides it there
