"""CK+: four archives, the same unpacked, and CK+48."""

from __future__ import annotations

import pickle
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from faces import Faces
from trees import ckplus as fake

from fau.corpora.ckplus import CLASSES, CkPlus
from fau.corpora.losses import NO_IMAGE, NOT_CODED
from fau.errors import FauError

AUS = (1, 4, 12, 14, 25)
ALL = len(fake.sequences())


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    root = tmp_path_factory.mktemp("ckplus")
    fake.build(root, faces)
    return root


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    root = tmp_path_factory.mktemp("ckplus-unpacked")
    fake.build_unpacked(root, faces)
    return root


@pytest.fixture
def changed(tmp_path: Path, unpacked: Path) -> Path:
    shutil.copytree(unpacked, tmp_path / "ck")
    return tmp_path / "ck"


def _row(corpus: CkPlus, id_: str) -> dict[str, object]:
    return corpus.list().rows.filter(pl.col("id") == id_).row(0, named=True)


def test_the_last_frames_get_the_labels_of_the_peak(owners: Path) -> None:
    corpus = CkPlus(owners)
    listing = corpus.list()
    rows = listing.rows
    labelled = [s for s in fake.sequences() if s != ("S010", "004")]  # it has neither file
    assert rows["id"].to_list() == [f"{a}/{b}/{f}" for a, b in labelled for f in (3, 4, 5)]
    assert rows["subject"].to_list() == [a for a, _ in labelled for _ in range(3)]
    assert rows["sequence"].to_list() == [f"{a}/{b}" for a, b in labelled for _ in range(3)]
    codes = [fake.emotion(a, b) for a, b in labelled for _ in range(3)]
    assert rows["expression"].to_list() == [None if code is None else CLASSES[code] for code in codes]
    assert rows["expression"].null_count() == 2 * 3
    assert listing.losses.counts == {NOT_CODED: (ALL - 1) * 2 + 5, NO_IMAGE: 1}
    assert "S777/001/9" in listing.losses.frame["id"]
    assert any("20 sequences with an expression, 21 with FACS codes" in s for s in listing.found)


def test_facs_intensity_0_is_present(owners: Path) -> None:
    corpus = CkPlus(owners)
    assert corpus.aus == AUS  # 54 is the head
    peak, before = _row(corpus, "S005/001/5"), _row(corpus, "S005/001/4")
    assert [peak[f"au{au:02d}"] for au in AUS] == [0, 0, 1, 0, 1]
    assert [peak[f"au{au:02d}_int"] for au in AUS] == [0, 0, 4, 0, None]
    assert [before[f"au{au:02d}"] for au in AUS] == [0, 0, 1, 0, 1]
    assert [before[f"au{au:02d}_int"] for au in AUS] == [None] * 5
    one_sided = _row(corpus, "S022/001/5")
    assert [one_sided[f"au{au:02d}"] for au in AUS] == [0, 0, 1, 1, 0]
    assert [one_sided[f"au{au:02d}_int"] for au in AUS] == [0, 0, None, 3, 0]
    assert any("54 (1)" in sentence for sentence in corpus.list().found)


def test_no_file_is_no_label(changed: Path) -> None:
    for file in (changed / "FACS" / "S011" / "001").iterdir():
        file.unlink()
    row = _row(CkPlus(changed), "S011/001/5")
    assert row["expression"] is not None
    assert [row[f"au{au:02d}"] for au in AUS] == [None] * 5


def test_frames_and_neutral_first(owners: Path) -> None:
    assert len(CkPlus(owners, frames=1).list().rows) == ALL - 1
    corpus = CkPlus(owners, frames=9, neutral_first=True)
    rows = corpus.list().rows
    assert len(rows) == (ALL - 1) * 5
    first = _row(corpus, "S005/001/1")
    assert first["expression"] == "neutral"
    assert [first[f"au{au:02d}"] for au in AUS] == [None] * 5
    assert Counter(rows["expression"])["neutral"] == 20 - 1  # emotion files, one of which has no pictures
    assert _row(corpus, "S011/004/1")["expression"] is None  # no expression: its first frame is not neutral
    assert corpus.published["neutral"] == 327
    assert CkPlus(owners).published["happiness"] == 207
    with pytest.raises(FauError, match="option frames is 0"):
        CkPlus(owners, frames=0)


def test_landmarks(owners: Path, faces: Faces) -> None:
    corpus = CkPlus(owners)
    assert corpus.landmark_set == "68"
    rows = corpus.list().rows.filter(pl.col("sequence").is_in(["S005/001", "S501/001"]))
    points = pickle.loads(pickle.dumps(corpus)).landmarks(rows)
    assert points.shape == (6, 68, 2)
    np.testing.assert_allclose(points[0], faces.points68(0, 3), rtol=1e-6)
    # frame 4 has no file, the peak's has 67 points
    assert np.isnan(points).all((1, 2)).tolist() == [False, False, False, False, True, True]


def test_unpacked_is_the_same(owners: Path, unpacked: Path) -> None:
    assert CkPlus(unpacked).list().rows.drop("path").equals(CkPlus(owners).list().rows.drop("path"))
    assert next(CkPlus(owners).pictures(CkPlus(owners).list().rows)).image is not None


def test_ck48(tmp_path: Path, faces: Faces) -> None:
    fake.build_48(tmp_path, faces)
    corpus = CkPlus(tmp_path)
    rows = corpus.list().rows
    labelled = [s for s in fake.sequences() if fake.emotion(*s) is not None]
    assert rows["id"].to_list() == [f"{a}/{b}/{f}" for a, b in labelled for f in (3, 4, 5)]
    assert rows["subject"].to_list() == [a for a, _ in labelled for _ in range(3)]
    assert rows["expression"].to_list() == [CLASSES[fake.emotion(a, b) or 0] for a, b in labelled for _ in range(3)]
    assert corpus.aligned
    assert corpus.aus == ()
    assert sum(corpus.published[name] for name in ("anger", "contempt", "disgust", "fear", "happiness")) == 648
    with pytest.raises(FauError, match="comes without landmarks"):
        corpus.landmarks(rows)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("Emotion/S005/001/S005_001_00000005_emotion.txt", "   8.0000000e+00\n", "unknown code '8"),
        ("FACS/S005/001/S005_001_00000005_facs.txt", "   twelve 1\n", "line 1 of .*S005_001_00000005_facs.txt"),
        ("FACS/S005/001/S005_001_00000005_facs.txt", "   1.25e+01  1.0e+00\n", "line 1 of"),
        ("FACS/S005/001/S005_001_00000004_facs.txt", "   1.2e+01  1.0e+00\n", "of several frames"),
        ("Landmarks/S005/001/S005_001_00000005_landmarks.txt", "x 1\n" * 68, "no number"),
    ],
)
def test_bad_files_are_refused(changed: Path, file: str, text: str, message: str) -> None:
    (changed / file).write_text(text)
    with pytest.raises(FauError, match=message):
        corpus = CkPlus(changed)
        corpus.landmarks(corpus.list().rows)


def test_wrong_folders_are_refused(tmp_path: Path, faces: Faces) -> None:
    with pytest.raises(FauError, match=r"holds no pictures such as S005_001_00000011\.png"):
        CkPlus(tmp_path).list()
    (tmp_path / "S005_001_00000011.png").write_bytes(faces.png(0))
    with pytest.raises(FauError, match="but no label for them"):
        CkPlus(tmp_path).list()
