from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from faces import Faces
from trees import affectnet8 as tree

from fau.corpora.affectnet8 import BROKEN, INCOMPLETE, AffectNet8
from fau.corpora.losses import NO_IMAGE, NOT_CODED
from fau.errors import FauError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    folder = tmp_path_factory.mktemp("affectnet8")
    tree.build(folder, faces)
    return folder


@pytest.fixture
def own(tmp_path: Path, faces: Faces) -> Path:
    """A tree to spoil: one image."""
    tree.write_image(tmp_path / "train_set", 8, faces)
    return tmp_path


def test_lists_images_with_all_four_files(root: Path) -> None:
    listing = AffectNet8(root).list()
    frame = listing.losses.frame
    assert dict(zip(frame["cause"], frame["id"], strict=True)) == {
        NO_IMAGE: f"train_set/{tree.NO_IMAGE}",
        NOT_CODED: f"train_set/{tree.NO_ANNOTATION}",
        INCOMPLETE: f"train_set/{tree.NO_LANDMARKS}",
        BROKEN: f"train_set/{tree.BROKEN}",
    }
    assert len(frame) == 4
    rows = listing.rows
    expected = [("train_set", "train", i) for i in tree.TRAIN] + [("val_set", "test", i) for i in tree.VAL]
    assert rows["id"].to_list() == [f"{part}/{i}" for part, _, i in expected]
    assert rows["path"].to_list() == [f"{part}/images/{i}.jpg" for part, _, i in expected]
    assert rows["split"].to_list() == [split for _, split, _ in expected]
    assert rows["expression"].to_list() == [tree.CLASSES[tree.code(i)] for _, _, i in expected]
    assert rows["valence"].null_count() == rows["arousal"].null_count() == 2  # image 9 of both sets
    known = [i for i, (_, _, image) in enumerate(expected) if image != 9]
    numbers = [tree.affect(expected[i][2]) for i in known]
    np.testing.assert_allclose(rows[known].select("valence", "arousal").to_numpy(), numbers, atol=1e-6)
    assert rows["subject"].null_count() == len(rows)


def test_landmarks_by_image_flat_or_not(root: Path, faces: Faces) -> None:
    reader = pickle.loads(pickle.dumps(AffectNet8(root)))
    rows = reader.list().rows.reverse()
    ids = [int(name.split("/")[1]) for name in rows["id"]]
    expected = [faces.points68(i % 6, i % 5, tree.SIZE) for i in ids]
    np.testing.assert_allclose(reader.landmarks(rows), expected, atol=1e-4)
    assert all(picture.image.shape == (tree.SIZE, tree.SIZE, 3) for picture in reader.pictures(rows))


def test_broken_landmarks_are_none(own: Path) -> None:
    tree.write(own / "train_set/annotations/8_lnd.npy", tree.npy(np.zeros(10)))
    reader = AffectNet8(own)
    assert np.isnan(reader.landmarks(reader.list().rows)).all()


def test_reads_an_archive_in_place(root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "affectnet.zip", "w") as archive:
        for file in root.rglob("*.*"):
            archive.write(file, Path("AffectNet") / file.relative_to(root))
    reader = AffectNet8(tmp_path / "affectnet.zip")
    rows = reader.list().rows
    assert rows.drop("path").equals(AffectNet8(root).list().rows.drop("path"))
    assert rows["path"][0] == "AffectNet/train_set/images/0.jpg"
    assert np.isfinite(reader.landmarks(rows[:3])).all()


@pytest.mark.parametrize(
    "content",
    [b"", b"0.5", tree.npy(0.5)[:-1], tree.npy("x"), tree.npy([0.5, 0.25])],
    ids=["empty", "text", "cut", "word", "two"],
)
def test_a_broken_file_loses_one_image(own: Path, faces: Faces, content: bytes) -> None:
    tree.write_image(own / "train_set", 10, faces)
    tree.write(own / "train_set/annotations/10_aro.npy", content)
    listing = AffectNet8(own).list()
    assert listing.losses.counts == {BROKEN: 1}
    assert listing.rows["id"].to_list() == ["train_set/8"]


def test_python_objects_are_not_unpickled(own: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return (Path.touch, (tmp_path / "sprung",))

    np.save(own / "train_set/annotations/8_exp.npy", np.array([Trap()], object))
    assert AffectNet8(own).list().losses.counts == {BROKEN: 1}
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("exp", 8, r"8_exp.npy' holds the unknown code '8'; known are 0 to 7"),
        ("exp", "-1", "unknown code '-1'"),
        ("exp", 0.5, r"unknown code '0.5'"),
        ("val", 1.01, r"8_val.npy' holds the unknown code '1.01'"),
        ("aro", "-3", r"8_aro.npy' holds the unknown code '-3'; known are -1 to 1, and -2 for missing"),
    ],
)
def test_unknown_codes_are_refused(own: Path, kind: str, value: object, message: str) -> None:
    tree.write(own / f"train_set/annotations/8_{kind}.npy", tree.npy(np.array(value)))
    with pytest.raises(FauError, match=message):
        AffectNet8(own).list()


def test_a_wrong_root_is_refused(own: Path, faces: Faces) -> None:
    with pytest.raises(FauError, match="has no folder 'train_set' or 'val_set'"):
        AffectNet8(own / "train_set").list()
    tree.write_image(own / "copy/train_set", 8, faces)
    with pytest.raises(FauError, match="are one image; move one of their sets away"):
        AffectNet8(own).list()
