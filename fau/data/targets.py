"""Labels of a crop set as arrays, in the order of a label set, with masks for what is not coded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from fau.crops.store import CropSet
from fau.data.votes import read_shares
from fau.errors import FauError
from fau.labels import (
    AFFECT,
    EXPRESSIONS,
    au_column,
    au_label,
    expression_set,
    intensity_column,
    label_set,
    label_tasks,
    output_labels,
)


@dataclass(frozen=True)
class Targets:
    """Labels of all N crops of a crop set, L labels of a label set wide.

    Attributes:
        labels: Printed names of the label set, such as ``AU1``, ``happiness`` or ``valence``, in output order.
        tasks: Columns of each task of the label set: ``au``, ``expression``, ``va``.
        present: float32 (N, L): 1 present, 0 absent or not coded; one-hot for expressions; of valence and arousal the
            value, -1..1, 0 where not coded.
        coded: bool (N, L), True where that is coded. A frame whose class is not in a set of expressions is not coded.
        intensity: float32 (N, A), 0..5, 0 where not coded; A action units, none without such a task.
        intensity_mask: bool (N, A), True where intensity is coded.
        expression: int64 (N,), position in ``fau.labels.EXPRESSIONS``, -1 = none.
        valence_arousal: float32 (N, 2), -1..1, NaN = none.
        votes: float32 (N, K), shares of votes of the K expressions, which sum to 1 where one is coded; None where the
            expression itself is learned.
    """

    labels: list[str]
    tasks: dict[str, slice]
    present: NDArray[np.float32]
    coded: NDArray[np.bool_]
    intensity: NDArray[np.float32]
    intensity_mask: NDArray[np.bool_]
    expression: NDArray[np.int64]
    valence_arousal: NDArray[np.float32]
    votes: NDArray[np.float32] | None = None

    @property
    def single(self) -> bool:
        """Whether each sample has one label at most: a set of expressions, and nothing else."""
        return list(self.tasks) == ["expression"]

    @property
    def shown(self) -> NDArray[np.float32]:
        """1 where a label counts as shown, float32 (N, L): is present, or has a value of valence or arousal."""
        if "va" not in self.tasks:
            return self.present
        shown, values = self.present.copy(), self.tasks["va"]
        shown[:, values] = self.coded[:, values]
        return shown

    def take(self, indices: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return the labels of some crops as tensors, under the names that a batch uses."""
        arrays = {
            "label": self.present,
            "label_mask": self.coded,
            "intensity": self.intensity,
            "intensity_mask": self.intensity_mask,
            "expression": self.expression,
            "valence_arousal": self.valence_arousal,
        } | ({} if self.votes is None else {"votes": self.votes})
        return {name: torch.from_numpy(array[indices]) for name, array in arrays.items()}


def read_targets(
    cropset: CropSet, label_set_name: str, occurrence_threshold: int | None = None, votes: bool = False
) -> Targets:
    """Read the labels of a crop set.

    Args:
        cropset: Where to read.
        label_set_name: A label set, or several with plus signs between; see ``fau.labels.label_tasks``.
        occurrence_threshold: Least intensity, 1..5, that counts as present; None takes occurrence as the crop set
            has it. With another threshold than the crop set's own, occurrence is made from intensity, and is not coded
            where intensity is not.
        votes: Read the shares of votes of the expressions, too.

    Raises:
        FauError: If the crop set lacks an action unit of the label set, or its intensities where they are needed, or
            a class of the label set, or valence and arousal, or votes, or holds a label that cannot be.
    """
    expression = _expressions(cropset)
    valence_arousal = _columns(cropset.manifest, ["valence", "arousal"])
    intensity = np.zeros((len(expression), 0), np.float32)
    tasks: dict[str, slice] = {}
    present: list[NDArray[np.float32]] = []
    coded: list[NDArray[np.bool_]] = []
    for task, name in label_tasks(label_set_name).items():
        if task == "au":
            values, intensity = _occurrence(cropset, name, occurrence_threshold)
        elif task == "expression":
            values = _one_hot(cropset, expression, name)
        else:
            values = _affect(cropset, valence_arousal)
        start = sum(part.shape[1] for part in present)
        tasks[task] = slice(start, start + values.shape[1])
        present.append(np.nan_to_num(values, nan=0.0))
        coded.append(~np.isnan(values))
    shown = np.concatenate(present, axis=1)
    return Targets(
        labels=output_labels(label_set_name),
        tasks=tasks,
        present=shown,
        coded=np.concatenate(coded, axis=1),
        intensity=np.nan_to_num(intensity, nan=0.0),
        intensity_mask=~np.isnan(intensity),
        expression=expression,
        valence_arousal=valence_arousal,
        votes=_votes(cropset, label_set_name, shown[:, tasks.get("expression", slice(0))]) if votes else None,
    )


def _votes(cropset: CropSet, label_set_name: str, shown: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the shares of votes of the expressions, (N, K); a crop without votes that count has its class alone."""
    name = label_tasks(label_set_name).get("expression")
    if name is None:
        raise FauError(f"data.votes are of expressions, and label set '{label_set_name}' has none; set it to false")
    shares = read_shares(cropset, expression_set(name))
    return np.where(np.isnan(shares), shown, shares)


def _occurrence(
    cropset: CropSet, label_set_name: str, occurrence_threshold: int | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return occurrence and intensity of a label set's action units, (N, A) each, NaN where not coded."""
    aus = label_set(label_set_name)
    name = cropset.info.name
    for au in aus:
        if au not in cropset.info.aus:
            if not cropset.info.aus:
                raise FauError(
                    f"crop set '{name}' has no action units, which label set '{label_set_name}' asks for; train its "
                    "expressions by --config experiments/expression.yaml --data.label_set basic7"
                )
            has = ", ".join(au_label(a) for a in cropset.info.aus)
            raise FauError(
                f"crop set '{name}' has no labels for {au_label(au)}, which label set '{label_set_name}' asks for; "
                f"it has {has}: choose another label set"
            )
    intensity = _columns(cropset.manifest, [intensity_column(au) for au in aus])
    if occurrence_threshold is None or occurrence_threshold == cropset.info.occurrence_threshold:
        occurrence = _columns(cropset.manifest, [au_column(au) for au in aus])
    else:
        if not 1 <= occurrence_threshold <= 5:
            raise FauError(f"occurrence_threshold {occurrence_threshold} is outside 1..5, the coded intensities")
        for i, au in enumerate(aus):
            if np.isnan(intensity[:, i]).all():
                raise FauError(
                    f"crop set '{name}' has no intensities for {au_label(au)}, so occurrence_threshold "
                    f"{occurrence_threshold} cannot be applied; leave it out to take occurrence as coded"
                )
        occurrence = np.where(np.isnan(intensity), np.nan, intensity >= occurrence_threshold).astype(np.float32)
    return occurrence, intensity


def _expressions(cropset: CropSet) -> NDArray[np.int64]:
    """Return positions in ``EXPRESSIONS``, (N,), -1 = none."""
    expression = cropset.manifest["expression"]
    unknown = sorted(set(expression.drop_nulls().unique()) - set(EXPRESSIONS))
    if unknown:
        known = ", ".join(EXPRESSIONS)
        raise FauError(f"crop set '{cropset.info.name}' has the unknown expression '{unknown[0]}'; known: {known}")
    codes = expression.replace_strict({e: i for i, e in enumerate(EXPRESSIONS)}, default=-1, return_dtype=pl.Int64)
    return codes.to_numpy().copy()


def _one_hot(cropset: CropSet, expression: NDArray[np.int64], label_set_name: str) -> NDArray[np.float32]:
    """Return the classes of a set of expressions, float32 (N, K), a row of NaN where none of them is shown."""
    classes = expression_set(label_set_name)
    wanted = np.array([EXPRESSIONS.index(name) for name in classes])
    present: NDArray[np.float32] = (expression[:, None] == wanted).astype(np.float32)
    name = cropset.info.name
    if not present.any():
        raise FauError(
            f"crop set '{name}' has no expressions, which label set '{label_set_name}' asks for; "
            "choose a label set of action units, or prepare it with expressions (--task, where its corpus has tasks)"
        )
    if lacking := [label for label, shown in zip(classes, present.max(0), strict=True) if not shown]:
        has = ",".join(label for label in classes if label not in lacking)
        raise FauError(
            f"crop set '{name}' shows no {' and no '.join(lacking)}, which label set '{label_set_name}' asks for; "
            f"choose a label set without them: --data.label_set {has}"
        )
    present[present.max(1) == 0] = np.nan
    return present


def _affect(cropset: CropSet, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return valence and arousal, float32 (N, 2), NaN where not coded, once they are known to be there and in range."""
    name = cropset.info.name
    for column, label in zip(values.T, AFFECT, strict=True):
        coded = ~np.isnan(column)
        if not coded.any():
            raise FauError(f"crop set '{name}' has no {label}, which label set 'va' asks for; choose another label set")
        outside = coded & ~(np.abs(column) <= 1)
        if outside.any():
            row = int(outside.argmax())
            raise FauError(
                f"crop set '{name}' has {label} = {column[row]:.6g} in row '{cropset.manifest['id'][row]}', outside "
                "-1..1; put null where it is not known, and prepare the crop set again"
            )
    return values


def _columns(manifest: pl.DataFrame, names: list[str]) -> NDArray[np.float32]:
    """Return manifest columns as float32 (N, len(names)), null as NaN."""
    frame = manifest.select(pl.col(name).cast(pl.Float32).fill_null(float("nan")) for name in names)
    return np.ascontiguousarray(frame.to_numpy(), dtype=np.float32)
