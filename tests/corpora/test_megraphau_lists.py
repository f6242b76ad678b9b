from __future__ import annotations

import pickle
from pathlib import Path

import polars as pl
import pytest
from faces import Faces
from hypothesis import given
from hypothesis import strategies as st
from trees import megraphau as tree

from fau.corpora.lists import DATASETS, keys
from fau.corpora.losses import NO_IMAGE, NOT_ANNOTATED, NOT_CODED
from fau.corpora.megraphau import MEGraphAU
from fau.errors import FauError

ZEROS = " ".join("0" * 12)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    folder = tmp_path_factory.mktemp("megraphau")
    tree.build(folder, faces)
    return folder


@pytest.fixture
def own(tmp_path: Path, faces: Faces) -> Path:
    """A tree to spoil: one frame."""
    tree.write(tmp_path / "BP4D/img/F001/T1/5.jpg", faces.jpeg(0))
    lists(tmp_path, "F001/T1/5.jpg", ZEROS)
    return tmp_path


def lists(root: Path, paths: str, labels: str, part: str = "train") -> None:
    tree.write(root / f"BP4D/list/BP4D_{part}_img_path_fold1.txt", paths.encode())
    tree.write(root / f"BP4D/list/BP4D_{part}_label_fold1.txt", labels.encode())


@pytest.mark.parametrize(("dataset", "lost"), [("BP4D", 2), ("DISFA", 0)])
def test_lists_each_frame_once(tmp_path: Path, faces: Faces, dataset: str, lost: int) -> None:
    tree.build(tmp_path, faces, dataset)
    reader = MEGraphAU(tmp_path)
    listing = reader.list()
    aus = tree.AUS[dataset]
    assert reader.aus == aus
    assert reader.protocol == f"{dataset.lower()}3"
    everyone = [frame for part in tree.PARTS[dataset] for frame in tree.frames(dataset, part)]
    assert len(listing.rows) == len(everyone) - lost == {"BP4D": 46, "DISFA": 24}[dataset]
    for row in listing.rows.iter_rows(named=True):
        task = int(row["sequence"][-1]) if dataset == "BP4D" else 0
        frame = (row["subject"], task, row["frame"])
        assert row["id"] == f"{row['sequence']}/{row['frame']}"
        assert row["sequence"] == (f"{row['subject']}/T{task}" if task else row["subject"])
        assert row["path"] == f"{dataset}/img/{tree.on_disk(frame)}"
        assert [row[f"au{au:02d}"] for au in aus] == [
            None if tree.code(frame, au) == 9 else tree.code(frame, au) for au in aus
        ]
    assert all(picture.image is not None for picture in reader.pictures(listing.rows[:3]))


def test_losses_and_parts(root: Path) -> None:
    listing = MEGraphAU(root).list()
    frame = listing.losses.frame
    assert dict(zip(frame["cause"], frame["id"], strict=True)) == {
        NOT_CODED: "F007/T1/50",
        NO_IMAGE: "F003/T1/100",
        NOT_ANNOTATED: "F018/T1/101",
    }
    assert len(frame) == 3
    assert listing.rows["au02"].null_count() == 1
    assert listing.found == [
        "fold 1 tests: 2 subjects, F007 M006",
        "fold 2 tests: 2 subjects, F003 M002",
        "fold 3 tests: 2 subjects, F001 F018",
    ]
    assert listing.rows["sequence"].unique(maintain_order=True).to_list() == [
        f"{subject}/{task}" for subject in ("F001", "F003", "F007", "F018", "M002", "M006") for task in tree.TASKS
    ]


def test_flat_pictures_elsewhere(root: Path, tmp_path: Path, own: Path) -> None:
    flat = tmp_path / "elsewhere"
    for file in (root / "BP4D/img").rglob("*.jpg"):
        subject, task, name = file.relative_to(root / "BP4D/img").parts
        tree.write(flat / f"{subject}_{task}_{int(name[:-4]):04d}.jpg", file.read_bytes())
    reader = MEGraphAU(root, images=str(flat))
    rows = reader.list().rows
    assert rows.drop("path").equals(MEGraphAU(root).list().rows.drop("path"))
    again = pickle.loads(pickle.dumps(reader))
    assert next(again.pictures(rows)).image is not None
    (own / "BP4D/img").rename(own / "pictures")
    assert MEGraphAU(own, images="pictures").list().rows["path"].to_list() == ["pictures/F001/T1/5.jpg"]


def test_one_of_two_datasets_is_chosen(root: Path, tmp_path: Path, faces: Faces) -> None:
    tree.build(tmp_path, faces, "DISFA")
    tree.build(tmp_path, faces, "BP4D")
    with pytest.raises(FauError, match="lists of both bp4d and disfa; choose one with --dataset"):
        MEGraphAU(tmp_path).list()
    rows = MEGraphAU(tmp_path, dataset="disfa").list().rows
    assert len(rows) == 24
    listing = MEGraphAU(tmp_path, dataset="bp4d", images=str(tmp_path)).list()
    assert listing.losses.counts[NOT_CODED] == 1  # DISFA's pictures are no loss of BP4D
    with pytest.raises(FauError, match="has no lists of disfa"):
        MEGraphAU(root, dataset="disfa").list()


def test_lists_without_labels_are_named(root: Path, own: Path) -> None:
    (own / "BP4D/list/BP4D_test_img_path_fold1.txt").write_text("F001/T1/6.jpg")
    listing = MEGraphAU(own).list()
    assert listing.found == ["'BP4D/list/BP4D_test_img_path_fold1.txt' has no list of labels beside it"]
    (own / "BP4D/list/BP4D_train_label_fold1.txt").unlink()
    with pytest.raises(FauError, match=r"no list of paths of BP4D .* has a list of labels"):
        MEGraphAU(own).list()


def test_an_empty_pair_is_named_and_a_subject_of_two_parts_too(own: Path) -> None:
    lists(own, "", "", "test")
    assert MEGraphAU(own).list().found == ["'BP4D/list/BP4D_test_img_path_fold1.txt' is empty"]
    lists(own, "F001/T1/5.jpg", ZEROS, "test")
    for kind, text in (("img_path", "F001/T1/5.jpg"), ("label", ZEROS)):
        tree.write(own / f"BP4D/list/BP4D_test_{kind}_fold2.txt", text.encode())
    assert "caution: subject F001 is in fold 1 tests and in fold 2 tests" in MEGraphAU(own).list().found
    for part in ("train", "test"):
        lists(own, "", "", part)
    for kind in ("img_path", "label"):
        (own / f"BP4D/list/BP4D_test_{kind}_fold2.txt").unlink()
    with pytest.raises(FauError, match=r"all lists of BP4D under .* are empty"):
        MEGraphAU(own).list()


@pytest.mark.parametrize(
    ("paths", "labels", "message"),
    [
        (
            "F001/T1/5.jpg\nF001/T1/6.jpg\n",
            ZEROS,
            r"path_fold1.txt' has 2 lines and '.*label_fold1.txt' 1, though line",
        ),
        ("F001/T1/5.jpg", "", r"has 1 lines and '.*label_fold1.txt' 0"),
        ("F001/T1/5.jpg", ZEROS[:-2], r"line 1 of '.*label_fold1.txt' has 11 columns; lists of BP4D have 12: 1, 2, 4"),
        ("F001/T1/5.jpg", ZEROS[:-1] + "2", r"label_fold1.txt', AU24, holds the unknown code '2'"),
        ("F001/T1/5.jpg", ZEROS[:-1] + "x", r"unknown code 'x'"),
        ("../F001/T1/5.jpg", ZEROS, r"path_fold1.txt' names '../F001/T1/5.jpg', which is no path inside its folder"),
        ("/data/F001/T1/5.jpg", ZEROS, "no path inside its folder"),
        ("SN001/5.png", ZEROS, "names 'SN001/5.png', from which no frame of BP4D is known"),
        ("F001/T1/5.jpg\nF001/T1/5.jpg", f"{ZEROS}\n{ZEROS[:-1]}1", "give F001/T1/5 different labels"),
    ],
)
def test_foreign_lists_are_refused(own: Path, paths: str, labels: str, message: str) -> None:
    lists(own, paths, labels)
    with pytest.raises(FauError, match=message):
        MEGraphAU(own).list()


def test_a_wrong_root_is_refused(own: Path, faces: Faces) -> None:
    with pytest.raises(FauError, match="has no lists of bp4d or disfa"):
        MEGraphAU(own / "BP4D/img").list()
    with pytest.raises(FauError, match="has no folder 'elsewhere'"):
        MEGraphAU(own, images="elsewhere").list()
    with pytest.raises(FauError, match="does not exist"):
        MEGraphAU(own, images=str(own / "elsewhere")).list()
    tree.write(own / "BP4D/img/F001_T1_005.png", faces.png(0))
    with pytest.raises(FauError, match=r"are one frame; give --images"):
        MEGraphAU(own).list()
    (own / "empty").mkdir()
    with pytest.raises(FauError, match="say with --images where the pictures are"):
        MEGraphAU(own, images="empty").list()


@given(
    subject=st.from_regex(r"[FM]\d{3}", fullmatch=True),
    task=st.integers(1, 10),
    frame=st.integers(0, 99_999),
    padding=st.integers(1, 6),
    form=st.sampled_from(["{0}/T{1}/{2}.jpg", "BP4D/{0}/T{1}/{2}.JPG", "{0}_T{1}_{2}.png", "a\\{0}\\T{1}\\{2}.bmp"]),
)
def test_all_forms_of_a_path_mean_one_frame(subject: str, task: int, frame: int, padding: int, form: str) -> None:
    path = form.format(subject, task, f"{frame:0{padding}d}")
    assert keys(pl.Series([path]), DATASETS["bp4d"]).row(0) == (subject, f"{subject}/T{task}", frame)


@pytest.mark.parametrize(
    "path", ["SN003/SN003_17.png", "SN003/17.jpg", "DISFA/SN003/00017.jpg", "LeftVideoSN003_comp_0017.png"]
)
def test_forms_of_disfa(path: str) -> None:
    assert keys(pl.Series([path]), DATASETS["disfa"]).row(0) == ("SN003", "SN003", 17)
