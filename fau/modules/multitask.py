"""Several tasks in one network: action units, expressions, valence and arousal."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable

from fau.errors import FauError
from fau.labels import label_tasks, task_labels
from fau.modules.composed import ComposedModule
from fau.modules.tasks import AffectLoss, AffectTask, AUTask, ExpressionTask, Task
from fau.nets.gla import GLACNN
from fau.nets.output import Net


class MultiTask(ComposedModule):
    """Trains one network on all tasks of a label set; a frame counts for those that it has labels of.

    ``data.weights`` weighs action units and expressions, each by its own rates; with logit adjustment the action units
    alone. See ``ComposedModule`` for what the metrics are called and which of them chooses the checkpoint.

    Args:
        label_set: One set a task with plus signs between, ``affwild12+affwild8+va``; follows ``data.label_set``.
        net: The network; its outputs are those of action units, expressions, valence and arousal, in this order.
        optimizer: The optimiser.
        scheduler: The learning rate schedule, stepped once an epoch; None keeps the rate.
        au_weight: Factor of the action units' loss; with 0 they are scored and not learned.
        expression_weight: Factor of the expressions' loss.
        va_weight: Factor of the loss of valence and arousal.
        threshold: Least score of an action unit that counts as present, in metrics and counts.
        label_smoothing: Of the expressions; see ``ExpressionClassification``.
        focal_gamma: Of the expressions.
        logit_adjustment: Of the expressions.
        va_loss: ``ccc`` or ``mse``; see ``AffectRegression``.
        va_bounded: Whether predicted valence and arousal stay within -1..1.
        channels_last: Lay activations out channel by channel within a pixel, which convolutions prefer.
        compile: Compile the network by ``torch.compile``.
        allow_upsample: Let crops smaller than the network's input be enlarged; such rows are marked in reports.
        resize: Side in pixels of what a window of the network's input is cut from; None cuts nothing.
        start_from: A run whose weights training starts from: its folder, its id below ``runs``, or a folder of runs
            (that of the same crop set, protocol, fold and seed is taken). Of other labels, those of the same name keep
            their weights, and the rest start at random.

    Raises:
        FauError: If a setting is out of its range, or two contradict each other.
    """

    def __init__(
        self,
        label_set: str = "affwild12+affwild8+va",
        net: Callable[[int], Net] = lambda num_outputs: GLACNN(num_outputs),
        optimizer: OptimizerCallable = lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
        au_weight: float = 1.0,
        expression_weight: float = 1.0,
        va_weight: float = 1.0,
        threshold: float = 0.5,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        logit_adjustment: float = 0.0,
        va_loss: AffectLoss = "ccc",
        va_bounded: bool = True,
        channels_last: bool = True,
        compile: bool = False,
        allow_upsample: bool = False,
        resize: int | None = None,
        start_from: str | None = None,
    ) -> None:
        weights = {"au": au_weight, "expression": expression_weight, "va": va_weight}
        tasks: list[Task] = []
        for name, part in label_tasks(label_set).items():
            labels, start = task_labels(name, part), sum(len(task.labels) for task in tasks)
            if name == "au":
                tasks.append(AUTask(labels, threshold, start))
            elif name == "expression":
                tasks.append(ExpressionTask(labels, label_smoothing, focal_gamma, logit_adjustment, start))
            else:
                tasks.append(AffectTask(va_loss, va_bounded, start))
        for name, weight in weights.items():
            if not 0 <= weight < math.inf:
                raise FauError(f"model.{name}_weight {weight} is below 0 or not finite; 1 weighs every loss alike")
        kept = {task.name: weights[task.name] for task in tasks}
        if not any(kept.values()):
            settings = " and ".join(f"model.{name}_weight" for name in kept)
            raise FauError(f"{settings} leave nothing of label set '{label_set}' to learn; give one of them 1")
        more = (channels_last, compile, allow_upsample, resize, kept, start_from)
        super().__init__(tasks, net, optimizer, scheduler, *more)
        if "au" in kept:
            self.threshold: float | None = threshold
