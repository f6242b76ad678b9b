"""A view: pose, gaze, light, background, occluder and sensor of one picture, and its drift over a sequence."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fau.synthetic.background import sample_background
from fau.synthetic.light import Light, plain_light, sample_light
from fau.synthetic.mesh import FloatArray
from fau.synthetic.occluders import Occluder, OccluderKind, sample_occluder

CHANNELS = 8  # moving parts of a view: yaw, pitch, roll, gaze right, gaze up, zoom, shift right, shift down
_AMPLITUDE = np.array([6.0, 3.5, 3.0, 5.0, 2.5, 0.015, 0.008, 0.008], np.float32)


@dataclass(frozen=True)
class View:
    """Everything about a picture that is not the face.

    Attributes:
        yaw: Degrees; positive turns to the subject's left (right in the picture).
        pitch: Degrees; positive looks down.
        roll: Degrees; positive tilts the crown to the left in the picture.
        gaze: Degrees to the picture's right and up, relative to the head.
        zoom: 1 gives the face 60 % of the crop's width.
        shift: Displacement of the head in widths of the crop, right and down.
        light: The light.
        background: (32, 32, 3) uint8, enlarged behind the head.
        occluder: What is in front of the face, if anything.
        blur: Standard deviation of the blur in pixels of a crop of 112 pixels.
        noise: Standard deviation of the sensor noise, 1 is white.
        motion: (2, 8) phases and frequencies of the drift over a sequence.
    """

    yaw: float
    pitch: float
    roll: float
    gaze: tuple[float, float]
    zoom: float
    shift: tuple[float, float]
    light: Light
    background: NDArray[np.uint8]
    occluder: Occluder | None
    blur: float
    noise: float
    motion: FloatArray

    def drift(self, rng: np.random.Generator, t: float) -> View:
        """Return the view at a later moment of its sequence: pose and gaze have moved, the rest stays.

        Args:
            rng: Source of a slight tremor from frame to frame.
            t: Moment in the sequence, 0 (this view, but for the tremor) to 1.
        """
        phase, frequency = self.motion
        turn = np.sin(phase + 2 * np.pi * frequency * t) - np.sin(phase)
        step = _AMPLITUDE * turn + rng.normal(0, 0.03, CHANNELS) * _AMPLITUDE
        yaw, pitch, roll, right, up, zoom, x, y = (float(v) for v in step)
        return replace(
            self,
            yaw=self.yaw + yaw,
            pitch=self.pitch + pitch,
            roll=self.roll + roll,
            gaze=(self.gaze[0] + right, self.gaze[1] + up),
            zoom=self.zoom * (1 + zoom),
            shift=(self.shift[0] + x, self.shift[1] + y),
        )


def sample_view(
    rng: np.random.Generator,
    occluder: OccluderKind | None = None,
    *,
    yaw: float = 20.0,
    pitch: float = 10.0,
    roll: float = 10.0,
) -> View:
    """Draw a view.

    Args:
        rng: Source.
        occluder: What to put in front of the face, nothing by default.
        yaw: Largest turn of the head to either side, degrees.
        pitch: Largest nod.
        roll: Largest tilt.
    """
    gaze = np.clip(rng.normal(0, (7.0, 4.0)), -18, 18)
    shift = rng.normal(0, 0.015, 2)
    return View(
        yaw=float(rng.uniform(-yaw, yaw)),
        pitch=float(rng.uniform(-pitch, pitch)),
        roll=float(rng.uniform(-roll, roll)),
        gaze=(float(gaze[0]), float(gaze[1])),
        zoom=float(rng.uniform(0.9, 1.1)),
        shift=(float(shift[0]), float(shift[1])),
        light=sample_light(rng),
        background=sample_background(rng),
        occluder=sample_occluder(rng, occluder) if occluder else None,
        blur=float(rng.uniform(0.25, 0.8)) if rng.random() < 0.5 else 0.0,
        noise=float(rng.uniform(0.003, 0.018)),
        motion=np.stack([rng.uniform(0, 2 * np.pi, CHANNELS), rng.uniform(0.25, 0.9, CHANNELS)]).astype(np.float32),
    )


def plain_view(yaw: float = 8.0) -> View:
    """Return an even view without noise for contact sheets."""
    background = np.full((32, 32, 3), (132, 138, 146), np.uint8)
    return View(
        yaw,
        0.0,
        0.0,
        (0.0, 0.0),
        1.0,
        (0.0, 0.0),
        plain_light(),
        background,
        None,
        0.0,
        0.0,
        np.zeros((2, CHANNELS), np.float32),
    )
