from __future__ import annotations

from pathlib import Path

import albumentations as A
import cv2
import numpy as np
import pytest

from fau import landmarks as landmark_sets
from fau.data.augment import Augmenter, Similarity, recipe, recipes, reflected
from fau.errors import FauError


def crops(n: int = 6, size: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def run(
    name: str, images: np.ndarray, points: np.ndarray | None = None, seed: int = 0, epoch: int = 0, first: int = 0
) -> tuple[np.ndarray, np.ndarray | None]:
    images, points = images.copy(), None if points is None else points.copy()
    Augmenter(name, seed, "none" if points is None else "68")(
        images, points, np.arange(first, first + len(images)), epoch
    )
    return images, points


@pytest.mark.parametrize("name", recipes())
def test_a_sample_follows_from_seed_epoch_and_index(name: str) -> None:
    images = np.stack([crops(1)[0]] * 12)
    once, _ = run(name, images)
    np.testing.assert_array_equal(once, run(name, images)[0])
    np.testing.assert_array_equal(once[4:], run(name, images[4:], first=4)[0], "company must not matter")
    for other in (run(name, images, epoch=1), run(name, images, seed=1), run(name, images, first=100)):
        assert not np.array_equal(once, other[0])
    assert len(np.unique(once.reshape(12, -1), axis=0)) > 1


def test_windows_follow_from_seed_epoch_and_index_and_are_even() -> None:
    augmenter = Augmenter("flip", 0)
    windows = augmenter.windows(np.arange(20_000), 3)
    assert windows.dtype == np.float32
    assert windows.min() >= 0 and windows.max() < 1
    np.testing.assert_array_equal(windows[[7, 5]], augmenter.windows(np.array([7, 5]), 3))
    np.testing.assert_array_equal(windows, Augmenter("default", 0).windows(np.arange(20_000), 3))
    for other in (augmenter.windows(np.arange(20_000), 4), Augmenter("flip", 1).windows(np.arange(20_000), 3)):
        assert abs(np.corrcoef(windows[:, 0], other[:, 0])[0, 1]) < 0.03
    assert abs(np.corrcoef(windows.T)[0, 1]) < 0.03
    counts = np.apply_along_axis(np.bincount, 0, (windows * 25).astype(int))  # JAA-Net's 25 places
    assert np.abs(counts / 800 - 1).max() < 0.15, "the 0.1 % point of a place's count is 11 % off"


def test_landmarks_follow_the_pixels_and_flips_change_left_and_right() -> None:
    points = np.full((1, 68, 2), np.nan, np.float32)
    # The subject's right eye, left eye, nose tip and mouth corners, as they lie in a picture.
    marked = {36: (20, 24), 45: (44, 25), 30: (31, 34), 48: (24, 46), 54: (41, 45)}
    points[0, list(marked)] = list(marked.values())
    twin = {36: 45, 45: 36, 30: 30, 48: 54, 54: 48}
    seen = set()
    for epoch in range(12):
        shown = {}
        for i, (x, y) in marked.items():  # one picture a point, in which it is a bright dot
            image = np.zeros((1, 64, 64, 3), np.uint8)
            image[0, y - 1 : y + 2, x - 1 : x + 2] = 255
            moved_image, moved = run("geometry", image, points, epoch=epoch)
            shown[i] = centroid(moved_image[0])
        assert moved is not None
        flipped = bool(shown[36][0] > shown[45][0])
        seen.add(flipped)
        for i in marked:
            np.testing.assert_allclose(moved[0, twin[i] if flipped else i], shown[i], atol=0.15)
        assert moved[0, 36, 0] < moved[0, 45, 0], "the right eye of a mirrored face is again on the picture's left"
        assert np.isnan(moved[0, 0]).all()
    assert seen == {True, False}


def centroid(image: np.ndarray) -> np.ndarray:
    weight = image.astype(float).sum(2)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


@pytest.mark.parametrize("landmark_set", ["49", "68", "478"])
def test_a_flip_is_a_mirror_and_a_permutation(landmark_set: str) -> None:
    count = landmark_sets.LANDMARK_COUNTS[landmark_set]
    points = np.random.default_rng(1).uniform(10, 50, (20, count, 2)).astype(np.float32)
    images = crops(20)
    moved_images, moved = images.copy(), points.copy()
    Augmenter("flip", 0, landmark_set)(moved_images, moved, np.arange(20), 0)
    flipped = np.array([np.array_equal(a, b[:, ::-1]) for a, b in zip(moved_images, images, strict=True)])
    assert 0 < flipped.sum() < 20
    np.testing.assert_array_equal(moved[~flipped], points[~flipped])
    mirrored = np.stack([63 - points[..., 0], points[..., 1]], -1)[:, landmark_sets.mirror(landmark_set)]
    np.testing.assert_allclose(moved[flipped], mirrored[flipped], atol=1e-4)


def test_landmarks_do_not_change_the_pixels() -> None:
    points = np.random.default_rng(1).uniform(10, 50, (6, 68, 2)).astype(np.float32)
    np.testing.assert_array_equal(run("default", crops())[0], run("default", crops(), points)[0])


def test_a_crop_without_landmarks_stays_without() -> None:
    points = np.full((6, 68, 2), np.nan, np.float32)
    _, moved = run("default", crops(), points)
    assert np.isnan(moved).all()  # type: ignore[arg-type]


def test_reflection_is_read_off_the_points() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(0, 1, (200, 10, 2)).astype(np.float32)
    maps = rng.normal(0, 1, (200, 2, 2))
    after = (points @ maps + 5).astype(np.float32)
    np.testing.assert_array_equal(reflected(points, after), np.linalg.det(maps) < 0)
    assert not reflected(points * np.nan, after * np.nan).any()


def test_similarity_moves_as_albumentations_own_affine_does() -> None:
    image = cv2.GaussianBlur(crops(1)[0], (0, 0), 3)
    points = np.random.default_rng(2).uniform(10, 50, (68, 2)).astype(np.float32)
    for angle, scale in ((7.0, 1.0), (0.0, 0.9), (-9.0, 1.1)):
        ours = Similarity((scale, scale), (angle, angle))
        theirs = A.Affine(scale=scale, rotate=(angle, angle), border_mode=cv2.BORDER_REPLICATE, p=1)
        results = [
            A.Compose([t], keypoint_params=A.KeypointParams("xy", remove_invisible=False))(
                image=image, keypoints=points
            )
            for t in (ours, theirs)
        ]
        difference = np.abs(results[0]["image"].astype(int) - results[1]["image"])
        assert difference.mean() < 0.5
        np.testing.assert_allclose(results[0]["keypoints"], results[1]["keypoints"], atol=0.05)


def test_a_saved_pipeline_is_a_recipe(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    A.save(A.Compose([A.HorizontalFlip(p=1), A.GaussNoise(p=1)]), file)
    images, _ = run(str(file), crops())
    assert not np.array_equal(images, crops())
    described = Augmenter(str(file), 0).describe()
    assert [t["__class_fullname__"] for t in described["transforms"]] == ["HorizontalFlip", "GaussNoise"]
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(FauError, match="is no pipeline saved by albumentations"):
        Augmenter(str(tmp_path / "bad.json"), 0)


def test_a_recipe_must_keep_the_size() -> None:
    @recipe("halves")
    def halves() -> list[A.BasicTransform]:
        return [A.Resize(32, 32)]

    with pytest.raises(FauError, match="'halves' turns crops of"):
        run("halves", crops())
    recipes_now = recipes()
    assert "halves" in recipes_now


def test_parameters_are_described() -> None:
    described = Augmenter("default", 0).describe()
    assert described["name"] == "default"
    assert described["transforms"][1] == {
        "__class_fullname__": "fau.data.augment.Similarity",
        **{"p": 1.0, "rotate": [-10.0, 10.0], "scale": [0.9, 1.1]},
    }
