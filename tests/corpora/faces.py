"""Pictures for the fake trees: faces that fau draws, kept for the session."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.landmarks import to_49, to_68
from fau.synthetic.identity import Identity, make_identity
from fau.synthetic.render import Rendered, render
from fau.synthetic.view import sample_view

SIZE = 96  # pixels


@cache
def _person(subject: int) -> Identity:
    return make_identity(np.random.default_rng([70, subject]))


@cache
def _draw(subject: int, seed: int) -> Rendered:
    rng = np.random.default_rng([71, subject, seed])
    level = np.zeros(18, np.float32)
    level[rng.integers(0, 18, 3)] = rng.integers(1, 6, 3)
    return render(_person(subject), level, sample_view(rng), SIZE, rng)


class Faces:
    """Drawn faces by subject and seed; the same numbers give the same picture."""

    def image(self, subject: int, seed: int = 0, size: int = SIZE) -> NDArray[np.uint8]:
        """Return a picture, uint8 (size, size, 3), RGB."""
        image = _draw(subject, seed).image
        return image if size == SIZE else np.asarray(cv2.resize(image, (size, size)), np.uint8)

    def points478(self, subject: int, seed: int = 0, size: int = SIZE) -> NDArray[np.float32]:
        """Return the picture's landmarks in pixels from 0, float32 (478, 2)."""
        return np.asarray(_draw(subject, seed).landmarks * (size / SIZE), np.float32)

    def points68(self, subject: int, seed: int = 0, size: int = SIZE) -> NDArray[np.float32]:
        """Return the picture's landmarks in pixels from 0, float32 (68, 2)."""
        return to_68(self.points478(subject, seed, size))

    def points49(self, subject: int, seed: int = 0, size: int = SIZE) -> NDArray[np.float32]:
        """Return the picture's landmarks in pixels from 0, float32 (49, 2)."""
        return to_49(self.points68(subject, seed, size))

    def jpeg(self, subject: int, seed: int = 0, size: int = SIZE) -> bytes:
        """Return the picture as the bytes of a JPEG file."""
        return self._encoded(subject, seed, size, ".jpg")

    def png(self, subject: int, seed: int = 0, size: int = SIZE) -> bytes:
        """Return the picture as the bytes of a PNG file."""
        return self._encoded(subject, seed, size, ".png")

    def _encoded(self, subject: int, seed: int, size: int, kind: str) -> bytes:
        _, data = cv2.imencode(kind, self.image(subject, seed, size)[..., ::-1])
        return data.tobytes()
