"""Drawing one face: the function that everything else in this package serves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.synthetic.action_units import deform, motion
from fau.synthetic.atlas import MASTER, normal_sum
from fau.synthetic.background import enlarge
from fau.synthetic.camera import make_camera, rotation
from fau.synthetic.eyes import draw_eyes, iris_points
from fau.synthetic.head import CURTAIN, EAR, FACE, SHELL, TORSO, assemble, topology
from fau.synthetic.identity import Identity
from fau.synthetic.light import SHOULDER, WHITE, light_map
from fau.synthetic.mesh import (
    LEFT_EYE,
    LOWER_LIP_INNER,
    RIGHT_EYE,
    TAG_LEFT_EYE,
    TAG_MOUTH,
    TAG_RIGHT_EYE,
    UPPER_LIP_INNER,
    FloatArray,
)
from fau.synthetic.mouth import draw_mouth
from fau.synthetic.occluder_painting import draw_occluder
from fau.synthetic.occlusion import visibility
from fau.synthetic.raster import draw_ids, texture_positions, visible_order
from fau.synthetic.view import View
from fau.synthetic.wrinkles import shade_folds

Picture = NDArray[np.uint8]

FINE = 128  # texels along the face's square for crops of up to FINE pixels; larger crops take the master atlas
LANDMARKS = 478


@dataclass(frozen=True)
class Rendered:
    """A drawn crop.

    Attributes:
        image: (size, size, 3) uint8 RGB.
        landmarks: (478, 2) float32 pixel positions, x right and y down, pixel centres at integers; those behind the
            head or outside the crop are given all the same.
    """

    image: NDArray[np.uint8]
    landmarks: FloatArray


def canvas_size(size: int) -> int:
    """Return the side in pixels of the picture that is drawn and then reduced to ``size``."""
    if size <= 40:
        return 4 * size
    if size <= FINE:
        return 2 * size
    return size * 3 // 2 if size <= 400 else size


def render(identity: Identity, intensities: FloatArray, view: View, size: int, rng: np.random.Generator) -> Rendered:
    """Draw one face.

    The same arguments and the same state of ``rng`` give the same bytes in every process of one machine.

    Args:
        identity: The subject.
        intensities: (18,) intensities 0..5 in the order of the label set ``synthetic18``.
        view: Everything else in the picture.
        size: Width and height of the crop in pixels.
        rng: Source of the sensor noise.
    """
    level = np.clip(np.asarray(intensities, np.float32), 0, 5)
    canvas = canvas_size(size)
    density = FINE if size <= FINE else MASTER
    camera = make_camera(view.yaw, view.pitch, view.roll, view.zoom, view.shift, canvas)
    top = topology()

    face = deform(identity.shape, identity.skin_motion, level)
    vertices = assemble(face, identity.shape, identity.parts)
    placed = camera.place(vertices)
    body = make_camera(0.3 * view.yaw, 0.1 * view.pitch, 0.15 * view.roll, view.zoom, view.shift, canvas).place(
        vertices
    )
    placed = placed * top.turn[:, None] + body * (1 - top.turn)[:, None]
    xy = camera.project(placed)

    atlas = _lit_atlas(identity, placed, level, view, density)
    order = visible_order(xy, placed[:, 2], top.triangles, top.two_sided, identity.switched_on, *_order_rules(), canvas)
    ids = draw_ids(xy, top.triangles, order, canvas, _seams())
    where = texture_positions(ids, xy, top.uv * np.float32(density) - np.float32(0.5), top.triangles)
    # None, which the stub does not know, is not an empty array: that draws something else.
    drawn = cv2.remap(atlas, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    image = enlarge(view.background, canvas)
    cv2.copyTo(drawn, (ids < len(top.triangles)).astype(np.uint8), image)

    tags = _tags().take(ids)
    irises = camera.look(iris_points(identity.shape, view.gaze))
    draw_eyes(image, tags, identity, camera, xy, irises, view.gaze, view.light)
    jaw = float((motion().jaw * level).sum() / 5)
    draw_mouth(image, tags, camera, identity.shape, xy, jaw, identity.look.skin, view.light)
    if view.occluder is not None:
        draw_occluder(image, view.occluder, camera, face, identity.shape, xy, identity.look.skin, view.light)
    scale = size / canvas
    points = np.concatenate([xy[: len(face)], irises])
    landmarks = (points + np.float32(0.5)) * np.float32(scale) - np.float32(0.5)
    return Rendered(_expose(image, view, size, rng), landmarks)


@cache
def _order_rules() -> tuple[FloatArray, FloatArray]:
    """Return what is added to each triangle's depth to draw touching parts in order, and what counts as a sliver.

    The face has narrow triangles at the corners of mouth and eyes that must stay; behind its outline slivers may go.
    """
    table = np.zeros(CURTAIN + 1, np.float32)
    table[[SHELL, EAR, TORSO, CURTAIN]] = 0.0, 0.3, -1.5, -0.5
    part = topology().part
    return table[part], np.where(part == FACE, 0, 0.02).astype(np.float32)


@cache
def _seams() -> tuple[tuple[list[int], int], ...]:
    """Return the rings of eyes and mouth with a triangle inside each, for closed lids and lips."""
    tags = topology().tags
    rings = {TAG_MOUTH: [*UPPER_LIP_INNER, *LOWER_LIP_INNER[-2:0:-1]]}
    for tag, eye in ((TAG_RIGHT_EYE, RIGHT_EYE), (TAG_LEFT_EYE, LEFT_EYE)):
        rings[tag] = list(eye.ring)
    return tuple((ring, int(np.flatnonzero(tags == tag)[0])) for tag, ring in rings.items())


@cache
def _tags() -> NDArray[np.int32]:
    """Return the tag of each triangle, and 0 for no triangle."""
    return np.append(topology().tags, 0).astype(np.int32)


def _lit_atlas(
    identity: Identity, placed: FloatArray, level: FloatArray, view: View, density: int
) -> NDArray[np.uint8]:
    """Return the subject's atlas under the view's light, uint8 display colour."""
    top = topology()
    i, j, k = top.triangles.T
    x, y, z = np.ascontiguousarray(placed.T)
    ux, uy, uz, vx, vy, vz = x[j] - x[i], y[j] - y[i], z[j] - z[i], x[k] - x[i], y[k] - y[i], z[k] - z[i]
    facets = np.empty((len(i), 3), np.float32)
    facets[:, 0], facets[:, 1], facets[:, 2] = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    normals = normal_sum() @ facets
    normals /= np.sqrt(np.einsum("ij,ij->i", normals, normals))[:, None] + np.float32(1e-6)
    # Shadows and the folds' slopes are in the head's axes: bring the lamp there.
    direction = rotation(view.yaw, view.pitch, view.roll).T @ view.light.direction
    diffuse, gloss = light_map(normals, visibility(direction), view.light, density)
    shade_folds(diffuse, density, level, identity.look.wrinkle_gain, direction)
    diffuse *= identity.linear_albedo(density)
    diffuse += gloss
    shoulder = diffuse * np.float32(SHOULDER)
    shoulder += np.float32(1)
    diffuse /= shoulder
    np.sqrt(diffuse, out=diffuse)
    return np.asarray(cv2.convertScaleAbs(diffuse, alpha=255.0 * WHITE**0.5), np.uint8)


def _expose(image: NDArray[np.uint8], view: View, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the crop as a sensor gives it: reduced, blurred, noisy."""
    small: Picture = image
    if image.shape[0] != size:
        small = np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
    if view.blur > 0:
        small = np.asarray(cv2.GaussianBlur(small, (0, 0), max(0.2, view.blur * size / 112)), np.uint8)
    if view.noise > 0:
        grain = rng.standard_normal(small.shape, dtype=np.float32)
        grain *= np.float32(255 * view.noise)
        small = np.asarray(cv2.add(small, grain, dtype=cv2.CV_8U), np.uint8)
    return np.asarray(small, np.uint8)
