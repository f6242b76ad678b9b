"""Labels of a crop set as arrays, in the order of a label set, with masks for what is not coded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from fau.crops.store import CropSet
from fau.errors import FauError
from fau.labels import EXPRESSIONS, au_column, au_label, intensity_column, label_set


@dataclass(frozen=True)
class Targets:
    """Labels of all N crops of a crop set, L action units wide.

    Attributes:
        aus: The label set's action units, in output order.
        au: Occurrence, float32 (N, L): 1 present, 0 absent or not coded.
        au_mask: bool (N, L), True where occurrence is coded.
        intensity: float32 (N, L), 0..5, 0 where not coded.
        intensity_mask: bool (N, L), True where intensity is coded.
        expression: int64 (N,), position in ``fau.labels.EXPRESSIONS``, -1 = none.
        valence_arousal: float32 (N, 2), -1..1, NaN = none.
    """

    aus: tuple[int, ...]
    au: NDArray[np.float32]
    au_mask: NDArray[np.bool_]
    intensity: NDArray[np.float32]
    intensity_mask: NDArray[np.bool_]
    expression: NDArray[np.int64]
    valence_arousal: NDArray[np.float32]

    @property
    def labels(self) -> list[str]:
        """Printed names of the action units, such as ``AU1``, in output order."""
        return [au_label(au) for au in self.aus]

    def take(self, indices: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return the labels of some crops as tensors, under the names that a batch uses."""
        arrays = {
            "au": self.au,
            "au_mask": self.au_mask,
            "intensity": self.intensity,
            "intensity_mask": self.intensity_mask,
            "expression": self.expression,
            "valence_arousal": self.valence_arousal,
        }
        return {name: torch.from_numpy(array[indices]) for name, array in arrays.items()}


def read_targets(cropset: CropSet, label_set_name: str, occurrence_threshold: int | None = None) -> Targets:
    """Read the labels of a crop set.

    Args:
        cropset: Where to read.
        label_set_name: A name in ``fau.labels.LABEL_SETS``.
        occurrence_threshold: Least intensity, 1..5, that counts as present; None takes occurrence as the crop set
            has it. With another threshold than the crop set's own, occurrence is made from intensity, and is not coded
            where intensity is not.

    Raises:
        FauError: If the crop set lacks an action unit of the label set, or its intensities where they are needed, or
            has an expression that is not in the vocabulary.
    """
    aus = label_set(label_set_name)
    name = cropset.info.name
    for au in aus:
        if au not in cropset.info.aus:
            has = ", ".join(au_label(a) for a in cropset.info.aus) or "none"
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
    expression = cropset.manifest["expression"]
    unknown = sorted(set(expression.drop_nulls().unique()) - set(EXPRESSIONS))
    if unknown:
        raise FauError(f"crop set '{name}' has the unknown expression '{unknown[0]}'; known: {', '.join(EXPRESSIONS)}")
    codes = expression.replace_strict({e: i for i, e in enumerate(EXPRESSIONS)}, default=-1, return_dtype=pl.Int64)
    return Targets(
        aus=aus,
        au=np.nan_to_num(occurrence, nan=0.0),
        au_mask=~np.isnan(occurrence),
        intensity=np.nan_to_num(intensity, nan=0.0),
        intensity_mask=~np.isnan(intensity),
        expression=codes.to_numpy().copy(),
        valence_arousal=_columns(cropset.manifest, ["valence", "arousal"]),
    )


def _columns(manifest: pl.DataFrame, names: list[str]) -> NDArray[np.float32]:
    """Return manifest columns as float32 (N, len(names)), null as NaN."""
    frame = manifest.select(pl.col(name).cast(pl.Float32).fill_null(float("nan")) for name in names)
    return np.ascontiguousarray(frame.to_numpy(), dtype=np.float32)
