"""What lies behind the head: small out-of-focus pictures that are enlarged to the crop."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 32  # pixels of a stored background


def _wall(rng: np.random.Generator) -> np.ndarray:
    colour = rng.uniform(40, 225) + rng.normal(0, 14, 3)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE - 0.5
    slope = rng.normal(0, 28, 2)
    return np.asarray(colour + (slope[0] * x + slope[1] * y)[..., None])


def _room(rng: np.random.Generator) -> np.ndarray:
    image = _wall(rng)
    for _ in range(rng.integers(2, 6)):  # furniture, pictures, a window
        x, y = rng.integers(-8, SIZE, 2)
        width, height = rng.integers(4, 22, 2)
        colour = image.mean() * rng.uniform(0.35, 1.5) + rng.normal(0, 18, 3)
        cv2.rectangle(image, (int(x), int(y)), (int(x + width), int(y + height)), colour.tolist(), -1)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 2.0)))


def _outdoors(rng: np.random.Generator) -> np.ndarray:
    sky = np.array([175, 195, 220]) * rng.uniform(0.7, 1.15)
    green = np.array([92, 112, 70]) * rng.uniform(0.5, 1.2) + rng.normal(0, 10, 3)
    height = SIZE * (
        rng.uniform(0.2, 0.8) + 0.08 * cv2.resize(rng.standard_normal((1, 5)), (SIZE, 1), interpolation=cv2.INTER_CUBIC)
    )
    below = np.arange(SIZE)[:, None] > height
    image = np.where(below[..., None], green, sky)
    image = image * (1 + 0.12 * rng.standard_normal((SIZE, SIZE, 1)))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 2.2)))


def _lights(rng: np.random.Generator) -> np.ndarray:
    image = np.zeros((SIZE, SIZE, 3)) + rng.uniform(15, 70) + rng.normal(0, 8, 3)
    for _ in range(rng.integers(5, 18)):
        disc = np.zeros((SIZE, SIZE, 3))
        colour = rng.uniform(20, 110) * (1 + rng.normal(0, 0.25, 3))
        cv2.circle(disc, tuple(int(v) for v in rng.integers(0, SIZE, 2)), int(rng.integers(1, 5)), colour.tolist(), -1)
        image += disc
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.7))


def sample_background(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a background (32, 32, 3), display colour."""
    kinds = (_wall, _room, _outdoors, _lights)
    image = kinds[int(rng.choice(4, p=(0.3, 0.45, 0.15, 0.1)))](rng)
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def enlarge(background: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return the background at the size of the picture, (size, size, 3)."""
    return np.asarray(cv2.resize(background, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
