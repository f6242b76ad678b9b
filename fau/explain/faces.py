"""Faces to look at, as a network takes them and as they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fau.crops.format import LANDMARK_POINTS
from fau.crops.store import CropSet
from fau.errors import FauError
from fau.landmarks import believed, convert
from fau.modules.base import Batch, FaceModule

CHUNK = 32  # faces in one forward pass


@dataclass(frozen=True)
class Faces:
    """Some crops with what is known of them; n of them.

    Attributes:
        crops: uint8 (n, H, W, 3), RGB.
        points: float32 (n, K, 2), pixels of the crops, NaN where not known.
        landmark_set: Of the points: ``49``, ``68``, ``478`` or ``none``.
        groups: (n,) subjects, or what stands for them.
        names: One a face, to print.
    """

    crops: NDArray[np.uint8]
    points: NDArray[np.float32]
    landmark_set: str
    groups: NDArray[np.str_]
    names: list[str]

    def __len__(self) -> int:
        return len(self.crops)

    def take(self, which: NDArray[np.int64] | Sequence[int]) -> Faces:
        """Return some of the faces, by position."""
        chosen = np.asarray(which, np.int64)
        names = [self.names[i] for i in chosen]
        crops, points = self.crops[chosen], self.points[chosen]
        return replace(self, crops=crops, points=points, groups=self.groups[chosen], names=names)

    def landmarks(self, wanted: str) -> NDArray[np.float32]:
        """Return points (n, K, 2) of a landmark set; all NaN where there are none, or no map leads to that set."""
        try:
            return convert(self.points, self.landmark_set, wanted)
        except FauError:
            return np.full((len(self), LANDMARK_POINTS[wanted], 2), np.nan, np.float32)


@dataclass(frozen=True)
class Pool:
    """Rows of a crop set, of which only those are read that are taken: a test fold may be larger than memory.

    Attributes:
        cropset: Where to read.
        rows: (n,) rows of its manifest.
    """

    cropset: CropSet
    rows: NDArray[np.int64]

    def take(self, which: NDArray[np.int64] | Sequence[int]) -> Faces:
        """Read some of the faces, by position."""
        rows = self.rows[np.asarray(which, np.int64)]
        some = self.cropset.manifest[rows.tolist()]
        groups = some["group"].to_numpy().astype(str)
        points = believed(self.cropset.landmarks(rows), self.cropset.size)
        return Faces(self.cropset.crops(rows), points, self.cropset.info.landmark_set, groups, list(some["id"]))


def batches(module: FaceModule, faces: Faces) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
    """Yield what a module's network takes: images (B, 3, S, S), and landmarks, NaN = not known, where it wants them.

    Raises:
        FauError: If crops are too small.
    """
    wanted = module.net.landmarks
    points = None if wanted is None else faces.landmarks(wanted)
    for start in range(0, len(faces), CHUNK):
        batch: Batch = {"image": torch.from_numpy(faces.crops[start : start + CHUNK]).to(module.device)}
        if points is not None:
            batch["landmarks"] = torch.from_numpy(points[start : start + CHUNK]).to(module.device)
        more = () if points is None else (module.landmarks(batch),)
        yield module.transform(batch["image"]), more


def check_landmarks(module: FaceModule, faces: Faces) -> None:
    """Check that each face has the landmarks that a network needs.

    Raises:
        FauError: If one has none.
    """
    wanted = module.net.landmarks
    if wanted is None:
        return
    lacking = np.isnan(faces.landmarks(wanted)).all(axis=(1, 2))
    if lacking.any():
        name = faces.names[int(lacking.argmax())]
        raise FauError(f"{type(module.net).__name__} needs {wanted} landmarks, and '{name}' has none; leave it out")


def inputs(module: FaceModule, faces: Faces) -> NDArray[np.uint8]:
    """Return the faces as the network sees them, resized and cut but not normalised: uint8 (n, S, S, 3)."""
    transform, side = module.transform, module.transform.input_size
    out = np.empty((len(faces), side, side, 3), np.uint8)
    for start in range(0, len(faces), CHUNK):
        image = transform(torch.from_numpy(faces.crops[start : start + CHUNK]).to(module.device))
        pixels = (image * transform.std + transform.mean).round().clamp(0, 255)
        out[start : start + CHUNK] = pixels.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()
    return out


def input_points(module: FaceModule, faces: Faces) -> Tensor:
    """Return the 49 landmarks of each face in pixels of the network's input, float32 (n, 49, 2); NaN = not known."""
    points = torch.from_numpy(np.ascontiguousarray(faces.landmarks("49")))
    return module.transform.points(points, faces.crops.shape[1])
