"""Which of many crops show the same picture, though not the same pixels.

Candidates are found by the difference hash of ``fau.crops.duplicates``, at most three of 64 bits apart. Cut the bits
into six bands: three flipped bits leave three bands untouched, so that two such hashes agree in one of the 20 choices
of three bands, and sorting by each choice brings them together (Manku, Jain and Das Sarma, WWW 2007). No crop is
compared with all others. Since aligned faces of different people have similar hashes, candidates are then compared as
pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

DISTANCE = 3  # bits
TOLERANCE = 4.0  # mean absolute difference of two thumbnails of equal brightness, in grey levels of 0..255
THUMBNAIL = 32  # pixels
_BANDS = (11, 11, 11, 11, 10, 10)  # bits of each
_NEIGHBOURS = 256  # hashes that agree in three bands are compared with so many of their like at most
_PAIRS = 16_384  # compared at a time: their thumbnails take 134 MB at most


def near(hashes: NDArray[np.uint64], distance: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of different hashes at most ``distance`` bits apart, as positions, each pair once.

    Args:
        hashes: Each once, (n,).
        distance: 0 to 3 bits.
    """
    starts = np.cumsum((0, *_BANDS[:-1]))
    bands = [np.uint64(((1 << width) - 1) << int(start)) for width, start in zip(_BANDS, starts, strict=True)]
    found = [np.zeros(0, np.int64)]
    count = len(hashes)
    for chosen in combinations(bands, len(_BANDS) - DISTANCE):
        key = hashes & np.bitwise_or.reduce(chosen)
        order = np.argsort(key, kind="stable")
        key, ordered = key[order], hashes[order]
        at = np.arange(count)
        for shift in range(1, min(_NEIGHBOURS, count - 1) + 1):
            at = at[at < count - shift]
            at = at[key[at] == key[at + shift]]
            if not len(at):
                break
            fits = at[np.bitwise_count(ordered[at] ^ ordered[at + shift]) <= distance]
            one, other = order[fits], order[fits + shift]
            found.append(np.minimum(one, other) * count + np.maximum(one, other))
    codes = np.unique(np.concatenate(found))
    return codes // count if count else codes, codes % count if count else codes


def look_alike(
    crop: Callable[[int], NDArray[np.uint8]], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Tell which pairs of crops show the same picture, bool (P,).

    Args:
        crop: Gives a crop, uint8 (H, W, 3), by its number.
        first: Numbers of crops, (P,).
        second: Those that they are compared with, (P,).
    """
    alike = np.empty(len(first), bool)
    for at in range(0, len(first), _PAIRS):
        part = slice(at, at + _PAIRS)
        numbers, place = np.unique(np.concatenate([first[part], second[part]]), return_inverse=True)
        small = np.stack([_thumbnail(crop(int(number))) for number in numbers])
        one, other = np.split(place, 2)
        alike[part] = np.abs(small[one] - small[other]).mean(1) <= TOLERANCE
    return alike


def _thumbnail(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a crop as grey levels about their mean, float32 (THUMBNAIL ** 2,)."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    return np.asarray(small - small.mean(), np.float32)
