"""Tasks: what is learned of a face, each with its outputs, loss, arrays and metrics; a module is composed of them.

A task owns some columns of the network's outputs, and the same columns of a batch's ``label`` and ``label_mask``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.labels import AFFECT
from fau.losses import (
    adjusted_logits,
    concordance_loss,
    masked_bce,
    masked_cross_entropy,
    masked_focal,
    masked_soft_cross_entropy,
    masked_squared_error,
)
from fau.metrics import affect_metrics, au_metrics, expression_metrics, group_counts, group_moments, rank
from fau.modules.base import Arrays, Batch, FaceModule
from fau.nets.output import NetOutput

AffectLoss = Literal["ccc", "mse"]


class Task(nn.Module):
    """One task of a network.

    Args:
        labels: Printed names of its labels, in output order.
        start: First of its columns among the network's outputs.
    """

    name: str  # the first part of the names of its arrays
    headline: str  # the metric that speaks for it: it chooses the checkpoint

    def __init__(self, labels: Sequence[str], start: int = 0) -> None:
        super().__init__()
        self.labels = list(labels)
        self.columns = slice(start, start + len(self.labels))

    def use_training_data(self, data: FaceDataModule) -> None:
        """Take from the training part what the loss needs."""

    def loss(self, output: NetOutput, batch: Batch, module: FaceModule) -> Tensor:
        """Return the loss of the union batch, a scalar: ``module`` knows how to sum over processes."""
        raise NotImplementedError

    def arrays(self, output: NetOutput, batch: Batch) -> dict[str, Tensor]:
        """Return ``score``, ``label`` and ``mask`` of a batch, each (B, L), under ``name/``."""
        label, mask = self._coded(batch)
        return {
            f"{self.name}/score": self.scores(output),
            f"{self.name}/label": torch.where(mask, label, 0).to(torch.int8),
            f"{self.name}/mask": mask,
        }

    def scores(self, output: NetOutput) -> Tensor:
        """Return what is predicted (B, L), float32 at least."""
        raise NotImplementedError

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Return the metrics of a part, ``loss`` among them."""
        raise NotImplementedError

    def counts(self, arrays: Arrays, groups: np.typing.NDArray[np.str_]) -> Arrays:
        """Return what reports pool over folds, by group; ``groups`` names each sample's."""
        raise NotImplementedError

    def _coded(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return batch["label"][:, self.columns], batch["label_mask"][:, self.columns]

    def _kept(self, arrays: Arrays) -> Arrays:
        return {part: arrays[f"{self.name}/{part}"] for part in ("score", "label", "mask")}

    def _weights(self, data: FaceDataModule) -> Tensor | None:
        weights = data.positive_weights()
        return None if weights is None else torch.from_numpy(weights[self.columns])


class AUTask(Task):
    """Detection of action units, each present or absent, by masked binary cross-entropy.

    Args:
        labels: Printed names of the action units.
        threshold: Least score that counts as present, in metrics and counts.
        start: First of its columns among the network's outputs.
    """

    name = "au"
    headline = "f1_macro"
    positive_weight: Tensor | None
    label_weight: Tensor | None

    def __init__(self, labels: Sequence[str], threshold: float = 0.5, start: int = 0) -> None:
        super().__init__(labels, start)
        if not 0 < threshold < 1:
            raise FauError(f"model.threshold {threshold} is not between 0 and 1, as scores are; 0.5 is usual")
        self.threshold = threshold
        # Not persistent: weights belong to the fold's training part and not to the trained network.
        self.register_buffer("positive_weight", None, persistent=False)
        self.register_buffer("label_weight", None, persistent=False)

    def use_training_data(self, data: FaceDataModule) -> None:
        """Take the loss weights from the training part."""
        # Text 002 weights the positive term alone; ME-GraphAU and Cui et al. a label's whole term.
        kind = "positive_weight" if data.weights == "balanced" else "label_weight"
        setattr(self, kind, self._weights(data))

    def loss(self, output: NetOutput, batch: Batch, module: FaceModule) -> Tensor:
        """Return the mean over the union batch's coded labels."""
        logits = output.logits[:, self.columns]
        return module.union_mean(masked_bce(logits, *self._coded(batch), self.positive_weight, self.label_weight))

    def scores(self, output: NetOutput) -> Tensor:
        """Return probabilities."""
        return output.scores[:, self.columns]

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Return the detection metrics and the unweighted cross-entropy."""
        kept = self._kept(arrays)
        logits = torch.logit(torch.from_numpy(kept["score"]).double(), eps=1e-7)
        loss = masked_bce(logits, torch.from_numpy(kept["label"]), torch.from_numpy(kept["mask"])).mean()
        return {"loss": float(loss)} | au_metrics(**kept, labels=self.labels, threshold=self.threshold)

    def counts(self, arrays: Arrays, groups: np.typing.NDArray[np.str_]) -> Arrays:
        """Return hits and misses of every label, and its scores without a threshold."""
        kept = self._kept(arrays)
        return group_counts(**kept, groups=groups, threshold=self.threshold) | {
            **rank(**kept).arrays(),
            "labels": np.array(self.labels, dtype=np.str_),
            "threshold": np.array(self.threshold),
        }


class ExpressionTask(Task):
    """Classification of expressions: one of several classes a frame.

    Args:
        labels: Names of the classes.
        label_smoothing: Share of the target that is spread evenly over all classes, 0..1.
        focal_gamma: Exponent of the focal loss; 0 is cross-entropy.
        logit_adjustment: Strength of the adjustment for the classes' shares in training; 0 for none.
        start: First of its columns among the network's outputs.

    Raises:
        FauError: If a setting is out of its range, or two contradict each other.
    """

    name = "expression"
    headline = "f1_macro"
    class_weight: Tensor | None
    prior: Tensor | None

    def __init__(
        self,
        labels: Sequence[str],
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        logit_adjustment: float = 0.0,
        start: int = 0,
    ) -> None:
        super().__init__(labels, start)
        if not 0 <= label_smoothing < 1:
            raise FauError(f"model.label_smoothing {label_smoothing} is outside 0..1; 0.1 is usual")
        if not 0 <= focal_gamma < math.inf:
            raise FauError(
                f"model.focal_gamma {focal_gamma} is below 0 or not finite; 2 is the paper's, 0 turns it off"
            )
        if not 0 <= logit_adjustment < math.inf:
            raise FauError(
                f"model.logit_adjustment {logit_adjustment} is below 0 or not finite; 1 is the paper's, 0 turns it off"
            )
        if focal_gamma and label_smoothing:
            raise FauError(
                "model.focal_gamma and model.label_smoothing contradict each other: one turns from samples that are "
                "surely right, the other keeps them from being sure; set one of them to 0"
            )
        if focal_gamma and logit_adjustment:
            raise FauError(
                "model.focal_gamma and model.logit_adjustment are two answers to imbalance, which no paper has "
                "combined; set one of them to 0"
            )
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma
        self.logit_adjustment = logit_adjustment
        # Not persistent: weights belong to the fold's training part and not to the trained network.
        self.register_buffer("class_weight", None, persistent=False)
        self.register_buffer("prior", None, persistent=False)

    def use_training_data(self, data: FaceDataModule) -> None:
        """Take class weights, or the shares that logits are adjusted for, from the training part.

        Raises:
            FauError: If both are asked for: together they correct one imbalance twice. If the focal loss, which asks
                how sure the right class is, is to learn from votes for several.
        """
        if self.focal_gamma and data.votes:
            raise FauError(
                "model.focal_gamma is of samples with one class, and data.votes gives them several; set one of them off"
            )
        if not self.logit_adjustment:
            self.class_weight = self._weights(data)
            return
        if data.weights != "none" and "au" not in data.targets.tasks:
            raise FauError(
                f"model.logit_adjustment and data.weights '{data.weights}' correct the same imbalance, together twice; "
                "set data.weights to none, or logit_adjustment to 0"
            )
        self.prior = torch.from_numpy(data.plan.rates()[self.columns]).float()

    def loss(self, output: NetOutput, batch: Batch, module: FaceModule) -> Tensor:
        """Return the mean over the union batch's samples, weighted by their classes; of votes where a batch has them.

        A batch's ``votes`` are shares of the classes, (B, K).
        """
        label, mask = self._coded(batch)
        target = torch.where(mask[:, 0], label.argmax(1), -1)
        logits = output.logits[:, self.columns]
        if self.focal_gamma:
            return module.union_mean(masked_focal(logits, target, self.focal_gamma, class_weight=self.class_weight))
        if self.prior is not None:
            logits = adjusted_logits(logits, self.prior, self.logit_adjustment)
        if "votes" in batch:
            coded = mask[:, 0]
            soft = masked_soft_cross_entropy(logits, batch["votes"], coded, self.class_weight, self.label_smoothing)
            return module.union_mean(soft)
        return module.union_mean(masked_cross_entropy(logits, target, self.class_weight, self.label_smoothing))

    def scores(self, output: NetOutput) -> Tensor:
        """Return probabilities, which no adjustment of training has a part in."""
        return output.logits[:, self.columns].float().softmax(1)

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Return the classification metrics and the unweighted cross-entropy."""
        kept = self._kept(arrays)
        coded = kept["mask"][:, 0]
        likelihood = kept["score"][coded].astype(float)[kept["label"][coded] == 1]
        loss = -np.log(np.maximum(likelihood, 1e-12)).mean() if coded.any() else np.nan
        return {"loss": float(loss)} | expression_metrics(**kept, labels=self.labels)

    def counts(self, arrays: Arrays, groups: np.typing.NDArray[np.str_]) -> Arrays:
        """Return hits and misses of every class, the one with the highest score being called, and its ranking."""
        kept = self._kept(arrays)
        return group_counts(**kept, groups=groups, threshold=None) | {
            **rank(**kept).arrays(),
            "labels": np.array(self.labels, dtype=np.str_),
            "threshold": np.array(np.nan),
        }


class AffectTask(Task):
    """Regression of valence and arousal, -1..1 each.

    Args:
        loss: ``ccc``, 1 - CCC of the union batch averaged over the two, or ``mse``, the mean squared error.
        bounded: Whether predictions go through a hyperbolic tangent and so stay within -1..1.
        start: First of its columns among the network's outputs.

    Raises:
        FauError: If the loss is another.
    """

    name = "va"
    headline = "ccc_mean"

    def __init__(self, loss: AffectLoss = "ccc", bounded: bool = True, start: int = 0) -> None:
        super().__init__(AFFECT, start)
        if loss not in ("ccc", "mse"):
            raise FauError(f"the loss '{loss}' of valence and arousal is unknown; choose ccc or mse")
        self.kind: AffectLoss = loss
        self.bounded = bounded

    def loss(self, output: NetOutput, batch: Batch, module: FaceModule) -> Tensor:
        """Return the loss of the union batch."""
        if self.kind == "ccc":
            return concordance_loss(self.scores(output), *self._coded(batch), module.union_sum)
        return module.union_mean(masked_squared_error(self.scores(output), *self._coded(batch)))

    def arrays(self, output: NetOutput, batch: Batch) -> dict[str, Tensor]:
        """Keep predictions, labels and masks; labels are numbers here."""
        label, mask = self._coded(batch)
        return super().arrays(output, batch) | {"va/label": torch.where(mask, label, 0.0)}

    def scores(self, output: NetOutput) -> Tensor:
        """Return predicted valence and arousal."""
        values = output.logits[:, self.columns].float()
        return values.tanh() if self.bounded else values

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Return CCC, RMSE, Pearson's r and SAGR, and the loss: of the whole part, not a mean over its batches."""
        found = affect_metrics(**self._kept(arrays), labels=self.labels)
        squares = [value**2 for name, value in found.items() if name.startswith("rmse/")]
        mse = float(np.mean(squares)) if squares else float("nan")
        return {"loss": 1 - found["ccc_mean"] if self.kind == "ccc" else mse} | found

    def counts(self, arrays: Arrays, groups: np.typing.NDArray[np.str_]) -> Arrays:
        """Return the moments of both."""
        return group_moments(**self._kept(arrays), groups=groups) | {"labels": np.array(self.labels, dtype=np.str_)}
