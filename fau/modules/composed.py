"""A module composed of tasks: one network, the tasks' columns of its outputs, the sum of their losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from numpy.typing import NDArray
from torch import Tensor, nn

from fau.data.datamodule import FaceDataModule
from fau.modules.base import Arrays, Batch, FaceModule
from fau.modules.start_from import start_from_run
from fau.modules.tasks import Task
from fau.nets.output import Net, NetOutput

MTL_SCORE = "mtl_score"


class ComposedModule(FaceModule):
    """Trains a network on one task or several.

    The arrays of all tasks are kept in one file, by ``task/name``. Of one task, metrics have the task's own names; of
    several, ``au/f1_macro`` and so on, ``loss`` being the weighted sum, and ``mtl_score`` chooses the checkpoint: the
    sum of macro F1 of the action units, macro F1 of the expressions and the mean CCC of valence and arousal, or what of
    them there is. With all three it is P_MTL of the ABAW challenges (Kollias, "ABAW: Valence-Arousal Estimation,
    Expression Recognition, Action Unit Detection & Multi-Task Learning Challenges", CVPR workshops 2022), as long as
    every label has a positive: one without is in no macro F1 here.

    Args:
        tasks: The tasks, in the order of the network's outputs.
        net: Builds the network for a number of outputs.
        optimizer: Builds the optimiser from the parameters.
        scheduler: Builds the learning rate schedule; None keeps the rate.
        channels_last: Lay activations out channel by channel within a pixel.
        compile: Compile the network by ``torch.compile``.
        allow_upsample: Let crops smaller than the network's input be enlarged.
        resize: Side in pixels of what a window of the network's input is cut from; None cuts nothing.
        loss_weights: Factor of each task's loss, by the task's name; 1 where there is none.
        start_from: A run whose weights training starts from, also of other labels (``fau.modules.start_from``).
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        net: Callable[[int], Net],
        optimizer: OptimizerCallable,
        scheduler: LRSchedulerCallable | None,
        channels_last: bool,
        compile: bool,
        allow_upsample: bool,
        resize: int | None = None,
        loss_weights: Mapping[str, float] | None = None,
        start_from: str | None = None,
    ) -> None:
        labels = [label for task in tasks for label in task.labels]
        super().__init__(net, len(labels), optimizer, scheduler, channels_last, compile, allow_upsample, resize)
        self.tasks: Sequence[Task] = nn.ModuleList(tasks)  # type: ignore[assignment]
        self.labels = labels
        self.task_labels = {task.name: task.labels for task in tasks}
        self.task = "+".join(self.task_labels)
        self.monitor = f"val/{tasks[0].headline if len(tasks) == 1 else MTL_SCORE}"
        self.loss_weights = {task.name: 1.0 for task in tasks} | dict(loss_weights or {})
        self._source_run = start_from
        self._carried: dict[str, Any] = {}

    def use_training_data(self, data: FaceDataModule) -> None:
        """Take from the training part what the losses need, and weights from the run that training starts from.

        Raises:
            FauError: If there is no such run, or it trained another network.
        """
        super().use_training_data(data)
        for task in self.tasks:
            task.use_training_data(data)
        if self._source_run is not None:
            self._carried, notes = start_from_run(self.net, self.labels, self._source_run, data)
            self.notes += notes

    def record(self) -> dict[str, Any]:
        """Return what the run's record keeps, with the run that training started from."""
        return super().record() | ({"started_from": self._carried} if self._carried else {})

    def loss(self, output: NetOutput, batch: Batch) -> Tensor:
        """Return the weighted sum of the tasks' losses of the union batch; a task that is not coded in it adds 0."""
        losses = [self.loss_weights[task.name] * task.loss(output, batch, self) for task in self.tasks]
        return sum(losses[1:], losses[0])

    def arrays(self, output: NetOutput, batch: Batch) -> dict[str, Tensor]:
        """Keep scores, labels and masks of every task."""
        return {name: value for task in self.tasks for name, value in task.arrays(output, batch).items()}

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Return the metrics of every task, and of several their sum."""
        of_task = {task.name: task.metrics(arrays) for task in self.tasks}
        if len(of_task) == 1:
            return of_task[self.task]
        loss = sum(self.loss_weights[name] * metrics["loss"] for name, metrics in of_task.items())
        score = sum(of_task[task.name][task.headline] for task in self.tasks)
        named = {f"{name}/{key}": value for name, metrics in of_task.items() for key, value in metrics.items()}
        return {"loss": loss, MTL_SCORE: score} | named

    def counts(self, arrays: Arrays, groups: NDArray[np.str_]) -> Arrays:
        """Return what reports pool over folds, by group; of several tasks by ``au/tp`` and so on."""
        of_task = {task.name: task.counts(arrays, groups) for task in self.tasks}
        if len(of_task) == 1:
            return of_task[self.task]
        return {f"{name}/{key}": value for name, counts in of_task.items() for key, value in counts.items()}
