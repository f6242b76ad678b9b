"""Rotation and projection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from fau.synthetic.mesh import FACE_WIDTH, FloatArray

DISTANCE: Final = 62.0  # of the camera from the head's centre, model units: about arm's length
FACE_SHARE: Final = 0.60  # of the crop's width that the face takes at zoom 1
CENTRE: Final = np.array([0.0, -0.4, 0.0], np.float32)  # the point that turns about itself and stays in the middle


def rotation(yaw: float, pitch: float, roll: float) -> FloatArray:
    """Return the rotation matrix (3, 3) of a head pose in degrees.

    Positive yaw turns to the subject's left (right in the picture), positive pitch looks down, positive roll tilts the
    crown to the left in the picture.
    """
    y, p, r = np.deg2rad([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y, np.float32)


@dataclass(frozen=True)
class Camera:
    """A posed perspective camera.

    Attributes:
        turn: (3, 3) rotation of the head.
        focal: Focal length times pixels per unit.
        middle: (2,) pixel of the head's centre.
    """

    turn: FloatArray
    focal: float
    middle: tuple[float, float]

    @property
    def scale(self) -> float:
        """Pixels per model unit at the head's centre."""
        return self.focal / DISTANCE

    def place(self, points: FloatArray) -> FloatArray:
        """Return model points (n, 3) in camera axes, turned with the head."""
        q = points - CENTRE
        t = self.turn
        return np.stack([q[:, 0] * t[i, 0] + q[:, 1] * t[i, 1] + q[:, 2] * t[i, 2] for i in range(3)], 1)

    def project(self, placed: FloatArray) -> FloatArray:
        """Return pixel positions (n, 2), y down, of points in camera axes."""
        factor = self.focal / (DISTANCE - placed[:, 2])
        out = np.empty((len(placed), 2), np.float32)
        out[:, 0] = self.middle[0] + factor * placed[:, 0]
        out[:, 1] = self.middle[1] - factor * placed[:, 1]
        return out

    def look(self, points: FloatArray) -> FloatArray:
        """Return pixel positions (n, 2) of model points that turn with the head."""
        return self.project(self.place(np.atleast_2d(np.asarray(points, np.float32))))


def make_camera(yaw: float, pitch: float, roll: float, zoom: float, shift: tuple[float, float], size: int) -> Camera:
    """Return the camera of a view.

    Args:
        yaw: Degrees.
        pitch: Degrees.
        roll: Degrees.
        zoom: 1 gives the face ``FACE_SHARE`` of the width.
        shift: Displacement of the head in widths of the picture, right and down.
        size: Pixels.
    """
    focal = size * FACE_SHARE / FACE_WIDTH * zoom * DISTANCE
    middle = (size * (0.5 + shift[0]) - 0.5, size * (0.5 + shift[1]) - 0.5)
    return Camera(rotation(yaw, pitch, roll), focal, middle)
