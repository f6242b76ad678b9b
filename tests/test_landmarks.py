"""The maps between landmark sets and their mirrors, against the public tables; eyes and mouth in each set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from fau.errors import FauError
from fau.landmarks import (
    LANDMARK_COUNTS,
    believed,
    bounding_box,
    convert,
    eye_centres,
    from_66,
    interocular_distance,
    mirror,
    mouth_centre,
    to_49,
    to_68,
)

# A point's own number as its place: a map shows which points it took.
NUMBERS_478 = np.stack([np.arange(478), 1000 + np.arange(478)], 1).astype(np.float32)
NUMBERS_68 = NUMBERS_478[:68]

# PeizhiYan/Mediapipe_2_Dlib_Landmarks, as printed there: two numbers mean the middle of both points.
DLIB_OF_MEDIAPIPE = """
127 234 93 132+58 58+172 136 150 176 152 400 379 365 397+288 361 323 454 356
70 63 105 66 107 336 296 334 293 300
168+6 197+195 5 4 75 97 2 326 305
33 160 158 133 153 144 362 385 387 263 373 380
61 39 37 0 267 269 291 321 314 17 84 91
78 82 13 312 308 317 14 87
"""
# 49 points as MediaPipe's numbers.
JAA_OF_MEDIAPIPE = """
70 63 105 66 107 336 296 334 293 300 168+6 197+195 5 4 75 97 2 326 305 33 160 158 133 153 144 362 385 387 263
373 380 61 39 37 0 267 269 291 321 314 17 84 91 82 13 312 317 14 87
"""
# JAA-Net's reflect_49.txt, from 1.
REFLECT_49 = """
10 9 8 7 6 5 4 3 2 1 11 12 13 14 19 18 17 16 15 29 28 27 26 31 30 23 22 21 20 25 24 38 37 36 35 34 33 32 43 42 41 40 39
46 45 44 49 48 47
"""


def table(text: str) -> list[float]:
    return [float(np.mean([int(n) for n in entry.split("+")])) for entry in text.split()]


def test_478_to_68_is_the_public_table() -> None:
    np.testing.assert_array_equal(to_68(NUMBERS_478)[:, 0], table(DLIB_OF_MEDIAPIPE))


def test_478_to_49_is_the_table_of_jaa_net() -> None:
    np.testing.assert_array_equal(convert(NUMBERS_478, "478", "49")[:, 0], table(JAA_OF_MEDIAPIPE))


def test_68_to_49_leaves_out_the_jaw_and_the_inner_mouth_corners() -> None:
    assert to_49(NUMBERS_68)[:, 0].tolist() == [n for n in range(17, 68) if n not in (60, 64)]


def test_66_to_68_leaves_two_holes() -> None:
    spread = from_66(NUMBERS_68[:66])
    assert np.flatnonzero(np.isnan(spread).any(1)).tolist() == [60, 64]
    # 66-index 0..59 equal 68-index; 60-62 are 61-63; 63-65 are 65-67
    np.testing.assert_array_equal(spread[:60, 0], np.arange(60))
    assert spread[[61, 62, 63, 65, 66, 67], 0].tolist() == [60, 61, 62, 63, 64, 65]
    assert np.isfinite(to_49(spread)).all()
    np.testing.assert_array_equal(convert(NUMBERS_68[:66], "66", "49"), to_49(spread))


def test_the_mirror_of_49_is_reflect_49() -> None:
    np.testing.assert_array_equal(mirror("49") + 1, table(REFLECT_49))


@pytest.mark.parametrize("landmark_set", LANDMARK_COUNTS)
def test_a_mirror_is_its_own_inverse(landmark_set: str) -> None:
    order = mirror(landmark_set)
    np.testing.assert_array_equal(order[order], np.arange(LANDMARK_COUNTS[landmark_set]))


def test_mirrors_of_known_points() -> None:
    order = mirror("478")
    pairs = {
        33: 263,
        133: 362,
        61: 291,
        70: 300,
        468: 473,
        469: 476,
        470: 475,
        471: 474,
        472: 477,
        1: 1,
        13: 13,
        152: 152,
    }
    assert {point: int(order[point]) for point in pairs} == pairs
    order = mirror("68")
    pairs = {0: 16, 8: 8, 17: 26, 36: 45, 39: 42, 40: 47, 48: 54, 60: 64, 62: 62, 67: 65}
    assert {point: int(order[point]) for point in pairs} == pairs


@pytest.mark.parametrize(("source", "target"), [("478", "68"), ("478", "49"), ("68", "49")])
def test_mirror_and_map_commute(source: str, target: str) -> None:
    """Mirroring before or after a map is the same, up to the map's own asymmetry: its table has lopsided pairs."""
    first = convert(NUMBERS_478[: LANDMARK_COUNTS[source]][mirror(source)], source, target)
    second = convert(NUMBERS_478[: LANDMARK_COUNTS[source]], source, target)[mirror(target)]
    lopsided = [3, 13] if (source, target) == ("478", "68") else []  # the jaw: 132+58 against 361
    same = np.flatnonzero((first == second).all(1)).tolist()
    assert sorted(set(range(LANDMARK_COUNTS[target])) - set(same)) == lopsided


def test_the_mirror_of_an_array_is_no_map() -> None:
    with pytest.raises(
        FauError, match=r"there is no map from 49 landmarks to 68; maps run 478 -> 68 -> 49 and 66 -> 68"
    ):
        convert(NUMBERS_478[:49], "49", "68")


@pytest.mark.parametrize("shape", [(67, 2), (68, 3), (68,), (2, 68)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(FauError, match=r"landmarks of the set '68' have shape \(\.\.\., 68, 2\), not"):
        eye_centres(np.zeros(shape, np.float32), "68")


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(FauError, match="landmark set '5' is unknown; choose one of 49, 68, 478, 66"):
        mouth_centre(np.zeros((5, 2), np.float32), "5")


def test_eyes_and_mouth_of_478() -> None:
    assert eye_centres(NUMBERS_478, "478")[:, 0].tolist() == [468, 473]
    assert mouth_centre(NUMBERS_478, "478")[0] == np.mean([61, 291, 13, 14])
    assert interocular_distance(NUMBERS_478, "478") == pytest.approx(5 * 2**0.5)


def test_without_irises_the_eyes_corners_serve() -> None:
    corners = [(33 + 133) / 2, (362 + 263) / 2]
    assert eye_centres(NUMBERS_478[:468], "478")[:, 0].tolist() == corners
    one_gone = NUMBERS_478.copy()
    one_gone[473] = np.nan
    assert eye_centres(one_gone, "478")[:, 0].tolist() == [468, corners[1]]


def test_eyes_and_mouth_of_68_and_49() -> None:
    assert eye_centres(NUMBERS_68, "68")[:, 0].tolist() == [37.5, 43.5]
    assert mouth_centre(NUMBERS_68, "68")[0] == np.mean([48, 54, 62, 66])
    np.testing.assert_array_equal(eye_centres(to_49(NUMBERS_68), "49"), eye_centres(NUMBERS_68, "68"))
    np.testing.assert_array_equal(mouth_centre(to_49(NUMBERS_68), "49"), mouth_centre(NUMBERS_68, "68"))


def test_the_points_that_are_there_make_the_mouth() -> None:
    points = NUMBERS_68.copy()
    points[62] = np.nan
    assert mouth_centre(points, "68")[0] == np.mean([48, 54])
    points[62], points[48] = 62, np.nan
    assert mouth_centre(points, "68")[0] == np.mean([62, 66])
    points[66] = np.nan
    assert np.isnan(mouth_centre(points, "68")).all()


def test_many_faces_at_once() -> None:
    faces = np.stack([NUMBERS_478, NUMBERS_478 + 1, np.full_like(NUMBERS_478, np.nan)])
    assert eye_centres(faces, "478").shape == (3, 2, 2)
    for function in (eye_centres, mouth_centre, interocular_distance):
        np.testing.assert_array_equal(function(faces, "478"), [function(face, "478") for face in faces])
    assert convert(faces, "478", "49").shape == (3, 49, 2)
    assert convert(faces, "478", "49").dtype == eye_centres(faces, "478").dtype == np.float32


@given(arrays(np.float32, (7, 2), elements=st.floats(-1000, 1000, width=32)))
def test_a_box_holds_its_points(points: NDArray[np.float32]) -> None:
    x, y, width, height = bounding_box(points) or (0, 0, 0, 0)
    low, high = points.min(0), points.max(0)
    assert (x, y) == tuple(low) and (x + width - 1, y + height - 1) == pytest.approx(tuple(high), abs=1e-3)


def test_the_box_of_missing_points() -> None:
    assert bounding_box(np.array([[np.nan, 1], [2, 3], [4, 9]], np.float32)) == (2, 3, 3, 7)
    assert bounding_box(np.full((5, 2), np.nan, np.float32)) is None


def test_landmarks_that_cannot_be_are_not_known() -> None:
    points = np.array([[-10, 5], [70, 5], [np.inf, 5], [5, np.nan], [5, -1e30], [129, 5], [5, -65]], np.float32)
    got = believed(points[None], 64)
    assert got.dtype == np.float32 and np.array_equal(got[0, :2], points[:2])
    assert np.isnan(got[0, 2:]).all(), "a point is known or is not"
