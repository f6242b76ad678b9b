"""A subject: face shape, head, look and painted texture."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from fau.synthetic.action_units import AUS, individual_skin
from fau.synthetic.appearance import Appearance, sample_appearance
from fau.synthetic.atlas import MASTER, atlas_shape
from fau.synthetic.clothes import paint_ears, paint_torso
from fau.synthetic.hair import hairline, head_style, paint_hair
from fau.synthetic.head import CURTAIN, EAR, rest_parts, topology
from fau.synthetic.mesh import FloatArray
from fau.synthetic.shape import sample_shape
from fau.synthetic.skin import face_albedo


@dataclass(frozen=True)
class Identity:
    """One subject, as drawn by ``make_identity``; can be pickled.

    Attributes:
        look: Colours and habits.
        shape: (468, 3) neutral face in model units.
        skin_motion: (18, 468, 3) motion of the skin at intensity 5, in model units.
        parts: (V - 468, 3) vertices of skull, ears, torso and hair at rest.
        switched_on: (T,) triangles that this subject has.
        albedo: (rows, columns, 3) uint8 display colour of the master atlas.
        iris_rays: (64,) lightness around the iris, about 1.
    """

    look: Appearance
    shape: FloatArray
    skin_motion: FloatArray
    parts: FloatArray
    switched_on: np.ndarray
    albedo: np.ndarray
    iris_rays: FloatArray
    _linear: dict[int, FloatArray] = field(default_factory=dict, repr=False, compare=False)

    def linear_albedo(self, density: int) -> FloatArray:
        """Return the atlas at ``density`` texels along the face's square in linear light, kept for the next call."""
        if density not in self._linear:
            display = self.albedo
            if density != MASTER:
                rows, columns = atlas_shape(density)
                display = cv2.resize(display, (columns, rows), interpolation=cv2.INTER_AREA)
            self._linear[density] = np.square(display.astype(np.float32) * np.float32(1 / 255))
        return self._linear[density]


def make_identity(rng: np.random.Generator) -> Identity:
    """Draw a subject.

    Takes tens of milliseconds, nearly all of it the texture: keep a subject for all of its frames.

    Args:
        rng: Source of the whole subject; the same state gives the same subject.
    """
    look = sample_appearance(rng)
    shape = sample_shape(rng, look.feminine)
    gain = np.exp(rng.normal(0, 0.10, (len(AUS), 1)) + rng.normal(0, 0.05, (len(AUS), 2))).astype(np.float32)
    line = hairline(rng, look)
    style = head_style(rng, look, line)
    image = face_albedo(rng, look)
    paint_torso(rng, look, image)
    paint_ears(look, image)
    paint_hair(rng, look, line, image)
    top = topology()
    switched_on = np.where(style.length > 0, top.part != EAR, top.part != CURTAIN)  # long hair covers the ears
    return Identity(
        look=look,
        shape=shape,
        skin_motion=individual_skin(gain),
        parts=rest_parts(shape, style),
        switched_on=switched_on,
        albedo=np.round(np.clip(image, 0, 1) * 255).astype(np.uint8),
        iris_rays=(1 + 0.16 * rng.standard_normal(64)).astype(np.float32),
    )
