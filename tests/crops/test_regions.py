"""Eyes, brows and mouth: each patch shows what it is named after, alone or in a batch."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fau.crops.overlay import draw_landmarks
from fau.crops.regions import cut_regions, region_boxes
from fau.errors import FauError
from fau.landmarks import REGIONS, convert, eye_centres, mirror, mouth_centre
from fau.synthetic.identity import make_identity
from fau.synthetic.render import Rendered, render
from fau.synthetic.view import plain_view

SETS = ("478", "68", "49")


@pytest.fixture(scope="module")
def drawn() -> list[Rendered]:
    out = []
    for seed in range(3):
        rng = np.random.default_rng([93, seed])
        out.append(render(make_identity(rng), np.zeros(18, np.float32), plain_view(0), 128, rng))
    return out


def marked(points: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A picture in which the right eye is red, the left green, the mouth blue."""
    image = np.zeros((128, 128, 3), np.uint8)
    y, x = np.mgrid[:128, :128]
    for channel, at in enumerate((*eye_centres(points, "478"), mouth_centre(points, "478"))):
        image[(x - at[0]) ** 2 + (y - at[1]) ** 2 < 9, channel] = 255
    return image


@pytest.mark.parametrize("landmark_set", SETS)
def test_each_patch_shows_its_part(drawn: list[Rendered], landmark_set: str) -> None:
    for face in drawn:
        points = convert(face.landmarks, "478", landmark_set)
        patches = cut_regions(marked(face.landmarks), points, landmark_set, size=33)
        assert tuple(patches) == REGIONS
        for channel, name in enumerate(("right_eye", "left_eye", "mouth")):
            patch = patches[name]
            assert patch.shape == (33, 33, 3) and patch.dtype == np.uint8
            assert patch[14:19, 14:19, channel].max() > 200  # in its middle
            assert not patch[..., [c for c in range(3) if c != channel]].any()  # and nothing of the others


@pytest.mark.parametrize("landmark_set", SETS)
def test_boxes_hold_their_points_with_a_margin(drawn: list[Rendered], landmark_set: str) -> None:
    for face in drawn:
        points = convert(face.landmarks, "478", landmark_set)
        brow, eye = (region_boxes(points, landmark_set)[REGIONS.index(name)] for name in ("left_brow", "left_eye"))
        assert brow[1] < eye[1]  # above it
        x, y, side = region_boxes(points, landmark_set)[REGIONS.index("mouth")]
        corners = convert(points, landmark_set, "49")[[31, 37]]
        assert side == pytest.approx(1.5 * np.ptp(corners[:, 0]), rel=0.1)
        assert (np.abs(corners - (x, y)) < side / 2).all()
        tight = region_boxes(points, landmark_set, margin=0)
        np.testing.assert_allclose(region_boxes(points, landmark_set)[:, 2], 1.5 * tight[:, 2])


def test_a_batch_is_its_crops(drawn: list[Rendered]) -> None:
    crops, points = np.stack([face.image for face in drawn]), np.stack([face.landmarks for face in drawn])
    batch = cut_regions(crops, points, "478", size=24)
    for i in range(len(drawn)):
        for name, patch in cut_regions(crops[i], points[i], "478", size=24).items():
            np.testing.assert_array_equal(batch[name][i], patch)
    assert all(patches.shape == (3, 24, 24, 3) for patches in batch.values())
    assert cut_regions(crops[:0], points[:0], "478")["mouth"].shape == (0, 32, 32, 3)


def test_a_mirrored_crop_has_mirrored_patches(drawn: list[Rendered]) -> None:
    face = drawn[0]
    flipped = face.landmarks[mirror("478")] * np.float32([-1, 1]) + np.float32([127, 0])
    patches = cut_regions(face.image, face.landmarks, "478", size=32)
    mirrored = cut_regions(np.ascontiguousarray(face.image[:, ::-1]), flipped, "478", size=32)
    for name, other in (("right_eye", "left_eye"), ("left_brow", "right_brow"), ("mouth", "mouth")):
        difference = patches[name].astype(int) - mirrored[other][:, ::-1].astype(int)
        assert np.abs(difference).max() <= 8  # positions are rounded to 1/32 px


def test_a_part_without_points_is_grey(drawn: list[Rendered]) -> None:
    points = convert(drawn[0].landmarks, "478", "68")
    points[40] = np.nan
    patches = cut_regions(drawn[0].image, points, "68")
    assert (patches["right_eye"] == 128).all() and patches["left_eye"].std() > 5


def test_crops_and_landmarks_must_fit(drawn: list[Rendered]) -> None:
    with pytest.raises(FauError, match=r"crops \(128, 128, 3\) and landmarks \(1, 478, 2\) do not belong together"):
        cut_regions(drawn[0].image, drawn[0].landmarks[None], "478")
    with pytest.raises(FauError, match="landmark set '5' is unknown"):
        region_boxes(drawn[0].landmarks, "5")


def test_an_overlay_puts_dots_on_points() -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    points = np.array([[10, 5], [np.nan, 3], [500, 500]], np.float32)
    out = draw_landmarks(image, points, colour=(255, 0, 0), zoom=3)
    assert out.shape == (60, 90, 3) and not image.any()
    y, x = np.nonzero(out[..., 0])
    weight = out[y, x, 0].astype(float)
    # The middle of pixel 10 at thrice the size: 3 (10 + 1/2) - 1/2.
    np.testing.assert_allclose(
        [(weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()], [31, 16], atol=0.1
    )
    assert not out[..., 1:].any()
