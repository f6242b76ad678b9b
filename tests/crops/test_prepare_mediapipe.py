"""Preparing pictures with MediaPipe's own landmarks."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from fau.corpora.registry import corpus
from fau.crops.align import TEMPLATE, TEMPLATE_SIZE
from fau.crops.prepare import Settings, prepare
from fau.crops.store import CropSet, check
from fau.errors import FauError
from fau.landmarks import eye_centres, mouth_centre
from fau.synthetic.identity import make_identity
from fau.synthetic.render import render
from fau.synthetic.view import sample_view

SETTINGS = Settings(size=64, landmarks="mediapipe", max_lost=0.5)


@pytest.fixture(scope="module")
def root(face_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three faces beside a wall and one wall alone."""
    folder = tmp_path_factory.mktemp("mediapipe") / "raw"
    for name in ("happiness", "neutral"):
        (folder / name).mkdir(parents=True)
    for i in range(3):
        rng = np.random.default_rng([3, i])
        face = render(make_identity(rng), np.zeros(18, np.float32), sample_view(rng), 160, rng).image
        picture = cv2.copyMakeBorder(face, 30, 50, 20 * i, 60, cv2.BORDER_CONSTANT, value=(120, 130, 140))
        cv2.imwrite(str(folder / "neutral" / f"{i}.png"), picture[..., ::-1])
    cv2.imwrite(str(folder / "happiness" / "wall.png"), np.full((160, 160, 3), 120, np.uint8))
    return folder


def test_a_high_score_drops_all(root: Path, tmp_path: Path) -> None:
    with pytest.raises(FauError, match=r"4 of 4 rows .* are lost \(no face 4\)"):
        prepare(corpus("imagefolder")(root), tmp_path / "out", replace(SETTINGS, min_score=1.0), 0)


def test_faces_are_found_and_aligned(root: Path, tmp_path: Path) -> None:
    report = prepare(corpus("imagefolder")(root), tmp_path / "out", SETTINGS, 0)
    assert (report.crops, report.faces["none"], report.lost["no face"]) == (3, 1, 1)
    assert check(tmp_path / "out") == []
    cropset = CropSet.open(tmp_path / "out")
    assert cropset.info.landmark_set == "478"
    faces = cropset.info.recipe["faces"]
    assert len(faces["model_sha256"]) == 64 and faces["choose"] == "nearest"
    points = cropset.landmarks([0, 1, 2])
    found = np.concatenate([eye_centres(points, "478"), mouth_centre(points, "478")[:, None]], 1)
    assert np.abs(found - TEMPLATE * (64 / TEMPLATE_SIZE)).max() < 3  # pixels; faces differ in proportion


RESTORE = """
import signal, time
import numpy as np
from fau.crops.detect import Landmarker
landmarker = Landmarker()
landmarker.detect(np.zeros((64, 64, 3), np.uint8))
signal.signal(signal.SIGPROF, signal.getsignal(signal.SIGPROF))  # what Lightning does at the end of a training
start = time.process_time()
while time.process_time() - start < 3:
    sum(range(1000))
"""


@pytest.mark.slow
def test_mediapipe_does_not_end_a_process_that_trains(root: Path) -> None:
    """Its library sends SIGPROF all the time, whose default is the process's end."""
    assert subprocess.run([sys.executable, "-c", RESTORE], check=False, timeout=300).returncode == 0


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_workers(root: Path, tmp_path: Path) -> None:
    for workers in (0, 2):
        prepare(corpus("imagefolder")(root), tmp_path / str(workers), SETTINGS, workers)
    files = sorted(file.name for file in (tmp_path / "0").iterdir())
    assert all((tmp_path / "0" / name).read_bytes() == (tmp_path / "2" / name).read_bytes() for name in files)
