"""Painting an occluder of any kind over the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fau.synthetic.camera import Camera
from fau.synthetic.light import Light, display_level, flat_level
from fau.synthetic.mesh import FloatArray
from fau.synthetic.occluder_glasses import draw_glasses
from fau.synthetic.occluder_hand import draw_hand
from fau.synthetic.occluder_mask import draw_mask
from fau.synthetic.occluders import Occluder


def draw_occluder(
    image: NDArray[np.uint8],
    occluder: Occluder,
    camera: Camera,
    face: FloatArray,
    shape: FloatArray,
    xy: FloatArray,
    skin: FloatArray,
    light: Light,
) -> None:
    """Draw an occluder over the picture in place.

    Args:
        image: (size, size, 3) display colour.
        occluder: What to draw.
        camera: The camera.
        face: (468, 3) deformed face in model units.
        shape: (468, 3) neutral face in model units.
        xy: (468 or more, 2) pixel positions of the face.
        skin: (3,) display colour of the subject's skin, for a hand.
        light: The light.
    """
    level = display_level(flat_level(light))
    if occluder.kind == "glasses":
        draw_glasses(image, occluder, camera, face, level)
    elif occluder.kind == "mask":
        draw_mask(image, occluder, camera, face, shape, xy, level, light)
    else:
        draw_hand(image, occluder, camera, skin, level)
