"""The crops that the renderer's tests compare, and the file that keeps them.

``python tests/synthetic/render_cases.py`` draws the kept file anew, after a wanted change of the pictures (which asks
for a new version of the recipe as well).
"""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.synthetic.identity import make_identity
from fau.synthetic.render import Rendered, render
from fau.synthetic.view import sample_view

KEPT = Path(__file__).parent / "data" / "crops.png"
SIZE = 64
OCCLUDERS = (None, None, None, "glasses", "hand", "mask")
# Hashes hold on the machine type and the library versions that they were recorded with.
RECORDED_ON = ("5.0.0", "2.4.6", "x86_64", "AVX512-SKX")
RECORDED = "823b66ed741e5ffa6b551139c9f7d5eeb7f0bfb86a20ce8eaee3bb2fb8cef04c"


def here() -> tuple[str, str, str, str]:
    """Return what decides the last bits here: OpenCV, NumPy, processor and its widest vector instructions."""
    widest = cv2.getCPUFeaturesLine().replace("*", "").split()[-1]
    return cv2.__version__, np.__version__, platform.machine(), widest


def draw_case(number: int, size: int = SIZE) -> Rendered:
    """Draw one of the kept crops."""
    rng = np.random.default_rng([41, number])
    level = np.zeros(18, np.float32)
    level[rng.integers(0, 18, 4)] = rng.integers(1, 6, 4)
    person = make_identity(np.random.default_rng([40, number]))
    return render(person, level, sample_view(rng, OCCLUDERS[number]), size, rng)


def draw_all() -> NDArray[np.uint8]:
    """Return all kept crops side by side."""
    return np.hstack([draw_case(i).image for i in range(len(OCCLUDERS))])


def digest(image: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of a picture's bytes."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


if __name__ == "__main__":
    drawn = draw_all()
    cv2.imwrite(str(KEPT), drawn[..., ::-1])
    print(here(), digest(drawn))
