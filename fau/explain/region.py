"""Where on a face a label should be seen: discs about an action unit's centres, squares about the parts of a face.

The centres are those that EAC-Net's and JAA-Net's attention is drawn from (``fau.nets.au_maps``). An expression has no
one place: what falls on eyes, brows and mouth is told instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fau.crops.regions import region_boxes
from fau.labels import AU_NAMES, au_label
from fau.landmarks import REGIONS, interocular_distance
from fau.nets.au_maps import RULES_49, Centres

RADIUS: Final = 0.3  # of the distance between the eyes' centres; ours, about the reach of a muscle on the skin
PARTS: Final = {"eyes": ("right_eye", "left_eye"), "brows": ("right_brow", "left_brow"), "mouth": ("mouth",)}

_AU: Final = {au_label(au): au for au in AU_NAMES}


@dataclass(frozen=True)
class Regions:
    """Regions of n faces in the network's input.

    Attributes:
        names: What the R regions are of: action units by their label, or parts of the face.
        masks: bool (n, R, S, S); all False where landmarks are missing.
    """

    names: list[str]
    masks: NDArray[np.bool_]

    def of(self, name: str) -> NDArray[np.bool_] | None:
        """Return a region's masks (n, S, S); None where it has no place on the face."""
        return self.masks[:, self.names.index(name)] if name in self.names else None


def placed(labels: Sequence[str]) -> list[str]:
    """Return the labels that have a place on the face: the action units with a rule."""
    return [label for label in labels if _AU.get(label) in RULES_49]


def same_place(first: str, second: str) -> bool:
    """Tell whether two action units are looked for at the same place."""
    return RULES_49.get(_AU.get(first, 0)) == RULES_49.get(_AU.get(second, 0))


def regions(labels: Sequence[str], points: Tensor, size: int) -> Regions:
    """Return the regions of the action units among some labels; the parts of the face where there are none.

    Args:
        labels: Printed names, such as ``AU12`` or ``happiness``.
        points: 49 landmarks, (n, 49, 2), pixels of the input with centres at whole numbers, NaN = not known.
        size: S, side of the input.
    """
    units = placed(labels)
    if units:
        return Regions(units, _discs([_AU[name] for name in units], points, size))
    boxes = region_boxes(points.numpy(), "49")  # (n, 5, 3)
    squares = {name: _squares(boxes[:, i], size) for i, name in enumerate(REGIONS)}
    masks = [np.logical_or.reduce([squares[name] for name in names]) for names in PARTS.values()]
    return Regions(list(PARTS), np.stack(masks, axis=1))


def _discs(aus: Sequence[int], points: Tensor, size: int) -> NDArray[np.bool_]:
    centres = Centres(aus)(points)  # (n, N, 2, 2)
    radius = RADIUS * torch.from_numpy(interocular_distance(points.numpy(), "49"))
    cells = torch.arange(size, dtype=points.dtype)
    across = (cells - centres[..., 0, None]).square()[..., None, :]  # (n, N, 2, 1, S)
    down = (cells - centres[..., 1, None]).square()[..., :, None]
    inside = across + down <= radius.square()[:, None, None, None, None]  # False where a point is NaN
    return np.asarray(inside.any(dim=2).numpy())


def _squares(boxes: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    cells = np.arange(size)
    half = boxes[:, 2:] / 2
    across = np.abs(cells - boxes[:, :1]) <= half
    down = np.abs(cells - boxes[:, 1:2]) <= half
    return np.asarray(down[:, :, None] & across[:, None, :])
