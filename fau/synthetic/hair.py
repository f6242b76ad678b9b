"""Hair: where it grows, its silhouette, its strands.

The hairline is a value per column of the head's shell (how far behind the face's outline the hair begins); the same
line limits the texture and the volume, so that hair stands on the skull where it is painted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from fau.synthetic import paint
from fau.synthetic.appearance import Appearance
from fau.synthetic.atlas import MASTER, chart_slices
from fau.synthetic.head import AROUND, CURTAIN, SHELL, HeadStyle
from fau.synthetic.mesh import OVAL, FloatArray, canonical, smoothstep

TOP: Final = AROUND // 2  # the outline's vertex above the forehead
# Shell columns counted from the top: forehead, temple, ear, nape.
_BASE_LINE: Final = np.interp(
    np.arange(TOP + 1), [0, 3, 5, 6, 7, 8, 9, 10, 12, 18], [0.21, 0.20, 0.18, 0.18, 0.21, 0.32, 0.44, 0.55, 0.75, 1.5]
)


@dataclass(frozen=True)
class Style:
    """A way to wear the hair.

    Attributes:
        volume: Thickness on top and at the sides, model units.
        crown: Extra height on top.
        rough: Raggedness of the silhouette, model units.
        grain: Strands across the shell chart; few are locks, many are a crop.
        straight: 1 draws strands, 0 curls.
        fringe: Reach of the hair over the forehead in the face chart.
        length: Range of the curtain's length; 0 has none.
        wave: Amplitude of the curtain's waves.
        cover: Opacity.
        recede: Retreat of the hairline at the temples.
    """

    volume: tuple[float, float]
    crown: float
    rough: float
    grain: int
    straight: float
    fringe: float = 0.0
    length: tuple[float, float] = (0, 0)
    wave: float = 0.0
    cover: float = 1.0
    recede: float = 0.0


STYLES: Final[dict[str, Style]] = {
    "short": Style((1.5, 0.5), 0.4, 0.14, 120, 0.75),
    "crop": Style((0.35, 0.22), 0.1, 0.05, 240, 0.2, cover=0.86),
    "side": Style((1.9, 0.6), 0.7, 0.14, 90, 1.0),
    "back": Style((1.3, 0.4), 0.5, 0.06, 110, 1.0),
    "medium": Style((1.8, 1.2), 0.5, 0.22, 70, 1.0, 0.03),
    "curly": Style((1.8, 1.4), 0.7, 0.38, 60, 0.0),
    "receding": Style((0.6, 0.45), 0.2, 0.1, 130, 0.7, recede=0.14),
    "bald": Style((0.05, 0.08), 0.0, 0.02, 240, 0.2, cover=0.35, recede=0.5),
    "long": Style((1.2, 1.0), 0.4, 0.08, 90, 1.0, length=(6, 13)),
    "long_fringe": Style((1.2, 1.0), 0.4, 0.08, 90, 1.0, 0.14, length=(5, 12)),
    "wavy": Style((1.2, 1.3), 0.5, 0.2, 60, 0.85, length=(5, 12), wave=0.5),
    "bob": Style((1.4, 1.2), 0.4, 0.1, 90, 1.0, 0.05, length=(2.0, 4.0)),
    "tied": Style((0.7, 0.4), 0.3, 0.05, 130, 1.0),
}


def hairline(rng: np.random.Generator, look: Appearance) -> FloatArray:
    """Draw the hairline: where hair begins, 0 at the outline to 1 at the back of the head, by shell column (36,)."""
    style = STYLES[look.hair_style]
    columns = np.abs(np.arange(AROUND) - TOP)
    line = _BASE_LINE[columns] + rng.normal(0.0, 0.035)
    temple = np.exp(-(((columns - 3.6) / 1.3) ** 2))
    peak = np.exp(-((columns / 1.0) ** 2))
    retreat = style.recede + (0.0 if look.feminine else max(0.0, rng.normal(0.03 + 0.06 * look.age, 0.03)))
    line = line + retreat * temple + 0.4 * style.recede * (columns < 3) - max(0, rng.normal(0, 0.03)) * peak
    if style.fringe:
        line = np.where(columns < 6, -0.15, line)
    if look.hair_style == "bald":
        line = np.where(columns < 7, np.maximum(line, 0.72), line)
    smooth = np.convolve(np.r_[line[-3:], line, line[:3]] + rng.normal(0, 0.008, AROUND + 6), [0.25, 0.5, 0.25], "same")
    if look.feminine and style.length[1] > 0:
        smooth = np.where(np.r_[0, 0, 0, columns, 0, 0, 0] > 7, smooth - 0.1, smooth)
    return np.asarray(smooth[3:-3], np.float32)


def head_style(rng: np.random.Generator, look: Appearance, line: FloatArray) -> HeadStyle:
    """Draw the shape of the parts around the face.

    Args:
        rng: Source.
        look: The subject.
        line: The hairline of ``hairline``.
    """
    style = STYLES[look.hair_style]
    columns = np.abs(np.arange(AROUND) - TOP)
    top, sides = style.volume
    amount = rng.uniform(0.75, 1.3)
    volume = np.interp(columns, [0, 4, 7, 10, 13], [top, 0.9 * top + 0.1 * sides, sides, 0.8 * sides, 0.1]) * amount
    lean = rng.normal(0, 0.18) * np.sin((np.arange(AROUND) - TOP) / TOP * np.pi)
    volume = volume * (1 + lean) + np.abs(rng.normal(0, style.rough, AROUND)) * (columns < 10)
    length = float(rng.uniform(*style.length)) if style.length[1] else 0.0
    return HeadStyle(
        volume=volume.astype(np.float32),
        hairline=line,
        crown=float(style.crown * rng.uniform(0.5, 1.4)),
        ear_size=float(np.exp(rng.normal(0.0 if look.feminine else 0.06, 0.07))),
        ear_tilt=float(rng.uniform(22, 48)),
        neck_width=float(np.exp(rng.normal(-0.10 if look.feminine else 0.06, 0.06))),
        shoulders=float(np.exp(rng.normal(-0.08 if look.feminine else 0.05, 0.05))),
        slope=float(rng.uniform(-0.4, 1.0)),
        length=length,
        spread=float(rng.uniform(0.6, 1.6)),
        wave=style.wave * float(rng.uniform(0.5, 1.5)),
        curl=float(rng.uniform(-0.2, 1.0)),
        wrap=float(rng.uniform(92, 128)),
    )


def _strands(
    rng: np.random.Generator, across: FloatArray, along: FloatArray, grain: int, straight: float
) -> FloatArray:
    """Return unit-ish noise that is long along the strands.

    Args:
        rng: Source.
        across: Position across the strands, 0..1, any shape.
        along: Position along them, 0..1, same shape.
        grain: Strands from 0 to 1 of ``across``.
        straight: 1 draws strands, 0 curls.
    """
    wander = cv2.resize(
        rng.standard_normal((5, 14), dtype=np.float32),
        (across.shape[1], across.shape[0]),
        interpolation=cv2.INTER_CUBIC,
    )
    warped = np.clip(across + 0.008 * wander, 0, 1)
    out: FloatArray = np.zeros_like(across)
    for strength, factor, knots in ((0.55, 0.22, 3), (0.6, 1.0, 5), (0.45, 2.6, 7)):
        table = rng.standard_normal((knots, max(4, int(grain * factor))), dtype=np.float32)
        x = (warped * (table.shape[1] - 1)).astype(np.float32)
        y = (np.clip(along, 0, 1) * (knots - 1)).astype(np.float32)
        out += strength * cv2.remap(table, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if straight < 1:
        shape = (across.shape[0], across.shape[1])
        curls = 0.8 * paint.noise(rng, grain * 0.9, shape) + 0.6 * paint.noise(rng, min(256, grain * 2.2), shape)
        out = np.asarray(straight * out + (1 - straight) * curls, np.float32)
    return out


def _colour(look: Appearance, strands: FloatArray, depth: FloatArray) -> FloatArray:
    """Return hair colour (.., 3): strands vary in lightness, roots (depth 0) are darker, light hair varies more."""
    light = float(look.hair.mean())
    value = 1 + (0.13 + 0.10 * light) * strands
    value *= 0.74 + 0.26 * np.clip(depth, 0, 1)
    sheen = np.array([1.0, 0.93, 0.84], np.float32) * (0.025 + 0.05 * light)
    return np.asarray(look.hair * value[..., None] + sheen * np.clip(strands, 0, 2)[..., None], np.float32)


def paint_hair(rng: np.random.Generator, look: Appearance, line: FloatArray, image: FloatArray) -> None:
    """Paint the hair into the shell, curtain and face charts of the master atlas, in place.

    Args:
        rng: Source.
        look: The subject.
        line: The hairline of ``hairline``.
        image: The master atlas.
    """
    style = STYLES[look.hair_style]
    part = float(rng.choice([-1, 1]) * rng.uniform(0.03, 0.10)) if look.hair_style != "back" else 0.0
    rows, columns = chart_slices(SHELL, MASTER)
    t, s = np.mgrid[0 : rows.stop - rows.start, 0 : columns.stop - columns.start].astype(np.float32)
    s, t = (s + 0.5) / s.shape[1], (t + 0.5) / t.shape[0]
    limit = np.interp(s * AROUND, np.arange(AROUND + 1), np.r_[line, line[0]]).astype(np.float32)
    into = t - limit
    if look.hair_style in ("back", "crop", "tied", "bald"):
        across = s
    else:  # strands fan out from the part and fall to the sides
        offset = s - 0.5 - part
        across = 0.5 + offset / (0.55 + 1.1 * np.sqrt(np.clip(into + 0.03, 0.0, 1)))
    strands = _strands(rng, np.clip(across, 0, 1), np.clip(into, 0, 1), style.grain, style.straight)
    soft = 0.03 if look.hair_style in ("crop", "bald", "receding") else 0.014
    cover = smoothstep(into + 0.016 * strands, -soft, soft + 0.02) * style.cover
    target = image[rows, columns]
    # A soft shadow of the hair on the skin in front of it.
    paint.tint(target, (0.70, 0.60, 0.56), 0.5 * style.cover * smoothstep(into, -0.10, 0.0))
    paint.mix(target, _colour(look, strands, smoothstep(into, 0, 0.2)), cover)
    if style.length[1]:
        rows, columns = chart_slices(CURTAIN, MASTER)
        t, s = np.mgrid[0 : rows.stop - rows.start, 0 : columns.stop - columns.start].astype(np.float32)
        s, t = s / s.shape[1], t / t.shape[0]
        strands = _strands(rng, s, t, style.grain, style.straight)
        image[rows, columns] = _colour(look, strands, np.clip(0.5 + 0.5 * np.cos((s - 0.5) * 2 * np.pi) * -1, 0.25, 1))
    _paint_face_chart(rng, look, style, part, image)


def _paint_face_chart(rng: np.random.Generator, look: Appearance, style: Style, part: float, image: FloatArray) -> None:
    """Paint fringe and sideburns over the skin."""
    outline = canonical().uv[list(OVAL)]
    size = MASTER
    v, u = np.mgrid[0:size, 0:size].astype(np.float32) / size
    target = image[:size, :size]
    if style.fringe:
        top = np.interp(u, outline[12:25, 0], outline[12:25, 1]).astype(np.float32)
        reach = style.fringe * rng.uniform(0.75, 1.15)
        locks = cv2.resize(rng.uniform(0.72, 1.1, (1, 26)).astype(np.float32), (size, 1), interpolation=cv2.INTER_CUBIC)
        sweep = 1 - 0.35 * np.clip((u - 0.5) * np.sign(part) + 0.2, 0, 1)
        strands = _strands(
            rng, np.clip(u + 0.25 * (v - 0.1) * np.sign(part), 0, 1), np.clip(v * 3, 0, 1), style.grain, 1.0
        )
        edge = top + reach * locks * sweep * np.clip(1.25 - 1.6 * np.abs(u - 0.5) ** 1.5, 0.4, 1) - v
        paint.tint(target, (0.66, 0.56, 0.53), 0.55 * smoothstep(edge, -0.035, 0.0))
        paint.mix(
            target,
            _colour(look, strands, smoothstep(edge, -0.05, 0.05)),
            smoothstep(edge + 0.006 * strands, -0.004, 0.008),
        )
    if look.hair_style in ("bald",):
        return
    reach = 0.018 if look.feminine else float(rng.uniform(0.02, 0.04))
    low = float(rng.uniform(0.42, 0.55) if not look.feminine else rng.uniform(0.36, 0.46))
    beside = (
        np.clip(1 - np.minimum(u, 1 - u) / reach, 0, 1) * smoothstep(low - v, -0.02, 0.06) * smoothstep(v, 0.28, 0.36)
    )
    grain = 0.9 + 0.12 * paint.noise(rng, 200, (size, size))
    paint.mix(target, look.hair * 0.9, np.clip(beside * grain, 0, 0.7) * style.cover)
