"""The head around the face: skull and hair shell, ears, neck with torso, and the curtain of long hair.

Every part is a grid of vertices with a chart of its own in the atlas. The topology is the same for all subjects; a
subject who lacks a part (long hair) has its triangles switched off. The shell follows the face's outline when the jaw
drops, and the torso follows the head's turn only in part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from fau.synthetic.mesh import OVAL, FloatArray, IntArray, canonical, smoothstep

FACE: Final = 0
SHELL: Final = 1
EAR: Final = 2
TORSO: Final = 3
CURTAIN: Final = 4

# Charts: (u0, v0, u1, v1) in units of the face's texture square, v downwards.
ATLAS_WIDTH: Final = 1.46
ATLAS_HEIGHT: Final = 1.34
CHARTS: Final[dict[int, tuple[float, float, float, float]]] = {
    FACE: (0.0, 0.0, 1.0, 1.0),
    SHELL: (0.01, 1.02, 0.99, 1.32),
    EAR: (1.03, 1.14, 1.21, 1.32),
    TORSO: (1.03, 0.02, 1.44, 0.60),
    CURTAIN: (1.03, 0.64, 1.44, 1.10),
}

RINGS: Final = 6  # of the shell behind the face's outline
AROUND: Final = len(OVAL)
TORSO_COLUMNS: Final = 15
TORSO_ROWS: Final = 8
CURTAIN_COLUMNS: Final = 15
CURTAIN_ROWS: Final = 6
EAR_AROUND: Final = 10

_RING_SCALE: Final = np.array([1.0, 1.03, 1.06, 1.06, 1.0, 0.78, 0.30])  # of the outline below the ears
_RING_DEPTH: Final = np.array([0.0, -0.9, -2.7, -5.6, -8.8, -11.6, -13.0])
_JAW_INWARD: Final = np.array([0, 0.03, 0.15, 0.32, 0.42, 0.3, 0.1])
_RING_FOLLOW: Final = np.array([1.0, 0.9, 0.6, 0.3, 0.1, 0.0, 0.0])  # of the outline's motion
_SKULL_CENTRE: Final = np.array([0.0, 2.8, -4.2], np.float32)
_SKULL_AXES: Final = (7.95, 10.2, 9.9)  # half width, height above the centre, half depth of the skull


@dataclass(frozen=True)
class Topology:
    """Vertices and triangles of the whole head.

    Attributes:
        triangles: (T, 3) vertex ids.
        part: (T,) which part a triangle belongs to.
        tags: (T,) surface or opening, ``mesh.TAG_*``.
        two_sided: (T,) drawn from behind as well.
        uv: (V, 2) atlas coordinates in units of the face's square.
        vertex_part: (V,) which part a vertex belongs to.
        weld: (V,) the vertex whose normal a vertex shares, itself for most.
        turn: (V,) how far a vertex follows the head's rotation, 0..1.
    """

    triangles: IntArray
    part: IntArray
    tags: IntArray
    two_sided: np.ndarray
    uv: FloatArray
    vertex_part: IntArray
    weld: IntArray
    turn: FloatArray


def _grid(rows: int, columns: int, first: int, flip: bool) -> IntArray:
    """Triangulate a grid of vertices numbered row by row from ``first``."""
    r, c = (a.ravel() for a in np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij"))
    a = first + r * columns + c
    b, d, e = a + 1, a + columns, a + columns + 1
    pairs = np.stack([np.stack([a, d, b], 1), np.stack([b, d, e], 1)], 1).reshape(-1, 3)
    return np.asarray(pairs[:, ::-1] if flip else pairs, np.int32)


def _chart_uv(part: int, s: FloatArray, t: FloatArray) -> FloatArray:
    u0, v0, u1, v1 = CHARTS[part]
    return np.stack([u0 + s * (u1 - u0), v0 + t * (v1 - v0)], -1).reshape(-1, 2).astype(np.float32)


def _grid_uv(part: int, rows: int, columns: int) -> FloatArray:
    t, s = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return _chart_uv(part, s.astype(np.float32), t.astype(np.float32))


def _ear_disc() -> tuple[FloatArray, IntArray]:
    """Return unit-disc coordinates (x forward, y up) and triangles of one ear."""
    angle = np.linspace(0, 2 * np.pi, EAR_AROUND, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], 1)
    points = np.concatenate([np.zeros((1, 2)), 0.55 * ring, ring]).astype(np.float32)
    k = np.arange(EAR_AROUND)
    n = (k + 1) % EAR_AROUND
    inner = np.stack([0 * k, 1 + k, 1 + n], 1)
    a, b, c, d = 1 + k, 1 + n, 1 + EAR_AROUND + k, 1 + EAR_AROUND + n
    return points, np.concatenate([inner, np.stack([a, c, b], 1), np.stack([b, c, d], 1)]).astype(np.int32)


@cache
def topology() -> Topology:
    """Build the topology once a process."""
    mesh = canonical()
    triangles = [mesh.triangles]
    parts = [np.full(len(mesh.triangles), FACE)]
    uv = [mesh.uv]
    vertex_part = [np.full(len(mesh.vertices), FACE)]
    first = len(mesh.vertices)

    def add(part: int, faces: IntArray, coordinates: FloatArray) -> None:
        nonlocal first
        triangles.append(faces)
        parts.append(np.full(len(faces), part))
        uv.append(coordinates)
        vertex_part.append(np.full(len(coordinates), part))
        first += len(coordinates)

    add(SHELL, _grid(RINGS + 1, AROUND + 1, first, flip=True), _grid_uv(SHELL, RINGS + 1, AROUND + 1))
    disc, faces = _ear_disc()
    for mirrored in (False, True):
        ear_uv = _chart_uv(EAR, 0.5 + 0.5 * disc[:, 0], 0.5 - 0.5 * disc[:, 1])
        add(EAR, first + (faces[:, ::-1] if mirrored else faces), ear_uv)
    add(TORSO, _grid(TORSO_ROWS, TORSO_COLUMNS, first, flip=False), _grid_uv(TORSO, TORSO_ROWS, TORSO_COLUMNS))
    hanging = _grid(CURTAIN_ROWS, CURTAIN_COLUMNS, first, flip=True)
    add(CURTAIN, hanging, _grid_uv(CURTAIN, CURTAIN_ROWS, CURTAIN_COLUMNS))

    part = np.concatenate(parts).astype(np.int32)
    tags = np.zeros(len(part), np.int32)
    tags[: len(mesh.tags)] = mesh.tags
    of_vertex = np.concatenate(vertex_part).astype(np.int32)
    weld = np.arange(len(of_vertex), dtype=np.int32)
    shell = np.flatnonzero(of_vertex == SHELL).reshape(RINGS + 1, AROUND + 1)
    weld[shell[0]] = [*OVAL, OVAL[0]]
    weld[shell[1:, -1]] = shell[1:, 0]
    turn = np.ones(len(of_vertex), np.float32)
    row = np.repeat(np.arange(TORSO_ROWS), TORSO_COLUMNS)
    turn[of_vertex == TORSO] = np.array([0.9, 0.65, 0.4, 0.25, 0.2, 0.2, 0.2, 0.2])[row]
    fall = np.linspace(1, 0, CURTAIN_ROWS) ** 0.6
    turn[of_vertex == CURTAIN] = 0.3 + 0.7 * np.repeat(fall, CURTAIN_COLUMNS)
    return Topology(
        triangles=np.concatenate(triangles).astype(np.int32),
        part=part,
        tags=tags,
        two_sided=np.isin(part, (EAR, CURTAIN)) | (tags > 0),
        uv=np.concatenate(uv).astype(np.float32),
        vertex_part=of_vertex,
        weld=weld,
        turn=turn,
    )


@dataclass(frozen=True)
class HeadStyle:
    """What shapes the parts of one subject's head.

    Attributes:
        volume: Thickness of the hair over the skull, model units, by shell column (36,): the hair's silhouette.
        hairline: Shell coordinate, 0 at the face's outline to 1 at the back, where the hair begins, by column (36,).
        crown: Extra height on top, model units.
        ear_size: Factor.
        ear_tilt: Degrees that the ears stand off the head.
        neck_width: Factor.
        shoulders: Factor of the shoulders' width.
        slope: Drop of the shoulders, model units.
        length: Length of the hair below the ears, model units; 0 has no curtain.
        spread: How far the curtain stands off the neck, factor.
        wave: Amplitude of the curtain's waves, model units.
        curl: How far the ends turn inwards.
        wrap: Angle in degrees from the back of the head to which the curtain comes forward.
    """

    volume: FloatArray
    hairline: FloatArray
    crown: float = 0.0
    ear_size: float = 1.0
    ear_tilt: float = 25.0
    neck_width: float = 1.0
    shoulders: float = 1.0
    slope: float = 0.0
    length: float = 0.0
    spread: float = 1.0
    wave: float = 0.0
    curl: float = 0.3
    wrap: float = 100.0


def _shell(shape: FloatArray, style: HeadStyle) -> FloatArray:
    outline = shape[list(OVAL)]
    above = smoothstep(outline[:, 1], -2.0, 5.0)
    dome = smoothstep(outline[:, 1], -1.0, 3.5)
    under = 1 - smoothstep(outline[:, 1], -7.5, -2.0)
    radial = outline - _SKULL_CENTRE
    outward = (radial / np.linalg.norm(radial[:, :2], axis=1, keepdims=True))[:, :2]
    half_width = _SKULL_AXES[0] * abs(float(shape[127, 0])) / 7.74
    half_height = _SKULL_AXES[1] + 0.7 * (float(shape[10, 1]) - 8.26) + 0.6 * style.crown
    reach = half_width * half_height / np.hypot(half_height * outward[:, 0], half_width * outward[:, 1])
    rings = []
    for k in range(RINGS + 1):
        ring = outline.copy()
        ring[:, 2] += _RING_DEPTH[k] * (1.0 - 0.35 * under)
        jaw = _RING_SCALE[k] - _JAW_INWARD[k] * under
        ring[:, :2] = _SKULL_CENTRE[:2] + radial[:, :2] * jaw[:, None]
        section = np.sqrt(np.clip(1 - ((ring[:, 2] - _SKULL_CENTRE[2]) / _SKULL_AXES[2]) ** 2, 0.03, 1))
        domed = _SKULL_CENTRE[:2] + outward * (reach * section)[:, None]
        ring[:, :2] += (domed - ring[:, :2]) * (dome * min(1.0, 0.7 * k))[:, None]
        fullness = smoothstep(k / RINGS - style.hairline, -0.09, 0.12) * min(k, 1)
        ring[:, :2] += outward * (style.volume * fullness * above * (1 - 0.06 * k))[:, None]
        rings.append(np.concatenate([ring, ring[:1]]))
    return np.concatenate(rings).astype(np.float32)


def _ear(shape: FloatArray, style: HeadStyle, side: float) -> FloatArray:
    disc, _ = _ear_disc()
    anchor = shape[234 if side < 0 else 454]
    tilt = np.deg2rad(style.ear_tilt)
    x, y = disc[:, 0] * 1.55 * style.ear_size, disc[:, 1] * 2.75 * style.ear_size
    x = x - 0.25 * y * (y > 0) * 0.3  # the helix leans backwards
    lobe = y < -1.2
    x = np.where(lobe, x * 0.75 + 0.35, x)
    radius = np.hypot(disc[:, 0], disc[:, 1])
    rim = np.where(radius > 0.9, 0.12, np.where(radius > 0.3, 0.28, -0.12))
    out = np.empty((len(disc), 3), np.float32)
    out[:, 0] = anchor[0] + side * (0.25 + np.sin(tilt) * (1.3 - x) * 0.8 + rim)
    out[:, 1] = anchor[1] + 0.75 + y
    out[:, 2] = anchor[2] - 1.9 + x * np.cos(tilt)
    return out


def _torso(shape: FloatArray, style: HeadStyle) -> FloatArray:
    chin = shape[152]
    width = abs(float(shape[172, 0])) / 5.94
    angle = np.deg2rad(np.linspace(-112, 112, TORSO_COLUMNS))  # 0 faces forward
    neck = 4.6 * style.neck_width * (0.5 + 0.5 * width)
    # height below the chin, half width, half depth, centre's z
    profile = (
        (2.2, neck * 0.98, 4.2, -4.6),
        (-1.0, neck * 0.95, 3.8, -5.0),
        (-3.4, neck * 1.0, 3.8, -5.6),
        (-5.2, neck * 1.18, 4.4, -6.0),
        (-6.4 - 0.5 * style.slope, neck * 1.9 * style.shoulders, 5.4, -6.6),
        (-7.8 - style.slope, 13.2 * style.shoulders, 6.4, -7.2),
        (-11.5 - style.slope, 17.6 * style.shoulders, 7.4, -7.4),
        (-20.0, 18.6 * style.shoulders, 8.4, -7.4),
    )
    rows = []
    for height, half_width, half_depth, z in profile:
        forward = np.cos(angle)
        rows.append(
            np.stack(
                [
                    half_width * np.sin(angle),
                    chin[1] + height + (-1.4 * np.clip(forward, 0, 1) ** 2 if height < -4 else 0 * angle),
                    z + half_depth * forward,
                ],
                1,
            )
        )
    return np.concatenate(rows).astype(np.float32)


def _curtain(shape: FloatArray, style: HeadStyle) -> FloatArray:
    wrap = np.deg2rad(np.linspace(-style.wrap, style.wrap, CURTAIN_COLUMNS))  # 0 is the back of the head
    top = float(shape[10, 1]) + 1.0
    bottom = float(shape[234, 1]) - 2.0 - max(style.length, 0.01)
    half = abs(float(shape[234, 0]))
    volume = float(style.volume.mean())
    rows = []
    for t in np.linspace(0, 1, CURTAIN_ROWS):
        height = top + (bottom - top) * t
        flare = 0.72 + 0.36 * float(smoothstep(np.array(t), 0, 0.35))
        drop = float(smoothstep(np.array(t), 0.4, 1.0))
        radius = (half + volume + 0.3) * flare * (1 + 0.16 * drop * (style.spread - 1.0) - 0.05 * drop)
        ripple = 1 + style.wave / half * np.sin(2.3 * np.pi * t * 2 + 2.1 * np.arange(CURTAIN_COLUMNS))
        ends = 0.6 * np.cos(3 * wrap) + 0.45 * np.sin(5.3 * np.arange(CURTAIN_COLUMNS) + 7 * style.spread)
        rows.append(
            np.stack(
                [
                    radius * np.sin(wrap) * ripple * (1 - style.curl * max(0.0, t - 0.75)),
                    height + ends * drop,
                    -5.2 - radius * 0.92 * np.cos(wrap) * (1 - 0.3 * drop),
                ],
                1,
            )
        )
    return np.concatenate(rows).astype(np.float32)


def rest_parts(shape: FloatArray, style: HeadStyle) -> FloatArray:
    """Return the vertices of all parts behind the face, at rest.

    Args:
        shape: (468, 3) neutral face.
        style: What shapes the parts.

    Returns:
        (V - 468, 3) vertices in the order of ``topology()``.
    """
    ears = [_ear(shape, style, side) for side in (-1.0, 1.0)]
    return np.concatenate([_shell(shape, style), *ears, _torso(shape, style), _curtain(shape, style)])


def assemble(face: FloatArray, shape: FloatArray, parts: FloatArray) -> FloatArray:
    """Return all vertices (V, 3) of a moved face; the shell follows the face's outline.

    Args:
        face: (468, 3) deformed face.
        shape: (468, 3) neutral face.
        parts: The parts at rest.
    """
    out = np.concatenate([face, parts])
    order = np.array([*OVAL, OVAL[0]])
    moved = face[order] - shape[order]
    shell = out[len(face) : len(face) + (RINGS + 1) * (AROUND + 1)].reshape(RINGS + 1, AROUND + 1, 3)
    shell += _RING_FOLLOW.astype(np.float32)[:, None, None] * moved
    return out
