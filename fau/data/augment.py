"""Augmentation recipes of albumentations; the only file that imports it.

A recipe is a named function that returns albumentations transforms; ``@recipe("name")`` makes it known, and no list is
edited. A pipeline saved by ``albumentations.save`` serves as well, by the path of its .json file. Crops keep
their size and dtype; landmarks go along as keypoints.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fau import landmarks as landmark_sets
from fau.errors import FauError

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # else importing it asks a server for the newest version

import albumentations as A  # noqa: N812


class Similarity(A.DualTransform):  # type: ignore[misc] # albumentations is not typed
    """Scales and rotates about the centre of the crop; the part of ``A.Affine`` that faces need, at half its cost.

    ``A.Affine`` spends more time on building and comparing matrices than on warping a crop of 112 px. What turns in
    from outside repeats the border: a black wedge would be an edge that no test crop has.

    Args:
        scale: Range of the factor; above 1 enlarges.
        rotate: Range of the angle in degrees.
        p: Probability of being applied.
    """

    _targets = (A.core.type_definitions.Targets.IMAGE, A.core.type_definitions.Targets.KEYPOINTS)

    def __init__(
        self, scale: tuple[float, float] = (0.9, 1.1), rotate: tuple[float, float] = (-10.0, 10.0), p: float = 1.0
    ) -> None:
        super().__init__(p=p)
        self.scale = scale
        self.rotate = rotate

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Draw one matrix, (2, 3), from pixels of the crop to pixels of the result."""
        height, width = params["shape"][:2]
        centre = ((width - 1) / 2, (height - 1) / 2)  # pixel centres are at integers
        angle, scale = self.py_random.uniform(*self.rotate), self.py_random.uniform(*self.scale)
        return {"matrix": cv2.getRotationMatrix2D(centre, angle, scale)}

    def apply(self, img: NDArray[Any], matrix: NDArray[np.float64], **_: Any) -> NDArray[Any]:
        """Warp a crop, bilinear."""
        return cv2.warpAffine(img, matrix, (img.shape[1], img.shape[0]), borderMode=cv2.BORDER_REPLICATE)

    def apply_to_keypoints(self, keypoints: NDArray[Any], matrix: NDArray[np.float64], **_: Any) -> NDArray[Any]:
        """Move keypoints; their first two columns are x and y."""
        moved = keypoints.copy()
        moved[:, :2] = keypoints[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        return moved


Transforms = list[A.BasicTransform]
_RECIPES: dict[str, Callable[[], Transforms]] = {}


def recipe(name: str) -> Callable[[Callable[[], Transforms]], Callable[[], Transforms]]:
    """Make a recipe known by name."""

    def keep(builder: Callable[[], Transforms]) -> Callable[[], Transforms]:
        _RECIPES[name] = builder
        return builder

    return keep


@recipe("default")
def _default() -> Transforms:
    """Flip, scale by 0.9..1.1 and rotate by +-10 degrees, jitter brightness, contrast and saturation.

    Hue stays: skin has few hues, and turning them costs as much as the other three together.
    """
    return [*_geometry(), A.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.0, p=1.0)]


@recipe("flip")
def _flip() -> Transforms:
    """Horizontal flip only; JAA-Net's, with the window of ``model.resize``."""
    return [A.HorizontalFlip(p=0.5)]


@recipe("megraphau")
def _megraphau() -> Transforms:
    """ME-GraphAU's: flip, jitter brightness, contrast and saturation by 0.4; its window is ``model.resize``'s."""
    return [A.HorizontalFlip(p=0.5), A.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.0, p=1.0)]


@recipe("geometry")
def _geometry() -> Transforms:
    """Flip, scale and rotate as in ``default``, without the colour jitter."""
    return [A.HorizontalFlip(p=0.5), Similarity(scale=(0.9, 1.1), rotate=(-10.0, 10.0), p=1.0)]


def recipes() -> list[str]:
    """Return the names of all known recipes."""
    return list(_RECIPES)


class Augmenter:
    """Applies a recipe to crops, each drawn from (seed, epoch, index) alone.

    So epochs differ, a rerun is identical, and neither the number of workers nor the order of samples matters.

    Args:
        name: A recipe's name, or the path of a pipeline saved by ``albumentations.save``.
        seed: Seed of the run.
        landmark_set: Set of the landmarks that go along, ``49``, ``68`` or ``478``, so that a flip can put right and
            left right; ``none`` without landmarks.

    Raises:
        FauError: If the recipe is unknown or its file cannot be read.
    """

    def __init__(self, name: str, seed: int, landmark_set: str = "none") -> None:
        transforms = _build(name)
        self._seed = seed
        self._mirror = None if landmark_set == "none" else landmark_sets.mirror(landmark_set)
        keypoints = None if self._mirror is None else A.KeypointParams("xy", remove_invisible=False)
        self._compose = A.Compose(transforms, keypoint_params=keypoints, is_check_shapes=False)
        self._described = {"name": name, "transforms": [_plain(transform) for transform in transforms]}
        cv2.setNumThreads(0)  # a crop is too small to share between threads, and other processes want the cores

    def describe(self) -> dict[str, Any]:
        """Return the recipe with all parameters as plain JSON values, for the run id."""
        return self._described

    def __call__(
        self,
        images: NDArray[np.uint8],
        landmarks: NDArray[np.float32] | None,
        indices: NDArray[np.int64],
        epoch: int,
    ) -> None:
        """Augment crops in place.

        Args:
            images: uint8 (n, H, W, 3).
            landmarks: float32 (n, K, 2), pixels, NaN = none; None without landmarks.
            indices: int64 (n,), manifest rows of the crops.
            epoch: Epoch, counted from 0.

        Raises:
            FauError: If the recipe changes the size of a crop.
        """
        keys = _sample_keys(self._seed, epoch, indices)
        before = None if landmarks is None else landmarks.copy()
        for i, key in enumerate(keys.tolist()):
            self._compose.set_random_state(np.random.Generator(np.random.PCG64(key)), random.Random(key))
            if landmarks is None:
                result = self._compose(image=images[i])
            else:
                result = self._compose(image=images[i], keypoints=landmarks[i])
                landmarks[i] = result["keypoints"]
            if result["image"].shape != images[i].shape:
                raise FauError(
                    f"augmentation recipe '{self._described['name']}' turns crops of {images[i].shape} into "
                    f"{result['image'].shape}; a recipe must keep the size"
                )
            images[i] = result["image"]
        if landmarks is not None and before is not None and self._mirror is not None:
            flipped = reflected(before, landmarks)
            landmarks[flipped] = landmarks[flipped][:, self._mirror]

    def windows(self, indices: NDArray[np.int64], epoch: int) -> NDArray[np.float32]:
        """Draw where the windows of samples lie, for networks that take one out of a larger crop.

        Args:
            indices: int64 (n,), manifest rows of the crops.
            epoch: Epoch, counted from 0.

        Returns:
            float32 (n, 2), even in [0, 1): 0 is the window furthest left, or furthest up.
        """
        bits = _scramble(_sample_keys(self._seed, epoch, indices)[:, None] ^ _WINDOW_STREAM)
        return ((bits >> np.uint64(40)).astype(np.float32)) * np.float32(2**-24)


def reflected(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell from its landmarks whether a transform turned a face into its mirror image.

    The sign of the determinant of the points' cross-covariance is the sign of the map's own determinant, whichever
    transforms it was made of.

    Args:
        before: float32 (n, K, 2); points with a NaN are passed over.
        after: float32 (n, K, 2), the same points after the transform.

    Returns:
        bool (n,).
    """
    known = np.isfinite(before).all(2, keepdims=True) & np.isfinite(after).all(2, keepdims=True)
    count = np.maximum(known.sum(1, keepdims=True), 1)
    x, y = np.where(known, before, 0).astype(np.float64), np.where(known, after, 0).astype(np.float64)
    x, y = (np.where(known, p - p.sum(1, keepdims=True) / count, 0) for p in (x, y))
    covariance = x.transpose(0, 2, 1) @ y
    turned: NDArray[np.bool_] = np.linalg.det(covariance) < 0
    return turned


def _sample_keys(seed: int, epoch: int, indices: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Mix (seed, epoch, index) to one 64-bit key a sample by SplitMix64 (Steele, Lea and Flood, 2014)."""
    base = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is meant
        return _scramble(base + (indices.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))


def _scramble(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's last step, a permutation of 64-bit words of which neighbours end far apart."""
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        scrambled: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return scrambled


# Constants that keep the windows' random streams, left to right and up to down, apart from the transforms'.
_WINDOW_STREAM = np.array([0x77696E646F7778, 0x77696E646F7779], np.uint64)


def _build(name: str) -> Transforms:
    if name in _RECIPES:
        return _RECIPES[name]()
    if not name.endswith(".json"):
        raise FauError(
            f"augmentation recipe '{name}' is unknown; choose one of {', '.join(_RECIPES)}, null, or a .json file "
            "saved by albumentations"
        )
    try:
        pipeline = A.from_dict(json.loads(Path(name).read_text(encoding="utf-8")))
    except OSError as error:
        raise FauError(f"augmentation file '{name}' cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FauError(f"augmentation file '{name}' is no pipeline saved by albumentations: {error}") from error
    return list(pipeline.transforms) if isinstance(pipeline, A.Compose) else [pipeline]


def _plain(transform: A.BasicTransform) -> Any:
    # Through JSON, so that a description compares equal to one read back from a file.
    return json.loads(json.dumps(A.to_dict(transform)["transform"]))
