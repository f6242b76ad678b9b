"""Alignment: where the template's points land, that nothing is sheared, and that pixels land where landmarks do."""

from __future__ import annotations

import math
import time
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from fau.crops.align import ALIGNMENTS, Alignment, move, similarity, warp
from fau.errors import FauError
from fau.landmarks import convert, eye_centres, from_66, mouth_centre
from fau.synthetic.identity import make_identity
from fau.synthetic.render import Rendered, render
from fau.synthetic.view import sample_view

SHAPE = (480, 640)
TEMPLATE = np.array([(38.29, 51.70), (73.53, 51.50), (56.14, 92.28)])  # the text's, in 112 px


@pytest.fixture(scope="module")
def drawn() -> list[Rendered]:
    out = []
    for seed in range(4):
        rng = np.random.default_rng([90, seed])
        out.append(render(make_identity(rng), np.zeros(18, np.float32), sample_view(rng, roll=25), 128, rng))
    return out


def placed(points: NDArray[np.float32], scale: float = 2.0, degrees: float = 20.0) -> NDArray[np.float32]:
    """Points turned and shifted into a larger picture."""
    a = math.radians(degrees)
    turn = scale * np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    return np.asarray(points @ turn.T + (200, 90), np.float32)


def is_similarity(matrix: NDArray[np.float64]) -> bool:
    (a, b, _), (c, d, _) = matrix
    return bool(np.isclose(a, d) and np.isclose(b, -c) and a * d - b * c > 0)


# The fit.

TRIANGLE = arrays(np.float64, (3, 2), elements=st.floats(-500, 500))


@given(source=TRIANGLE, target=TRIANGLE)
def test_the_similarity_is_the_least_squares_one(source: NDArray[np.float64], target: NDArray[np.float64]) -> None:
    """Held against the linear system in the four unknowns: scale times cosine, scale times sine, two shifts."""
    if np.ptp(source, axis=0).max() < 1:
        return
    rows = []
    for x, y in source:
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
    c, s, tx, ty = np.linalg.lstsq(np.array(rows), target.ravel())[0]
    np.testing.assert_allclose(similarity(source, target), [[c, -s, tx], [s, c, ty]], rtol=1e-6, atol=1e-6)


@given(
    source=TRIANGLE,
    scale=st.floats(0.1, 10),
    degrees=st.floats(-180, 180),
    shift=st.tuples(st.floats(-100, 100), st.floats(-100, 100)),
)
def test_a_similarity_is_found_again(
    source: NDArray[np.float64], scale: float, degrees: float, shift: tuple[float, float]
) -> None:
    if np.ptp(source, axis=0).max() < 1:
        return
    a = math.radians(degrees)
    matrix = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0]]) * scale
    matrix[:, 2] = shift
    found = similarity(source, source @ matrix[:, :2].T + matrix[:, 2])
    np.testing.assert_allclose(found, matrix, atol=1e-6)


def test_two_points_are_enough_and_one_is_not() -> None:
    source = np.array([(0.0, 0.0), (2.0, 0.0), (np.nan, 1.0)])
    found = similarity(source, np.array([(1.0, 1.0), (1.0, 5.0), (9.0, 9.0)]))
    np.testing.assert_allclose(found, [[0, -2, 1], [2, 0, 1]], atol=1e-12)
    source[1] = np.nan
    assert np.isnan(similarity(source, TEMPLATE)).all()
    assert np.isnan(similarity(np.ones((3, 2)), TEMPLATE)).all()


def test_many_fits_at_once() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(0, 50, (20, 3, 2))
    source[3, 1] = np.nan
    together = similarity(source, TEMPLATE)
    np.testing.assert_allclose(together, [similarity(one, TEMPLATE) for one in source])


# The recipes.


@pytest.mark.parametrize("landmark_set", ["478", "68", "49"])
@pytest.mark.parametrize("size", [112, 224])
def test_canonical_brings_eyes_and_mouth_to_the_template(drawn: list[Rendered], landmark_set: str, size: int) -> None:
    for face in drawn:
        points = placed(convert(face.landmarks, "478", landmark_set))
        matrix = Alignment("canonical", size).matrix(points, landmark_set, None, SHAPE)
        assert matrix is not None and is_similarity(matrix)
        there = move(points, matrix)
        three = np.concatenate([eye_centres(there, landmark_set), mouth_centre(there, landmark_set)[None]])
        target = TEMPLATE * size / 112
        # Two unknowns too few for a fit without error; its errors cancel.
        np.testing.assert_allclose(three.mean(0), target.mean(0), atol=0.01 * size / 112)
        assert np.abs(three - target).max() < 0.06 * size


def test_a_face_like_the_template_fits_without_error() -> None:
    points = np.zeros((49, 2), np.float32)
    points[19:25], points[25:31] = TEMPLATE[0], TEMPLATE[1]
    points[[31, 37, 44, 47]] = TEMPLATE[2]
    matrix = Alignment("canonical", 112).matrix(points, "49", None, SHAPE)
    np.testing.assert_allclose(matrix, np.eye(2, 3), atol=6e-3)  # the mouth is 0.005 off


@pytest.mark.parametrize("landmark_set", ["478", "68", "49"])
@pytest.mark.parametrize("size", [200, 112])
def test_jaa_levels_the_eyes_and_centres_its_box(drawn: list[Rendered], landmark_set: str, size: int) -> None:
    for face in drawn:
        points = placed(convert(face.landmarks, "478", landmark_set))
        matrix = Alignment("jaa", size).matrix(points, landmark_set, None, SHAPE)
        assert matrix is not None and is_similarity(matrix)
        there = convert(move(points, matrix), landmark_set, "49")
        right, left = there[19:25].mean(0), there[25:31].mean(0)
        assert right[1] == pytest.approx(left[1], abs=1e-3) and right[0] < left[0]
        five = np.stack([right, left, there[13], there[31], there[37]])
        np.testing.assert_allclose((five.min(0) + five.max(0)) / 2, (size - 1) / 2, atol=1e-3)
        assert np.ptp(five, axis=0).max() == pytest.approx((size - 1) / 2.9, abs=1e-3)


def test_jaa_of_given_numbers() -> None:
    """Eyes at (100, 100) and (160, 100), nose (130, 140), mouth corners at y 170: 70 high, 203 px to 199."""
    points = np.full((49, 2), 0, np.float32)
    points[19:25], points[25:31] = (100, 100), (160, 100)
    points[13], points[31], points[37] = (130, 140), (110, 170), (150, 170)
    matrix = Alignment("jaa", 200).matrix(points, "49", None, SHAPE)
    scale = 199 / 203
    np.testing.assert_allclose(matrix, [[scale, 0, 99.5 - 130 * scale], [0, scale, 99.5 - 135 * scale]], atol=1e-9)


def test_box_is_the_square_with_its_margin() -> None:
    """A box of 100 x 60 at (10, 20), 25 % of 100 on each side: 150 px about its centre, to 75."""
    matrix = Alignment("box", 75).matrix(None, "none", (10, 20, 100, 60), SHAPE)
    assert matrix is not None
    edges = np.array([[10 - 0.5 - 25, 49.5 - 75], [109.5 + 25, 49.5 + 75]], np.float32)
    np.testing.assert_allclose(move(edges, matrix), [[-0.5, -0.5], [74.5, 74.5]], atol=1e-5)
    whole = Alignment("box", 100, margin=0).matrix(None, "none", (10, 20, 100, 100), SHAPE)
    np.testing.assert_allclose(whole, [[1, 0, -10], [0, 1, -20]])


def test_box_is_made_of_points_where_there_is_none() -> None:
    points = np.array([[10, 20], [109, 79], [np.nan, np.nan]] + [[50, 50]] * 46, np.float32)
    align = Alignment("box", 75)
    np.testing.assert_allclose(
        align.matrix(points, "49", None, SHAPE), align.matrix(None, "none", (10, 20, 100, 60), SHAPE)
    )


def test_resize_shows_the_whole_picture_in_its_proportions() -> None:
    matrix = Alignment("resize", 64).matrix(None, "none", None, (480, 640, 3))
    assert matrix is not None
    corners = np.array([[-0.5, -0.5], [639.5, 479.5]], np.float32)
    np.testing.assert_allclose(move(corners, matrix), [[-0.5, 7.5], [63.5, 55.5]], atol=1e-5)


def test_a_picture_of_the_crops_size_stays_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    matrix = Alignment("resize", 112).matrix(None, "none", None, picture.shape)
    assert matrix is not None
    np.testing.assert_array_equal(warp(picture, matrix, 112), picture)


def test_disfas_66_points_align_like_the_68(drawn: list[Rendered]) -> None:
    full = convert(drawn[0].landmarks, "478", "68")
    holes = from_66(np.delete(full, (60, 64), axis=0))
    for name in ("canonical", "jaa", "box"):
        align = Alignment(name, 112)
        np.testing.assert_array_equal(align.matrix(holes, "68", None, SHAPE), align.matrix(full, "68", None, SHAPE))


@pytest.mark.parametrize("name", ["canonical", "jaa", "box"])
def test_where_there_is_no_face_there_is_no_matrix(name: str) -> None:
    align = Alignment(name, 112)
    assert align.matrix(None, "none", None, SHAPE) is None
    assert align.matrix(np.full((68, 2), np.nan, np.float32), "68", None, SHAPE) is None
    if name != "box":
        assert align.matrix(np.ones((68, 2), np.float32), "68", None, SHAPE) is None  # all in one place


def test_one_missing_part_is_made_up_for_by_the_others(drawn: list[Rendered]) -> None:
    points = convert(drawn[0].landmarks, "478", "68")
    full = Alignment("canonical", 112).matrix(points, "68", None, SHAPE)
    points[48:] = np.nan  # no mouth: the eyes decide
    matrix = Alignment("canonical", 112).matrix(points, "68", None, SHAPE)
    assert matrix is not None and full is not None
    np.testing.assert_allclose(move(eye_centres(points, "68"), matrix), TEMPLATE[:2], atol=1e-4)
    assert np.abs(move(points[36:48], matrix) - move(points[36:48], full)).max() < 6
    assert Alignment("jaa", 112).matrix(points, "68", None, SHAPE) is None


def test_10_000_matrices_a_second(drawn: list[Rendered]) -> None:
    """An order of magnitude of room for a busy machine."""
    points, align = convert(drawn[0].landmarks, "478", "68"), Alignment("canonical", 112)
    start = time.process_time()
    for _ in range(300):
        align.matrix(points, "68", None, SHAPE)
    assert (time.process_time() - start) / 300 < 1e-3


# Bad input.


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name": "dlib"}, "alignment 'dlib' is unknown; choose one of canonical, jaa, box, resize"),
        ({"size": 1}, "crops of 1 px cannot be made; give a size of at least 2"),
        ({"margin": 0.3}, "the alignment 'canonical' has no margin; only 'box' has one"),
        ({"name": "box", "margin": -0.6}, "margin = -0.6 is no share of the face's box; give a value from 0 to 10"),
        ({"name": "box", "margin": math.nan}, "margin = nan is no share"),
    ],
)
def test_bad_settings(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FauError, match=sentence):
        Alignment(**({"name": "canonical", "size": 112} | arguments))


def test_points_of_another_set() -> None:
    with pytest.raises(FauError, match=r"landmarks of the set '478' have shape \(\.\.\., 478, 2\), not \(68, 2\)"):
        Alignment("jaa", 200).matrix(np.zeros((68, 2), np.float32), "478", None, SHAPE)


def test_an_unknown_border() -> None:
    with pytest.raises(FauError, match="the border 'black' is unknown; choose one of grey, replicate"):
        warp(np.zeros((9, 9, 3), np.uint8), np.eye(2, 3), 4, "black")


def test_a_recipe_is_told_in_full() -> None:
    assert Alignment("jaa", 200).as_dict() == {"name": "jaa", "size": 200, "enlarge": 2.9, "border": "grey"}
    assert Alignment("box", 64).as_dict()["margin"] == 0.25
    np.testing.assert_allclose(Alignment("canonical", 224).as_dict()["template"], 2 * TEMPLATE, atol=0.011)
    assert all(Alignment(name, 64).as_dict()["name"] == name for name in ALIGNMENTS)


# The cut: pixels land where landmarks land.


def turn_about(scale: float, degrees: float, source: tuple[float, float], target: float) -> NDArray[np.float64]:
    a = math.radians(degrees)
    matrix = np.zeros((2, 3))
    matrix[:, :2] = scale * np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    matrix[:, 2] = target - matrix[:, :2] @ source
    return matrix


@pytest.mark.parametrize("scale", [0.06, 0.13, 0.19, 0.26, 0.35, 0.41, 0.55, 0.79, 0.83, 1.0, 1.7, 3.0])
@pytest.mark.parametrize("degrees", [0.0, 17.0, -90.0])
def test_pixels_land_where_landmarks_do(scale: float, degrees: float) -> None:
    """A soft spot's centre of mass, in the picture and in the crop."""
    size, sigma = 40, max(2.5, 2.5 / scale)
    side = int(1.5 * size / scale) + 12
    spot = np.array([side / 2 + 0.37 / scale, side / 2 - 0.21 / scale])
    y, x = np.mgrid[:side, :side]
    picture = 250 * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / (2 * sigma**2))
    image = np.repeat(np.round(picture).astype(np.uint8)[..., None], 3, 2)
    matrix = turn_about(scale, degrees, (side / 2 - 0.4, side / 2 + 0.3), (size - 1) / 2 + 1.3)
    crop = warp(image, matrix, size, "replicate")[..., 1].astype(np.float64)
    weight = np.where(crop > 25, crop, 0)
    y, x = np.mgrid[:size, :size]
    found = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
    np.testing.assert_allclose(found, move(spot[None].astype(np.float32), matrix)[0], atol=0.05)


def mean_over_areas(image: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    """The crop as the mean of 144 samples a pixel."""
    samples = 12
    fine = samples * matrix
    fine[:, 2] += (samples - 1) / 2
    large = cv2.warpAffine(
        image.astype(np.float32), fine, (samples * size, samples * size), borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA), np.float32)


@pytest.mark.parametrize("degrees", [0.0, 11.0, 45.0])
@pytest.mark.parametrize("scale", [0.07, 0.11, 0.19, 0.24, 0.31, 0.39, 0.5, 0.7, 0.9])
def test_shrinking_averages_areas(scale: float, degrees: float) -> None:
    """Of a picture of fine texture, each crop pixel is within about 3 of 255 of the mean over its area."""
    noise = np.random.default_rng(8).integers(0, 256, (500, 500, 3), dtype=np.uint8)
    image = np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.8), np.uint8)
    size = int(0.6 * 500 * scale)
    matrix = turn_about(scale, degrees, (249.8, 250.3), (size - 1) / 2)
    crop, area = warp(image, matrix, size).astype(np.float32), mean_over_areas(image, matrix, size)
    error = np.sqrt(((crop - area) ** 2).mean())
    assert error < 3 and crop.std() < 1.15 * area.std()
    if scale < 0.3:  # one sample a pixel aliases
        linear = cv2.warpAffine(image, matrix, (size, size)).astype(np.float32)
        assert np.sqrt(((linear - area) ** 2).mean()) > 4 * error


def test_a_whole_picture_halved_is_the_mean_of_four() -> None:
    image = np.random.default_rng(2).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    matrix = Alignment("resize", 48).matrix(None, "none", None, image.shape)
    assert matrix is not None
    means = image.reshape(48, 2, 48, 2, 3).mean((1, 3))
    assert np.abs(warp(image, matrix, 48) - means).max() <= 0.5


@pytest.mark.parametrize("size", [(48, 48), (100, 100), (97, 97), (256, 256), (1000, 1000), (1001, 1001)])
def test_no_border_shows_inside_the_picture(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 250, np.uint8)
    matrix = Alignment("resize", 112).matrix(None, "none", None, image.shape)
    assert matrix is not None
    assert warp(image, matrix, 112).min() == 250


def test_outside_the_picture_is_grey_or_its_edge() -> None:
    image = np.full((60, 60, 3), 250, np.uint8)
    matrix = turn_about(0.3, 10, (0, 0), 20)  # the picture's corner in the middle of the crop
    crop = warp(image, matrix, 40)
    assert (crop[:12] == 128).all() and (crop[25:35, 25:35] == 250).all()
    assert (warp(image, matrix, 40, "replicate") == 250).all()


@pytest.mark.parametrize("far", [-5000.0, 5000.0])
def test_a_crop_beside_the_picture_is_grey(far: float) -> None:
    for scale in (0.1, 1.0, 4.0):
        crop = warp(np.zeros((50, 70, 3), np.uint8), turn_about(scale, 5, (far, far), 10), 20)
        assert (crop == 128).all()


@given(
    scale=st.floats(0.02, 20),
    degrees=st.floats(-180, 180),
    at=st.tuples(st.floats(-100, 200), st.floats(-100, 200)),
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
)
def test_any_crop_of_any_picture(scale: float, degrees: float, at: tuple[float, float], shape: tuple[int, int]) -> None:
    crop = warp(np.full((*shape, 3), 200, np.uint8), turn_about(scale, degrees, at, 8), 16)
    assert crop.shape == (16, 16, 3) and crop.dtype == np.uint8
    assert crop.min() >= 128 and crop.max() <= 200


def test_the_picture_is_left_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    image.flags.writeable = False
    same = image[:, ::-1]  # not contiguous
    a = warp(image, turn_about(0.2, 3, (150, 150), 20), 40)
    b = warp(np.ascontiguousarray(same), turn_about(0.2, 3, (150, 150), 20), 40)
    np.testing.assert_array_equal(b, warp(same, turn_about(0.2, 3, (150, 150), 20), 40))
    assert not np.array_equal(a, b)


def test_a_missing_point_stays_missing() -> None:
    moved = move(np.array([[1, 2], [np.nan, 3]], np.float32), turn_about(2, 30, (0, 0), 5))
    assert np.isfinite(moved[0]).all() and np.isnan(moved[1]).all() and moved.dtype == np.float32
