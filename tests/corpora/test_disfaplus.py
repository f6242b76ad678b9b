"""DISFA+ on a fake tree with every known fault."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from faces import Faces
from trees import disfaplus as fake

from fau.corpora.base import row_schema
from fau.corpora.disfaplus import DISFAPlus
from fau.corpora.losses import NO_IMAGE, NOT_CODED, PARTLY_CODED
from fau.corpora.registry import corpus
from fau.errors import FauError
from fau.labels import au_column, intensity_column

IMAGES = len(fake.SUBJECTS) * sum(fake.frames(t) for t in range(len(fake.TRIALS)))


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    root = tmp_path_factory.mktemp("disfaplus")
    fake.build(root, faces)
    return root


@pytest.fixture
def changed(tmp_path: Path, root: Path) -> Path:
    """A copy that a test may change; its files are links."""
    copy = tmp_path / "disfaplus"
    shutil.copytree(root, copy, copy_function=lambda a, b: Path(b).hardlink_to(a))
    return copy


def test_every_code_of_every_row(root: Path) -> None:
    rows = DISFAPlus(root).list().rows
    assert rows.schema == row_schema(DISFAPlus.aus)
    assert len(rows) == IMAGES - 2
    for row in rows.iter_rows(named=True):
        subject, trial = row["sequence"].split("/")
        s, t = fake.SUBJECTS.index(subject), fake.TRIALS.index(trial)
        assert row["subject"] == subject
        assert row["path"] == f"Images/{subject}/{trial}/{row['frame']:03d}.jpg"
        for au in fake.AUS:
            level = fake.intensity(s, t, row["frame"], au)
            unknown = (subject, t, au) == ("SN007", 0, 20)  # its file is missing
            assert row[intensity_column(au)] == (None if unknown else level)
            assert row[au_column(au)] == (None if unknown else int(level >= 2))


def test_trials_are_in_natural_order(root: Path) -> None:
    rows = DISFAPlus(root).list().rows
    order = [f"{subject}/{trial}" for subject in fake.SUBJECTS for trial in fake.TRIALS]
    assert rows["sequence"].unique(maintain_order=True).to_list() == order  # A2 before A10
    for _, part in rows.group_by("sequence"):
        assert part["frame"].is_sorted()


def test_losses_by_cause(root: Path) -> None:
    losses = DISFAPlus(root).list().losses
    assert dict(losses.frame.iter_rows()) == {
        NO_IMAGE: "SN009/A1_AU1_TrailNo_1/2",
        PARTLY_CODED: "SN004/A1_AU1_TrailNo_1/2",
    }
    assert losses.unexpected == 1
    assert DISFAPlus(root).list().found == ["trials that lack code files: 1, such as SN007/A1_AU1_TrailNo_1 (11 of 12)"]


def test_image_without_label(changed: Path, faces: Faces) -> None:
    fake.write(changed / "Images" / "SN001" / fake.TRIALS[0] / "900.jpg", faces.jpeg(0, 0))
    losses = DISFAPlus(changed).list().losses
    assert losses.frame.filter(cause=NOT_CODED)["id"].to_list() == [f"SN001/{fake.TRIALS[0]}/900"]


def test_threshold(root: Path) -> None:
    rows = DISFAPlus(root, occurrence_threshold=4).list().rows
    assert rows["au12"].to_list() == [int(level >= 4) for level in rows["au12_int"]]
    with pytest.raises(FauError, match="occurrence_threshold is 6; choose an intensity from 1 to 5"):
        DISFAPlus(root, occurrence_threshold=6)


def test_pictures_are_those_of_the_rows(root: Path, faces: Faces) -> None:
    corpus_ = DISFAPlus(root)
    rows = corpus_.list().rows.filter(subject="SN003")
    for row, picture in zip(rows.iter_rows(named=True), corpus_.pictures(rows), strict=True):
        t = fake.TRIALS.index(row["sequence"].split("/")[1])
        assert np.abs(picture.image.astype(int) - faces.image(1, 10 * t + row["frame"]).astype(int)).mean() < 6


def test_it_is_found_by_name() -> None:
    assert corpus("disfaplus") is DISFAPlus


def test_wrong_root(tmp_path: Path, root: Path) -> None:
    with pytest.raises(FauError, match=r"no intensity codes of DISFA\+ \(SN001/<trial>/AU1\.txt\); give the folder"):
        DISFAPlus(tmp_path).list()
    with pytest.raises(FauError, match=r"has codes of DISFA\+ but no images"):
        DISFAPlus(root / "Labels").list()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("000.jpg 6", r"AU1\.txt', intensity, holds the unknown code '6'; known are 0, 1, 2, 3, 4, 5"),
        ("000.jpg", r"AU1\.txt' has the line '000\.jpg', where an image's name and an intensity belong"),
        ("000.jpg 1 2", r"AU1\.txt' has the line '000\.jpg 1 2', where"),
        ("001.jpg 1", r"AU1\.txt' codes frame 1 twice; remove one of the lines"),
    ],
)
def test_bad_lines_are_named(changed: Path, line: str, message: str) -> None:
    path = changed / "Labels" / "SN001" / fake.TRIALS[0] / "AU1.txt"
    lines = path.read_text().splitlines()
    path.unlink()
    path.write_text("\n".join([lines[0], line, *lines[2:]]))
    with pytest.raises(FauError, match=message) as caught:
        DISFAPlus(changed).list()
    assert "\n" not in str(caught.value)


def test_foreign_action_unit(changed: Path) -> None:
    fake.write(changed / "Labels" / "SN001" / fake.TRIALS[0] / "AU7.txt", b"000.jpg 1\n")
    with pytest.raises(FauError, match=r"AU7\.txt' codes AU 7, which DISFA\+ does not; move it out"):
        DISFAPlus(changed).list()


def test_labels_both_doubled_and_not(changed: Path) -> None:
    trial = changed / "Labels" / "SN001" / fake.TRIALS[0]
    shutil.copytree(trial, changed / "Labels" / "SN001" / "SN001" / fake.TRIALS[0])
    with pytest.raises(FauError, match=r"both '.*' and '.*' give AU 1 of SN001/A1_AU1_TrailNo_1; move one"):
        DISFAPlus(changed).list()
