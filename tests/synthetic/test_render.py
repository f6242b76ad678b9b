"""The renderer: same bytes everywhere, landmarks on the mesh, units that move what they should."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from render_cases import KEPT, RECORDED, RECORDED_ON, digest, draw_all, draw_case, here

from fau.labels import LABEL_SETS, au_label
from fau.landmarks import mirror
from fau.synthetic.action_units import deform
from fau.synthetic.camera import make_camera
from fau.synthetic.identity import Identity, make_identity
from fau.synthetic.occluders import KINDS, OccluderKind, sample_occluder
from fau.synthetic.render import canvas_size, render
from fau.synthetic.view import plain_view, sample_view

AUS = LABEL_SETS["synthetic18"]
NONE = np.zeros(len(AUS), np.float32)


@pytest.fixture(scope="module")
def person() -> Identity:
    return make_identity(np.random.default_rng(3))


def units(**levels: float) -> np.ndarray:
    out = NONE.copy()
    for name, value in levels.items():
        out[AUS.index(int(name.removeprefix("au")))] = value
    return out


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_crops_are_those_recorded() -> None:
    drawn = draw_all()
    if here() == RECORDED_ON:
        assert digest(drawn) == RECORDED
    kept = cv2.imread(str(KEPT))[..., ::-1]
    assert np.abs(drawn.astype(int) - kept).mean() <= 1


def test_another_process_draws_the_same_bytes() -> None:
    mine = draw_case(3)
    code = "from render_cases import *; r = draw_case(3); print(digest(r.image), r.landmarks.tobytes().hex())"
    folder = Path(__file__).resolve().parent
    other = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    image, landmarks = other.stdout.split()
    assert image == digest(mine.image)
    assert landmarks == mine.landmarks.tobytes().hex()


def test_threads_do_not_matter(person: Identity) -> None:
    view = sample_view(rng())
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = render(person, units(au12=4, au25=3), view, 112, rng())
        cv2.setNumThreads(4)
        four = render(person, units(au12=4, au25=3), view, 112, rng())
    finally:
        cv2.setNumThreads(before)
    assert digest(one.image) == digest(four.image)


@pytest.mark.parametrize("size", [32, 112, 224])
def test_landmarks_lie_in_the_crop_and_on_the_mesh(person: Identity, size: int) -> None:
    view = plain_view()
    drawn = render(person, NONE, view, size, rng())
    assert drawn.image.shape == (size, size, 3) and drawn.image.dtype == np.uint8
    assert drawn.landmarks.shape == (478, 2) and drawn.landmarks.dtype == np.float32
    assert (drawn.landmarks > 0).all() and (drawn.landmarks < size - 1).all()
    canvas = canvas_size(size)
    camera = make_camera(view.yaw, view.pitch, view.roll, view.zoom, view.shift, canvas)
    projected = camera.look(deform(person.shape, person.skin_motion, NONE))
    expected = (projected + 0.5) * size / canvas - 0.5
    np.testing.assert_allclose(drawn.landmarks[:468], expected, atol=1e-3)


def test_iris_landmarks_lie_on_the_pupil(person: Identity) -> None:
    drawn = render(person, units(au5=3), plain_view(0), 224, rng())
    gray = drawn.image.mean(2)
    for centre, corner in ((468, 133), (473, 362)):
        x, y = drawn.landmarks[centre].round().astype(int)
        white = 0.75 * drawn.landmarks[corner] + 0.25 * drawn.landmarks[centre]
        u, v = white.round().astype(int)
        assert gray[y - 1 : y + 2, x - 1 : x + 2].mean() < gray[v - 1 : v + 2, u - 1 : u + 2].mean()


@pytest.mark.parametrize("au", AUS, ids=au_label)
def test_every_unit_shows_and_moves_further_with_intensity(person: Identity, au: int) -> None:
    view = plain_view(0)
    neutral = render(person, NONE, view, 112, rng())
    moved = []
    for value in (1, 2, 3, 4, 5):
        drawn = render(person, units(**{f"au{au}": value}), view, 112, rng())
        moved.append(float(np.linalg.norm(drawn.landmarks[:468] - neutral.landmarks[:468], axis=1).sum()))
    changed = np.abs(drawn.image.astype(int) - neutral.image).max(2) > 8
    assert changed.sum() > 20
    assert np.all(np.diff([0.0, *moved]) > 0)


def test_units_move_the_right_way(person: Identity) -> None:
    def at(level: np.ndarray) -> np.ndarray:
        return deform(person.shape, person.skin_motion, level)

    rest = at(NONE)
    assert (at(units(au1=5))[[107, 336], 1] > rest[[107, 336], 1]).all()  # inner brows up
    assert (at(units(au4=5))[[107, 336], 1] < rest[[107, 336], 1]).all()
    assert (at(units(au12=5))[[61, 291], 1] > rest[[61, 291], 1]).all()  # lip corners up
    assert (at(units(au15=5))[[61, 291], 1] < rest[[61, 291], 1]).all()
    assert at(units(au26=5))[152, 1] < rest[152, 1] - 1  # the chin drops by more than a centimetre
    lips = at(units(au24=5))
    assert lips[0, 1] - lips[17, 1] < 0.7 * (rest[0, 1] - rest[17, 1])  # pressed lips are thin
    shut = at(units(au43=5))
    assert (shut[[159, 386], 1] - shut[[145, 374], 1] < 0.1).all()


def test_lids_and_lips_never_cross() -> None:
    random = np.random.default_rng(5)
    someone = make_identity(np.random.default_rng(6))
    for _ in range(20):
        face = deform(
            someone.shape, someone.skin_motion, random.uniform(0, 5, len(AUS)) * (random.random(len(AUS)) < 0.4)
        )
        assert (face[[159, 160, 158, 386, 385, 387], 1] > face[[145, 144, 153, 374, 380, 373], 1]).all()
        assert (face[[13, 82, 312], 1] > face[[14, 87, 317], 1]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_occluders_cover_what_they_should(person: Identity, kind: OccluderKind) -> None:
    view = plain_view(0)
    free = render(person, NONE, view, 112, rng())
    worn = replace(view, occluder=sample_occluder(np.random.default_rng(1), kind))
    covered = render(person, NONE, worn, 112, rng())
    changed = np.abs(covered.image.astype(int) - free.image).max(2) > 12
    points = free.landmarks.round().astype(int)

    def share(*ids: int) -> float:
        return float(np.mean([changed[points[i, 1], points[i, 0]] for i in ids]))

    np.testing.assert_array_equal(covered.landmarks, free.landmarks)
    mouth, brows = (0, 13, 14, 17, 37, 267, 61, 291), (107, 66, 336, 296)
    if kind == "mask":
        assert share(*mouth) == 1 and share(152 - 4) == 1
        assert share(*brows, 159, 386, 10) == 0
    elif kind == "glasses":
        assert changed[points[[105, 334], 1].min() : points[[50, 280], 1].max()].sum() > 0.95 * changed.sum()
        assert changed.sum() > 50 and share(*mouth) == 0
    else:
        assert 0.04 < changed.mean() < 0.4


def test_noise_and_blur_are_the_view_s(person: Identity) -> None:
    clean = render(person, NONE, plain_view(), 112, rng())
    assert digest(clean.image) == digest(render(person, NONE, plain_view(), 112, np.random.default_rng(9)).image)
    noisy = render(person, NONE, replace(plain_view(), noise=0.02), 112, rng())
    difference = noisy.image.astype(int) - clean.image
    assert 3 < difference.std() < 6  # 0.02 of 255 is 5.1; less where white and black clip
    assert abs(difference.mean()) < 0.5


def test_drift_moves_pose_and_keeps_the_scene() -> None:
    view = sample_view(rng(), "glasses")
    later = view.drift(np.random.default_rng(1), 0.6)
    assert later.light is view.light and later.background is view.background and later.occluder is view.occluder
    assert abs(later.yaw - view.yaw) > 0.1
    near = view.drift(np.random.default_rng(1), 0.0)
    assert abs(near.yaw - view.yaw) < 1.5


def test_mirrored_face_has_mirrored_landmarks(person: Identity) -> None:
    flip = np.array([-1, 1, 1], np.float32)
    order = mirror("478")
    other = replace(
        person, shape=(person.shape * flip)[order[:468]], skin_motion=(person.skin_motion * flip)[:, order[:468]]
    )
    one = render(person, units(au12=4), plain_view(14), 112, rng())
    two = render(other, units(au12=4), plain_view(-14), 112, rng())
    flipped = one.landmarks[order].copy()
    flipped[:, 0] = 111 - flipped[:, 0]
    np.testing.assert_allclose(two.landmarks, flipped, atol=0.02)
