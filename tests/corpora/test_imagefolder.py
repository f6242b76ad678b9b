"""A folder a class."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from faces import Faces
from trees import imagefolder as fake

from fau.corpora.imagefolder import ImageFolder
from fau.corpora.losses import NOT_CODED
from fau.errors import FauError

NAMES = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise", "contempt")


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    root = tmp_path_factory.mktemp("imagefolder")
    fake.build(root, faces)
    return root


def test_classes_and_parts(owners: Path) -> None:
    corpus = ImageFolder(owners)
    listing = corpus.list()
    rows = listing.rows
    wanted = {(part, name): count for part, count in (("train", fake.TRAIN), ("test", fake.TEST)) for name in NAMES}
    assert Counter(rows.select("split", "expression").iter_rows()) == wanted
    assert listing.losses.counts == {NOT_CODED: 1}
    assert listing.losses.frame["id"].to_list() == ["train/stray.jpg"]
    assert corpus.protocol == "official"
    assert ImageFolder.protocol == "kfold"
    assert "train/happy/deeper/p5_2.jpg" in rows["id"]
    assert next(corpus.pictures(rows)).image is not None


def test_subjects_by_pattern(owners: Path) -> None:
    rows = ImageFolder(owners, subject_pattern="(p[0-9]+)_").list().rows
    assert rows["subject"].unique(maintain_order=True).to_list() == [f"p{i}" for i in range(12)]
    assert all(f"/{subject}_" in path for subject, path in rows.select("subject", "path").iter_rows())
    with pytest.raises(FauError, match="finds no subject in 'test/Fear/"):
        ImageFolder(owners, subject_pattern="(x)").list()
    with pytest.raises(FauError, match="needs a group"):
        ImageFolder(owners, subject_pattern="p[0-9]")
    with pytest.raises(FauError, match="no regular expression"):
        ImageFolder(owners, subject_pattern="(")


def test_codes_need_their_meaning(tmp_path: Path, faces: Faces) -> None:
    fake.build_flat(tmp_path, faces)
    with pytest.raises(FauError, match=r"folder '0' of .* means no expression of neutral, anger.*--classes"):
        ImageFolder(tmp_path).list()
    corpus = ImageFolder(tmp_path, classes="0=surprise,1=fear", ignore="2")
    rows = corpus.list().rows
    assert list(rows.select("id", "expression").iter_rows()) == [
        ("0/9.png", "surprise"),
        ("0/10.png", "surprise"),
        ("1/9.png", "fear"),
        ("1/10.png", "fear"),
    ]
    assert corpus.protocol == "kfold"
    assert rows["split"].null_count() == 4


def test_wrong_folders_are_refused(tmp_path: Path, faces: Faces) -> None:
    with pytest.raises(FauError, match="holds no picture in a folder of a class"):
        ImageFolder(tmp_path).list()
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy" / "1.jpg").write_bytes(faces.jpeg(0))
    (tmp_path / "happy" / "loop").symlink_to(tmp_path / "happy")
    with pytest.raises(FauError, match="symbolic link to a folder that contains it"):
        ImageFolder(tmp_path).list()
