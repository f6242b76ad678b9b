"""Light on the head: a key light, a sky and a ground, baked into the atlas in linear light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fau.synthetic.atlas import LIGHT, atlas_shape, vertex_to_texel
from fau.synthetic.mesh import FloatArray

SHOULDER = 0.32  # of the film's curve: bright skin keeps its shading; the picture's gamma is 2, the quickest to compute
WHITE = 1.18
RED_BLEED = (0.35, 0.06, 0.0)  # how much of the light just beyond a shadow's edge skin lets through, by colour


@dataclass(frozen=True)
class Light:
    """One light situation; colours are linear and about 1 for white.

    Attributes:
        direction: (3,) unit vector towards the key light (x right in the picture, y up, z to the viewer).
        key: (3,) colour and strength of the key light.
        sky: (3,) light from above.
        ground: (3,) light from below.
        softness: 0 is a bare lamp, 1 a window: how far light wraps around.
        shine: Strength of highlights on the skin.
    """

    direction: FloatArray
    key: FloatArray
    sky: FloatArray
    ground: FloatArray
    softness: float
    shine: float


def sample_light(rng: np.random.Generator) -> Light:
    """Draw a light situation: rooms, windows, lamps, open shade."""
    azimuth = np.deg2rad(rng.normal(0, 34))
    elevation = np.deg2rad(rng.uniform(-5, 60))
    direction = np.array(
        [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)], np.float32
    )
    warmth = rng.normal(0, 0.07)
    warm = np.array([1 + warmth, 1.0, 1 - warmth], np.float32)
    cool = np.array([1 - 0.5 * warmth, 1.0, 1 + 0.5 * warmth], np.float32)
    contrast = rng.beta(2.2, 2.6)  # 0 is flat, 1 a single lamp
    exposure = np.exp(rng.normal(0.0, 0.14))
    key = (0.42 + 0.62 * contrast) * exposure
    ambient = (0.60 - 0.40 * contrast) * exposure
    ground = ambient * rng.uniform(0.35, 0.8)
    return Light(
        direction,
        (key * warm).astype(np.float32),
        (ambient * cool).astype(np.float32),
        (ground * np.array([1.04, 1.0, 0.95], np.float32)).astype(np.float32),
        float(rng.uniform(0.15, 0.8)),
        float(rng.uniform(0.15, 1.0)),
    )


def plain_light() -> Light:
    """Return an even frontal light for contact sheets."""
    direction = np.array([0.25, 0.45, 0.86], np.float32)
    one = np.ones(3, np.float32)
    return Light(direction / np.linalg.norm(direction), 0.72 * one, 0.40 * one, 0.24 * one, 0.5, 0.4)


def flat_level(light: Light) -> FloatArray:
    """Return the light (3,) on a surface that faces the viewer, for parts that are not on the mesh."""
    facing = max(0.0, float(light.direction[2] + light.softness * 0.6)) / (1 + light.softness * 0.6)
    return light.key * np.float32(facing) + 0.5 * (light.sky + light.ground)


def display_level(linear: FloatArray) -> FloatArray:
    """Return linear light as display value, elementwise; see ``SHOULDER``."""
    return np.asarray(np.sqrt(WHITE * linear / (1 + SHOULDER * linear)), np.float32)


def light_map(normals: FloatArray, occlusion: FloatArray, light: Light, density: int) -> tuple[FloatArray, FloatArray]:
    """Return the light on each texel of an atlas.

    Args:
        normals: (V, 3) unit vertex normals.
        occlusion: (V, 2) share of the surroundings, and of the key light, that each vertex sees.
        light: The light.
        density: Texels along the face's square.

    Returns:
        Diffuse light and highlights, each (rows, columns, 3), linear.
    """
    field = np.ascontiguousarray((vertex_to_texel() @ np.concatenate([normals, occlusion], 1)).T)
    nx, ny, nz, open_sky, open_key = field
    length = np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-6)
    wrap = np.float32(0.6 * light.softness)
    x, y, z = light.direction
    towards = (nx * x + ny * y + nz * z) / length
    lambert = np.maximum((towards + wrap) / (1 + wrap), 0)
    # Skin bleeds red across the edge of a shadow: red wraps further than blue.
    wider = wrap + np.float32(0.25)
    bleed = np.maximum((towards + wider) / (1 + wider), 0) - lambert
    up = np.float32(0.5) + np.float32(0.5) * ny / length
    half = light.direction + np.array([0, 0, 1], np.float32)
    half /= np.sqrt((half * half).sum())
    gloss = np.maximum((nx * half[0] + ny * half[1] + nz * half[2]) / length, 0)
    gloss *= gloss
    gloss *= gloss
    broad = gloss * gloss
    tight = broad * broad
    shine = np.float32(light.shine) * (np.float32(0.05) * broad + np.float32(0.10) * tight * tight) * open_key
    rows, columns = atlas_shape(LIGHT)
    channels = []
    for c, share in enumerate(RED_BLEED):
        key = light.key[c] * (lambert + np.float32(share) * bleed) * open_key
        channels.append(key + (light.ground[c] + (light.sky[c] - light.ground[c]) * up) * open_sky)
    height, width = atlas_shape(density)

    def enlarge(planes: list[FloatArray]) -> FloatArray:
        small = cv2.merge([plane.reshape(rows, columns) for plane in planes])
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)

    return enlarge(channels), enlarge([shine, shine, shine])
