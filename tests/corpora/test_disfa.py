"""DISFA from videos and from extracted frames, on fake trees with every known fault."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from faces import Faces
from trees import disfa as fake

from fau.corpora.base import row_schema
from fau.corpora.disfa import DISFA
from fau.corpora.disfa_published import BAD_TRACKING_FRAMES
from fau.corpora.losses import BAD_TRACKING, NO_IMAGE, NOT_CODED
from fau.corpora.registry import corpus
from fau.errors import FauError
from fau.labels import LABEL_SETS, au_column, intensity_column

ROWS = len(fake.SUBJECTS) * fake.FRAMES - 1  # SN010 has one row less
TRUE_SUBJECTS = [f"SN{n:03d}" for n in (*range(1, 14), 16, 17, 18, 21, *range(23, 33))]


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    root = tmp_path_factory.mktemp("disfa")
    fake.build(root, faces)
    return root


@pytest.fixture
def changed(tmp_path: Path, videos: Path) -> Path:
    """A copy that a test may change; its files are links."""
    root = tmp_path / "disfa"
    shutil.copytree(videos, root, copy_function=lambda a, b: Path(b).hardlink_to(a))
    return root


@pytest.fixture(scope="session")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels of one action unit of all subjects at full length; the videos are empty files."""
    root = tmp_path_factory.mktemp("full")
    for i, subject in enumerate(TRUE_SUBJECTS):
        text = "".join(f"{k},{(k + i) % 6}\n" for k in range(1, 4845 if subject == "SN010" else 4846))
        folder = root / "ActionUnit_Labels" / subject
        folder.mkdir(parents=True)
        (folder / f"{subject}_au12.txt").write_text(text)
        video = root / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi"
        video.parent.mkdir(exist_ok=True)
        video.touch()
    return root


def check_codes(rows: pl.DataFrame, threshold: int = 2) -> None:
    for row in rows.iter_rows(named=True):
        s = fake.SUBJECTS.index(row["subject"])
        for au in fake.AUS:
            level = fake.intensity(s, row["frame"] - 1, au)
            assert row[intensity_column(au)] == level, (row["id"], au)
            assert row[au_column(au)] == int(level >= threshold), (row["id"], au)


def test_rows_from_videos(videos: Path) -> None:
    listing = DISFA(videos).list()
    rows = listing.rows
    assert DISFA.aus == LABEL_SETS["disfa12"]
    assert rows.schema == row_schema(DISFA.aus)
    assert len(rows) == ROWS
    assert listing.losses.counts == {}
    check_codes(rows)
    first = rows.row(0, named=True)
    assert (first["id"], first["subject"], first["sequence"], first["frame"]) == ("SN001/1", "SN001", "SN001", 1)
    assert (first["path"], first["position"]) == ("Videos_LeftCamera/LeftVideoSN001_comp.avi", 0)
    assert (rows["frame"] - rows["position"] == 1).all()
    assert rows.select("subject", "frame").equals(rows.select("subject", "frame").sort("subject", "frame"))
    assert len(rows.filter(subject="SN010")) == fake.FRAMES - 1
    assert listing.found == [
        "pictures come from 7 videos, such as 'Videos_LeftCamera/LeftVideoSN001_comp.avi'",
        "landmarks of 7 subjects",
    ]


def test_pictures_are_those_of_the_rows(videos: Path, faces: Faces) -> None:
    corpus_ = pickle.loads(pickle.dumps(DISFA(videos)))
    rows = corpus_.list().rows.filter(pl.col("subject").is_in(["SN002", "SN010"]))
    for row, picture in zip(rows.iter_rows(named=True), corpus_.pictures(rows), strict=True):
        truth = faces.image(fake.SUBJECTS.index(row["subject"]), row["position"]).astype(int)
        assert np.abs(picture.image.astype(int) - truth).mean() < 8  # motion JPEG


@pytest.mark.parametrize("threshold", [1, 2, 5])
def test_occurrence_follows_the_threshold(videos: Path, threshold: int) -> None:
    corpus_ = DISFA(videos, occurrence_threshold=threshold)
    assert corpus_.occurrence_threshold == threshold
    check_codes(corpus_.list().rows, threshold)
    assert ("au01" in corpus_.published) == (threshold == 2)


@pytest.mark.parametrize("threshold", [0, 6])
def test_impossible_threshold(videos: Path, threshold: int) -> None:
    with pytest.raises(FauError, match=f"occurrence_threshold is {threshold}; choose an intensity from 1 to 5"):
        DISFA(videos, occurrence_threshold=threshold)


def test_right_camera(videos: Path) -> None:
    corpus_ = DISFA(videos, camera="right")
    listing = corpus_.list()
    assert listing.rows["path"].unique().sort()[0] == "Video_RightCamera/RightVideoSN001_Comp.avi"
    assert len(listing.rows) == ROWS
    assert listing.found[-1] == "no landmarks for these pictures; align with MediaPipe"
    assert corpus_.landmark_set == "none"
    with pytest.raises(FauError, match="belong to the left camera"):
        corpus_.landmarks(listing.rows)


@pytest.mark.parametrize("listed", [True, False])
def test_landmarks(videos: Path, faces: Faces, listed: bool) -> None:
    rows = DISFA(videos).list().rows.sample(fraction=1, shuffle=True, seed=1)
    corpus_ = DISFA(videos)
    if listed:
        corpus_ = pickle.loads(pickle.dumps((corpus_.list(), corpus_)[1]))
    points = corpus_.landmarks(rows)
    assert points.shape == (len(rows), 68, 2)
    inner_corners = np.isin(np.arange(68), [60, 64])
    for row, found in zip(rows.iter_rows(named=True), points, strict=True):
        if row["id"] == f"SN031/{fake.FRAMES - 1}":  # the missing file
            assert np.isnan(found).all()
            continue
        assert np.isnan(found[inner_corners]).all()
        truth = faces.points68(fake.SUBJECTS.index(row["subject"]), row["position"])
        np.testing.assert_allclose(found[~inner_corners], truth[~inner_corners], atol=1e-4)


def test_other_landmark_count_is_refused(changed: Path) -> None:
    from scipy.io import savemat

    path = changed / "Landmark_Points" / "SN001" / "tmp_frame_lm" / "SN001_0000_lm.mat"
    path.unlink()
    savemat(path, {"pts": np.ones((68, 2))})
    corpus_ = DISFA(changed)
    with pytest.raises(FauError, match=r"SN001_0000_lm\.mat' holds an array of shape \(68, 2\), not 66 points"):
        corpus_.landmarks(corpus_.list().rows.head(1))


@pytest.mark.parametrize("naming", fake.NAMINGS)
def test_rows_from_extracted_frames(tmp_path: Path, faces: Faces, naming: str) -> None:
    fake.build_frames(tmp_path, faces, naming)
    spelling, first = fake.NAMINGS[naming]
    corpus_ = DISFA(tmp_path)
    listing = corpus_.list()
    assert len(listing.rows) == ROWS
    assert listing.losses.counts == {NOT_CODED: 1}  # the last frame of SN010
    assert listing.losses.frame["id"].to_list() == [f"SN010/{fake.FRAMES}"]
    check_codes(listing.rows)
    for row in listing.rows.iter_rows(named=True):
        assert row["path"] == spelling.format(subject=row["subject"], number=first + row["frame"] - 1)
    assert listing.rows["position"].null_count() == ROWS
    name = {"0.png": "#.png", "00001.jpg": "#.jpg", "frame-1.jpg": "frame-#.jpg"}.get(naming)
    assert listing.found[0] == (
        f"pictures are extracted frames named {name or 'LeftVideoSN###_comp_#.png'}; "
        f"the first frame is number {first} (the least number that occurs)"
    )
    rows = listing.rows.filter(subject="SN001")
    for row, picture in zip(rows.iter_rows(named=True), corpus_.pictures(rows), strict=True):
        assert np.abs(picture.image.astype(int) - faces.image(0, row["frame"] - 1).astype(int)).mean() < 6


def test_first_frame_as_declared(tmp_path: Path, faces: Faces) -> None:
    fake.build_frames(tmp_path, faces, "00001.jpg")
    listing = DISFA(tmp_path, first_frame="0").list()
    assert listing.rows["path"][0] == "Images/SN001/00001.jpg"
    assert listing.rows["id"][0] == "SN001/2"
    assert listing.found[0].endswith("the first frame is number 0 (as declared)")
    # frame 1 has no image; image 5 would be frame 6, which no subject codes, and SN010 does not code frame 5 either
    assert listing.losses.counts == {NOT_CODED: len(fake.SUBJECTS) + 1, NO_IMAGE: len(fake.SUBJECTS)}


def test_first_frame_that_contradicts_the_names(tmp_path: Path, faces: Faces) -> None:
    fake.build_frames(tmp_path, faces, "0.png")
    with pytest.raises(FauError, match=r"frame of SN001 has number 0, before the first frame 1; use --first-frame 0"):
        DISFA(tmp_path, first_frame="1").list()


def test_frames_from_0_whose_first_is_missing(tmp_path: Path, faces: Faces) -> None:
    fake.build_frames(tmp_path, faces, "0.png")
    for file in tmp_path.rglob("0.png"):
        file.unlink()
    with pytest.raises(FauError, match=r"of SN001 have numbers 1 to 4, its codes 1 to 5: .*--first-frame 0 or 1"):
        DISFA(tmp_path).list()
    listing = DISFA(tmp_path, first_frame="0").list()
    assert listing.rows["path"][0].endswith("SN001/1.png")
    assert listing.rows["id"][0] == "SN001/2"


def test_first_frame_that_cannot_be_told(tmp_path: Path, faces: Faces) -> None:
    fake.build_frames(tmp_path, faces, "0.png")
    (tmp_path / "Images" / "SN029" / "0.png").unlink()
    with pytest.raises(FauError, match=r"of SN001 start with number 0, those of SN029 with 1; say .*--first-frame 0"):
        DISFA(tmp_path).list()
    assert DISFA(tmp_path, first_frame="0").list().losses.counts[NO_IMAGE] == 1


def test_videos_come_before_extracted_frames(changed: Path, faces: Faces) -> None:
    for k in range(fake.FRAMES):
        fake.write(changed / "Images" / "SN001" / f"{k}.png", faces.png(0, k))
    listing = DISFA(changed).list()
    assert len(listing.rows) == ROWS
    assert "5 extracted frames are not used; --source frames takes them" in listing.found
    frames = DISFA(changed, source="frames").list()
    assert len(frames.rows) == fake.FRAMES
    assert frames.losses.counts == {NO_IMAGE: ROWS - fake.FRAMES}


def test_video_without_labels_and_labels_without_video(changed: Path) -> None:
    shutil.rmtree(changed / "ActionUnit_Labels" / "SN002")
    (changed / "Videos_LeftCamera" / "LeftVideoSN003_comp.avi").unlink()
    losses = DISFA(changed).list().losses
    assert losses.counts == {NOT_CODED: 1, NO_IMAGE: fake.FRAMES}
    assert losses.frame["id"].to_list() == [
        "Videos_LeftCamera/LeftVideoSN002_comp.avi",
        *(f"SN003/{k + 1}" for k in range(fake.FRAMES)),
    ]


def test_missing_label_file_is_unknown_not_absent(changed: Path) -> None:
    (changed / "ActionUnit_Labels" / "SN001" / "SN001_au12.txt").unlink()
    listing = DISFA(changed).list()
    rows = listing.rows.filter(subject="SN001")
    assert len(rows) == fake.FRAMES
    assert rows.select("au12", "au12_int").null_count().row(0) == (fake.FRAMES, fake.FRAMES)
    assert rows["au02"].null_count() == 0
    assert "SN001 has no codes of AU 12; they stay unknown" in listing.found


def test_short_label_file_is_joined_by_frame(changed: Path) -> None:
    path = changed / "ActionUnit_Labels" / "SN001" / "SN001_au12.txt"
    lines = path.read_text().splitlines()
    path.unlink()
    path.write_text("\n".join([*lines[3:], lines[0]]))  # out of order, rows 2 and 3 missing
    rows = DISFA(changed).list().rows.filter(subject="SN001")
    levels = [fake.intensity(0, k, 12) for k in range(fake.FRAMES)]
    assert rows["au12_int"].to_list() == [levels[0], None, None, *levels[3:]]
    assert rows["au12"].is_null().to_list() == [False, True, True, False, False]


def test_owners_archives(tmp_path: Path, videos: Path) -> None:
    for name in ("ActionUnit_Labels", "Videos_LeftCamera", "Landmark_Points"):
        shutil.make_archive(str(tmp_path / name), "zip", videos, name)
    corpus_ = DISFA(tmp_path)
    rows = corpus_.list().rows
    assert len(rows) == ROWS
    assert rows["path"][0] == "Videos_LeftCamera.zip/Videos_LeftCamera/LeftVideoSN001_comp.avi"
    check_codes(rows)
    np.testing.assert_array_equal(corpus_.landmarks(rows.head(2)), DISFA(videos).landmarks(rows.head(2)))


def test_full_size_counts(full_size: Path) -> None:
    corpus_ = DISFA(full_size)
    rows = corpus_.list().rows
    assert len(rows) == corpus_.published["crops"] == 130_814
    counts = dict(rows["subject"].value_counts().iter_rows())
    assert counts == {key: count for key, count in corpus_.published.items() if key.startswith("SN")}
    assert counts["SN010"] == 4844 and len(counts) == corpus_.published["subjects"] == 27


def test_bad_tracking_is_dropped_on_demand(full_size: Path) -> None:
    corpus_ = DISFA(full_size, drop_bad_tracking=True)
    listing = corpus_.list()
    assert listing.losses.counts == {BAD_TRACKING: 4670}
    assert listing.losses.unexpected == 0
    assert len(listing.rows) == corpus_.published["crops"] == 126_144
    kept = set(listing.rows["id"])
    assert {"SN029/4089", "SN029/4544"} <= kept
    assert not {"SN029/4090", "SN029/4543", "SN011/4845"} & kept
    parts = {  # frames of the parts of the usual protocol in JAA-Net's lists
        43_173: ("SN002", "SN010", "SN001", "SN026", "SN027", "SN032", "SN030", "SN009", "SN016"),
        40_344: ("SN013", "SN018", "SN011", "SN028", "SN012", "SN006", "SN031", "SN021", "SN024"),
        42_627: ("SN003", "SN029", "SN023", "SN025", "SN008", "SN005", "SN007", "SN017", "SN004"),
    }
    for count, subjects in parts.items():
        assert len(listing.rows.filter(pl.col("subject").is_in(subjects))) == count
    assert "au01" not in corpus_.published


def test_wrong_landmarks_are_announced(full_size: Path, tmp_path: Path) -> None:
    root = tmp_path / "disfa"
    root.mkdir()
    for name in ("ActionUnit_Labels", "Videos_LeftCamera"):
        (root / name).symlink_to(full_size / name)
    fake.write(root / "Landmark_Points" / "SN029" / "frame_lm" / "SN029_0000_lm.mat", b"")
    wrong = "landmarks of 1 subjects; those of 4,670 frames are known to be wrong (--drop-bad-tracking)"
    assert DISFA(root).list().found[-1] == wrong
    assert DISFA(root, drop_bad_tracking=True).list().found[-1] == "landmarks of 1 subjects"


def test_published_positives_are_the_published_rates() -> None:
    published = DISFA(Path.cwd()).published
    rates = {1: 5.0, 2: 4.3, 4: 15.2, 6: 7.9, 9: 4.2, 12: 12.9, 25: 27.7, 26: 8.8}
    for au, rate in rates.items():
        assert round(100 * published[au_column(au)] / published["crops"], 1) == rate


def test_it_is_found_by_name() -> None:
    assert corpus("disfa") is DISFA
    assert set(BAD_TRACKING_FRAMES) <= set(TRUE_SUBJECTS)


def test_wrong_root(tmp_path: Path) -> None:
    with pytest.raises(FauError, match=r"no intensity codes of DISFA \(SN001_au1\.txt\); give the folder"):
        DISFA(tmp_path).list()


@pytest.mark.parametrize(
    ("source", "lacks"), [("auto", "neither videos nor"), ("video", "no videos"), ("frames", "neit")]
)
def test_labels_without_pictures(videos: Path, source: str, lacks: str) -> None:
    with pytest.raises(FauError, match=lacks):
        DISFA(videos / "ActionUnit_Labels", source=source).list()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1,", "1,6", r"SN001_au1\.txt', intensity, holds the unknown code '6\d'; known are 0, 1, 2, 3, 4, 5"),
        ("1,", "one,", r"SN001_au1\.txt' has 'one' where a frame number belongs; correct that line"),
        ("2,", "1,", r"SN001_au1\.txt' codes frame 1 twice; remove one of the lines"),
        ("1,", "0,", r"SN001_au1\.txt' counts frames from 0, DISFA's files from 1, .*; add 1 to its numbers"),
        ("1,", "1;", r"SN001_au1\.txt' has semicolons where the owner's file has commas; save it with commas"),
        ("1,", "1 ", r"SN001_au1\.txt' is no table of comma-separated codes|has 1 columns, where frame and intensity"),
    ],
)
def test_bad_code_files_are_named(changed: Path, old: str, new: str, message: str) -> None:
    path = changed / "ActionUnit_Labels" / "SN001" / "SN001_au1.txt"
    text = path.read_text()
    path.unlink()
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(FauError, match=message) as caught:
        DISFA(changed).list()
    assert "\n" not in str(caught.value)


def test_foreign_action_unit(changed: Path) -> None:
    fake.write(changed / "ActionUnit_Labels" / "SN001" / "SN001_au7.txt", b"1,0\n")
    with pytest.raises(FauError, match=r"SN001_au7\.txt' codes AU 7, which DISFA does not; move it out"):
        DISFA(changed).list()


def test_a_line_that_was_cut_off_is_named(changed: Path) -> None:
    path = next(changed.rglob("SN001_au12.txt"))
    text = path.read_text().rstrip()
    path.unlink()
    path.write_text(text.rpartition(",")[0])
    with pytest.raises(FauError, match=r"line 5 of '.*SN001_au12\.txt' has 1 cells, its first line 2"):
        DISFA(changed).list()


def test_two_videos_of_one_subject(changed: Path) -> None:
    fake.write(changed / "Videos_LeftCamera" / "LeftVideoSN001_comp.mp4", b"")
    with pytest.raises(FauError, match=r"both '.*' and '.*' give the video of SN001; move one of them away"):
        DISFA(changed).list()
