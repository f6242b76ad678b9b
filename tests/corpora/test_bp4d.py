"""BP4D and its FERA-2015 delivery, on a fake tree with every known fault."""

from __future__ import annotations

import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from faces import Faces
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import bp4d as fake

from fau.corpora.base import row_schema
from fau.corpora.bp4d import BP4D
from fau.corpora.losses import NO_IMAGE, NOT_ANNOTATED, NOT_CODED, OCCLUDED
from fau.corpora.registry import corpus
from fau.errors import FauError
from fau.labels import au_column, intensity_column

SEQUENCES = len(fake.SUBJECTS) * len(fake.TASKS)


@pytest.fixture(scope="session")
def owners(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    root = tmp_path_factory.mktemp("bp4d")
    fake.build(root, faces)
    return root


@pytest.fixture
def changed(tmp_path: Path, owners: Path) -> Path:
    """A copy that a test may change; its files are links."""
    root = tmp_path / "bp4d"
    shutil.copytree(owners, root, copy_function=lambda a, b: Path(b).hardlink_to(a))
    return root


def expected(subject: str, task: str, frame: int, kind: str, au: int) -> int | None:
    s, t = fake.SUBJECTS.index(subject), fake.TASKS.index(task)
    k = frame - fake.start(s, t)
    if kind == "occurrence":
        code = fake.code(s, t, k, au)
    else:
        code = fake.intensity(s, t, k, au) if au in fake.INTENSITY_AUS else 9
    return None if code == 9 else code


def test_every_code_of_every_row(owners: Path) -> None:
    rows = BP4D(owners).list().rows
    assert rows.schema == row_schema(BP4D.aus)
    assert len(BP4D.aus) == 27
    # F007/T2 has no codes, the last image of M002/T1 is missing, one row of M007/T1 has no code at all
    assert len(rows) == (SEQUENCES - 1) * fake.FRAMES - 1 - 1
    for row in rows.iter_rows(named=True):
        task = row["sequence"].split("/")[1]
        for au in BP4D.aus:
            place = (row["subject"], task, row["frame"])
            assert row[au_column(au)] == expected(*place, "occurrence", au), (row["id"], au)
            assert row[intensity_column(au)] == expected(*place, "intensity", au), (row["id"], au)


def test_rows_are_named_and_in_order(owners: Path) -> None:
    rows = BP4D(owners).list().rows
    assert rows["id"].head(5).to_list() == ["F001/T1/98", "F001/T1/99", "F001/T1/100", "F001/T1/101", "F001/T2/398"]
    assert rows["path"].head(5).to_list() == [
        *(f"Sequences(2D+3D)/F001/T1/{k:04d}.jpg" for k in range(98, 102)),  # padded
        "Sequences(2D+3D)/F001/T2/398.jpg",
    ]
    assert rows.filter(subject="M006")["path"][0].startswith("2D+3D/M006.zip/M006/T1/")
    assert rows["subject"].unique(maintain_order=True).to_list() == sorted(fake.SUBJECTS)
    assert rows["sequence"].n_unique() == SEQUENCES - 1
    assert rows.select("position", "split", "expression").null_count().row(0) == (len(rows),) * 3


def test_losses_by_cause(owners: Path) -> None:
    losses = BP4D(owners).list().losses
    assert losses.counts == {NOT_CODED: SEQUENCES * fake.EXTRA + fake.FRAMES, NO_IMAGE: 1, NOT_ANNOTATED: 1}
    assert losses.unexpected == 1
    named = dict(losses.frame.filter(pl.col("cause") != NOT_CODED).iter_rows())
    assert named == {NO_IMAGE: "M002/T1/151", NOT_ANNOTATED: "M007/T1/121"}
    assert "F001/T1/96" in losses.frame["id"]


def test_missing_codes_are_null(owners: Path) -> None:
    rows = BP4D(owners).list().rows
    sequences = rows["sequence"].n_unique()
    assert rows["au05"].null_count() == sequences  # 9 in the second row of each sequence
    assert rows["au14_int"].null_count() == sequences
    assert rows["au01"].null_count() == 0
    assert rows["au01_int"].null_count() == len(rows)  # only five units have intensities
    positives = sum(
        expected(r["subject"], r["sequence"][5:], r["frame"], "occurrence", 12) == 1 for r in rows.iter_rows(named=True)
    )
    assert rows["au12"].sum() == positives > 0


def test_findings(owners: Path) -> None:
    assert BP4D(owners).list().found == [
        "numbers in image names have 3, 4 digits; they are read as numbers",
        "17 occurrence and 85 intensity files (AU_OCC)",
        "landmarks of 16 sequences",
    ]


def test_pictures_are_those_of_the_rows(owners: Path, faces: Faces) -> None:
    corpus_ = pickle.loads(pickle.dumps(BP4D(owners)))
    rows = corpus_.list().rows.filter(pl.col("subject").is_in(["F001", "M006"]))
    for row, picture in zip(rows.iter_rows(named=True), corpus_.pictures(rows), strict=True):
        s, t = fake.SUBJECTS.index(row["subject"]), fake.TASKS.index(row["sequence"][5:])
        truth = faces.image(s, 10 * t + row["frame"] - fake.start(s, t)).astype(int)
        assert np.abs(picture.image.astype(int) - truth).mean() < 6  # JPEG


@pytest.mark.parametrize("listed", [True, False])
def test_landmarks_are_joined_by_frame_number(owners: Path, faces: Faces, listed: bool) -> None:
    rows = BP4D(owners).list().rows.sample(fraction=1, shuffle=True, seed=1)
    corpus_ = BP4D(owners)
    if listed:
        corpus_ = pickle.loads(pickle.dumps((corpus_.list(), corpus_)[1]))
    points = corpus_.landmarks(rows)
    assert points.shape == (len(rows), 49, 2)
    for row, found in zip(rows.iter_rows(named=True), points, strict=True):
        if row["id"] == "F001/T1/99" or row["sequence"] == "F018/T2":  # an empty cell, a missing file
            assert np.isnan(found).all()
            continue
        s, t = fake.SUBJECTS.index(row["subject"]), fake.TASKS.index(row["sequence"][5:])
        truth = faces.points49(s, 10 * t + row["frame"] - fake.start(s, t))
        np.testing.assert_allclose(found, truth, atol=1e-4)


def test_without_landmarks_it_says_so(changed: Path) -> None:
    shutil.rmtree(changed / "2DFeatures")
    corpus_ = BP4D(changed)
    assert corpus_.list().found[-1] == "no landmarks (2DFeatures/F001_T1.mat); align with MediaPipe"
    assert corpus_.landmark_set == "none"


def test_other_landmark_count_is_refused(changed: Path) -> None:
    from scipy.io import savemat

    path = changed / "2DFeatures" / "F001_T1.mat"
    path.unlink()
    fit = np.zeros((1, 200), dtype=[("pred", object)])
    for k in range(200):
        fit["pred"][0, k] = np.ones((68, 2))
    savemat(path, {"fit": fit})
    with pytest.raises(FauError, match=r"F001_T1\.mat' holds an array of shape \(68, 2\) where 49 points belong"):
        BP4D(changed).landmarks(BP4D(changed).list().rows.head(1))


def test_zip_of_everything_is_read_in_place(tmp_path: Path, owners: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "bp4d"), "zip", owners.parent, owners.name))
    rows = BP4D(archive).list().rows
    plain = BP4D(owners).list().rows
    # an archive within an archive is not read: M006's frames are lost, and counted
    assert rows.drop("path").equals(plain.filter(pl.col("subject") != "M006").drop("path"))
    assert BP4D(archive).list().losses.counts[NO_IMAGE] == 1 + len(plain.filter(subject="M006"))


def test_archive_beside_its_content(changed: Path, owners: Path) -> None:
    with zipfile.ZipFile(changed / "2D+3D" / "F001.zip", "w") as file:
        for path in sorted((changed / "Sequences(2D+3D)" / "F001").rglob("*.jpg")):
            file.write(path, path.relative_to(changed / "Sequences(2D+3D)"))
    listing = BP4D(changed).list()
    assert listing.rows.equals(BP4D(owners).list().rows)
    assert set(listing.rows.filter(subject="F001")["path"].str.head(9)) == {"Sequences"}
    assert "unpacked and in archives: 12 images; the unpacked ones are used" in listing.found


def test_one_frame_twice_is_refused(changed: Path) -> None:
    folder = changed / "Sequences(2D+3D)" / "F001" / "T1"
    (folder / "98.jpg").write_bytes((folder / "0098.jpg").read_bytes())
    with pytest.raises(FauError, match=r"both '.*F001/T1/0098\.jpg' and '.*F001/T1/98\.jpg' give one frame; move one"):
        BP4D(changed).list()


def test_image_without_number_is_counted(changed: Path) -> None:
    folder = changed / "Sequences(2D+3D)" / "F001" / "T1"
    (folder / "cover.jpg").write_bytes(b"a cover")
    losses = BP4D(changed).list().losses
    assert losses.counts["image without a frame number in its name"] == 1


def test_image_offset(owners: Path) -> None:
    rows = BP4D(owners, image_offset=-1).list().rows
    first = rows.row(0, named=True)
    assert (first["id"], first["path"]) == ("F001/T1/98", "Sequences(2D+3D)/F001/T1/0097.jpg")


def test_gap_in_frame_numbers(changed: Path) -> None:
    path = changed / "AUCoding" / "AU_OCC" / "F001_T1.csv"
    lines = path.read_text().split("\n")
    path.unlink()
    path.write_text("\n".join([lines[0], lines[4], lines[1], lines[3]]))  # unsorted, one row missing
    rows = BP4D(changed).list().rows.filter(sequence="F001/T1")
    assert rows["frame"].to_list() == [98, 99, 100, 101]
    assert rows["au01"].is_null().to_list() == [False, True, False, False]  # AU_INT still codes that frame
    assert rows["au06_int"].null_count() == 0
    plain = [expected("F001", "T1", frame, "occurrence", 4) for frame in (98, 100, 101)]
    assert rows["au04"].drop_nulls().to_list() == plain


@settings(max_examples=25, deadline=None)
@given(
    images=st.dictionaries(st.integers(0, 3000), st.integers(0, 6), max_size=8),  # frame: width of its number
    codes=st.dictionaries(st.integers(0, 3000), st.sampled_from([0, 1, 9]), max_size=8),
    shared=st.dictionaries(st.integers(0, 3000), st.tuples(st.integers(0, 6), st.sampled_from([0, 1, 9])), max_size=8),
)
def test_no_frame_is_lost_silently(
    tmp_path_factory: pytest.TempPathFactory,
    images: dict[int, int],
    codes: dict[int, int],
    shared: dict[int, tuple[int, int]],
) -> None:
    root = tmp_path_factory.mktemp("joined")
    images = images | {frame: width for frame, (width, _) in shared.items()} | {9999: 0}
    codes = codes | {frame: code for frame, (_, code) in shared.items()} | {9998: 1}
    for frame, width in images.items():
        fake.write(root / "M018" / "T8" / f"{frame:0{width}d}.jpg", b"")
    table = "0,24\n" + "".join(f"{frame},{code}\n" for frame, code in codes.items())
    fake.write(root / "AU_OCC" / "M018_T8.csv", table.encode())
    listing = BP4D(root).list()
    both = images.keys() & codes.keys()
    assert dict(listing.rows.select("frame", "au24").iter_rows()) == {f: codes[f] for f in both if codes[f] != 9}
    assert listing.rows["frame"].is_sorted()
    lost = {cause: set(part["id"]) for (cause,), part in listing.losses.frame.group_by("cause")}
    assert lost.get(NOT_CODED) == {f"M018/T8/{f}" for f in images.keys() - both}
    assert lost.get(NO_IMAGE) == {f"M018/T8/{f}" for f in codes.keys() - both}
    assert lost.get(NOT_ANNOTATED, set()) == {f"M018/T8/{f}" for f in both if codes[f] == 9}


def test_columns_are_found_by_name(changed: Path) -> None:
    path = changed / "AUCoding" / "AU_OCC" / "F001_T1.csv"
    cells = [line.split(",") for line in path.read_text().splitlines()]
    order = [0, *reversed(range(1, len(cells[0])))]
    before = BP4D(changed).list().rows
    path.unlink()
    path.write_text("\n".join(",".join(row[i] for i in order) for row in cells))
    assert BP4D(changed).list().rows.equals(before)


def test_absent_intensity_files(changed: Path) -> None:
    shutil.rmtree(changed / "AUCoding" / "AU_INT")
    listing = BP4D(changed).list()
    assert listing.rows["au12_int"].null_count() == len(listing.rows) == 66
    assert "17 occurrence and 0 intensity files (AU_OCC)" in listing.found


def test_absent_occurrence_files_are_named(changed: Path) -> None:
    (changed / "AUCoding" / "AU_OCC" / "F001_T1.csv").unlink()
    listing = BP4D(changed).list()
    assert "frames and intensity codes but no occurrence file: 1 sequence, F001/T1" in listing.found
    assert listing.rows.filter(sequence="F001/T1")["au12"].null_count() == 4


def test_empty_code_file_is_reported(changed: Path) -> None:
    for path in changed.rglob("F001_T1*.csv"):
        path.unlink()
        path.write_text("")
    listing = BP4D(changed).list()
    assert "F001/T1" not in listing.rows["sequence"]
    assert "empty occurrence files: 1, such as 'AUCoding/AU_OCC/F001_T1.csv'" in listing.found


@pytest.fixture(scope="session")
def fera(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    root = tmp_path_factory.mktemp("fera")
    fake.build_fera(root, faces)
    return root


def test_fera_folders_and_their_occlusion_flag(fera: Path) -> None:
    listing = BP4D(fera).list()
    # one frame of each sequence is flagged, one has no code, one no image
    assert len(listing.rows) == SEQUENCES * fake.FRAMES - SEQUENCES - 2
    assert listing.losses.counts == {
        NOT_CODED: SEQUENCES * fake.EXTRA,
        NO_IMAGE: 1,
        OCCLUDED: SEQUENCES,
        NOT_ANNOTATED: 1,
    }
    assert listing.losses.unexpected == 1
    assert "18 occurrence and 90 intensity files (FERA-2015's folders)" in listing.found
    assert "the last column ('99') of 18 occurrence files tells occluded frames" in listing.found


def test_occlusion_can_be_ignored(fera: Path) -> None:
    listing = BP4D(fera, occlusion="none").list()
    assert len(listing.rows) == SEQUENCES * fake.FRAMES - 2
    assert OCCLUDED not in listing.losses.counts


@pytest.mark.parametrize(
    ("heading", "flagged"), [("39", False), ("63", False), ("73", True), ("", True), ("occ", True)]
)
def test_when_the_last_column_is_a_flag(tmp_path: Path, faces: Faces, heading: str, flagged: bool) -> None:
    """A last column that is an action unit must not drop the frames in which the unit is present."""
    for k in range(3):
        fake.write(tmp_path / "F001" / "T1" / f"{k}.jpg", faces.jpeg(0, k))
    table = f"0,1,2,{heading}\n0,1,0,1\n1,0,0,0\n2,1,0,9\n"
    fake.write(tmp_path / "AU_OCC" / "F001_T1.csv", table.encode())
    listing = BP4D(tmp_path).list()
    assert listing.rows["frame"].to_list() == ([1, 2] if flagged else [0, 1, 2])
    assert listing.rows["au39"].to_list() == ([1, 0, None] if heading == "39" else [None] * len(listing.rows))
    last = BP4D(tmp_path, occlusion="last").list()
    assert last.rows["frame"].to_list() == [1, 2]
    assert last.rows["au39"].null_count() == 2


def test_published_counts_agree_with_each_other() -> None:
    published = BP4D.published
    subjects = {key: count for key, count in published.items() if len(key) == 4 and key[1:].isdigit()}
    assert len(subjects) == published["subjects"] == 41
    assert sum(subjects.values()) == published["crops"] == 146_847
    rates = {1: 21.1, 2: 17.1, 4: 20.3, 6: 46.1, 7: 54.9, 10: 59.4, 12: 56.2, 14: 46.6, 15: 16.9, 17: 34.3, 23: 16.5}
    for au, rate in {**rates, 24: 15.1}.items():
        assert round(100 * published[au_column(au)] / published["crops"], 1) == rate


def test_it_is_found_by_name() -> None:
    assert corpus("bp4d") is BP4D


def test_wrong_root(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(FauError, match=r"no action unit codes of BP4D \(F001_T1\.csv\); give the folder"):
        BP4D(tmp_path).list()


def test_codes_without_frames(changed: Path) -> None:
    with pytest.raises(FauError, match=r"has codes of BP4D but no frames \(F001/T1/2440\.jpg\); give the folder"):
        BP4D(changed / "AUCoding").list()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "AU_OCC/F001_T1.csv",
            "0,1,2,",
            "0,1,emotion,",
            r"F001_T1\.csv' has the column 'emotion', where the first row",
        ),
        ("AU_OCC/F001_T1.csv", "0,1,2,", "0,1,1,", r"F001_T1\.csv' has twice the column '1'"),
        ("AU_OCC/F001_T1.csv", "\r\n98,", "\r\n98,2", r"F001_T1\.csv', column 1, holds the unknown code '2\d'; known"),
        ("AU_OCC/F001_T1.csv", "\r\n98,", "\r\nx98,", r"F001_T1\.csv' has 'x98' where a frame number belongs"),
        ("AU_OCC/F001_T1.csv", "\r\n98,", "\r\n99,", r"F001_T1\.csv' codes frame 99 twice; remove one of the lines"),
        ("AU_OCC/F001_T1.csv", "\r\n98,", "\r\n98,0,1,1\r\n98,", r"line 2 of '.*F001_T1\.csv' has 4 cells"),
        ("AU_OCC/F001_T1.csv", "\r\n98,", "\r\n98,0,", r"F001_T1\.csv' is no table of comma-separated codes"),
        (
            "AU_INT/AU12/F001_T1_AU12.csv",
            "98,",
            "98,6",
            r"F001_T1_AU12\.csv', intensity of AU 12, holds the unknown code",
        ),
        ("AU_INT/AU12/F001_T1_AU12.csv", "98,", "98,1,", r"F001_T1_AU12\.csv' (has 2 cells|has 3 columns|is no table)"),
    ],
)
def test_bad_code_files_are_named(changed: Path, file: str, old: str, new: str, message: str) -> None:
    path = changed / "AUCoding" / file
    content = path.read_bytes()
    assert old.encode() in content
    path.unlink()
    path.write_bytes(content.replace(old.encode(), new.encode(), 1))
    with pytest.raises(FauError, match=message) as caught:
        BP4D(changed).list()
    assert "\n" not in str(caught.value)


def test_intensity_of_a_foreign_unit(changed: Path) -> None:
    fake.write(changed / "AUCoding" / "AU_INT" / "AU13" / "F001_T1_AU13.csv", b"98,1\n")
    with pytest.raises(FauError, match=r"F001_T1_AU13\.csv' codes the intensity of AU 13, which BP4D does not"):
        BP4D(changed).list()


def test_two_code_files_of_one_sequence(changed: Path) -> None:
    copy = changed / "backup" / "AU_OCC" / "F001_T1.csv"
    fake.write(copy, (changed / "AUCoding" / "AU_OCC" / "F001_T1.csv").read_bytes())
    with pytest.raises(FauError, match=r"both '.*' and '.*' give the occurrence codes of F001/T1; move one"):
        BP4D(changed).list()
