"""Tables: columns found by name, codes, parts, videos, other people's layouts."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from faces import Faces
from hypothesis import given
from hypothesis import strategies as st
from trees import table as fake

from fau.corpora import naming
from fau.corpora.columns import columns_of
from fau.corpora.losses import DUPLICATE, NO_IMAGE, NOT_A_FACE, NOT_ANNOTATED, NOT_CODED
from fau.corpora.paths import checked, respelled
from fau.corpora.table import Table
from fau.corpora.tree import inside, natural
from fau.errors import FauError
from fau.labels import EXPRESSIONS


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    root = tmp_path_factory.mktemp("table")
    fake.build(root, faces)
    return root


def _write(root: Path, text: str, faces: Faces, pictures: tuple[str, ...] = ("a.jpg", "b.jpg")) -> Path:
    fake.write_pictures(root, list(pictures), faces)
    (root / "table.csv").write_text(text)
    return root


def _video(file: Path, faces: Faces, frames: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 96))
    for frame in range(frames):
        writer.write(faces.image(0, frame)[..., ::-1])
    writer.release()


def test_a_table_of_ones_own(owners: Path) -> None:
    corpus = Table(owners)
    assert corpus.aus == (1, 2, 12)
    listing = corpus.list()
    rows = listing.rows
    kept = [
        (subject, frame)
        for subject in sorted(fake.SUBJECTS, key=natural)
        for frame in range(fake.FRAMES)
        if (subject, frame) not in (("p10", 3), ("p1", 2))
    ]
    assert rows["id"].to_list() == [f"images/{subject}/{frame * 7}.jpg" for subject, frame in kept]
    assert rows["subject"].to_list() == [subject for subject, _ in kept]
    for au in (1, 2, 12):
        wanted = [fake.au(fake.SUBJECTS.index(s), f, au) for s, f in kept]
        assert rows[f"au{au:02d}"].to_list() == [None if code == -1 else code for code in wanted]
        assert rows[f"au{au:02d}_int"].null_count() == len(rows)
    names = ("happiness", "sadness", "anger", "neutral")
    assert rows["expression"].to_list() == [names[frame] for _, frame in kept]
    assert listing.losses.counts == {NO_IMAGE: 1, NOT_CODED: 1, NOT_ANNOTATED: 1, DUPLICATE: 1}
    assert set(listing.losses.frame["id"]) == {
        *("images/p10/21.jpg", "images/p3/99.jpg", "images/p1/14.jpg", "images/p2/0.jpg")
    }
    assert not any("not used" in sentence for sentence in listing.found)
    assert listing.extras is not None and listing.extras.columns == ["id", "age"]
    assert set(listing.extras["id"]) == set(rows["id"])
    assert "paths start from 'images'" in listing.found
    assert corpus.occurrence_threshold is None
    assert corpus.protocol == "kfold"
    assert next(corpus.pictures(rows)).image is not None


def test_options_name_columns_folders_and_codes(tmp_path: Path, faces: Faces) -> None:
    text = "wer;was;bild;au4\nx;2;/old/place/a.jpg;1\ny;7;/old/place/b.jpg;5\n"
    root = _write(tmp_path, text, faces, ("pictures/a.jpg", "pictures/b.jpg"))
    corpus = Table(
        root,
        table="table.csv",
        images="pictures",
        strip="/old/place/",
        path_column="bild",
        subject_column="wer",
        expression_column="was",
        classes="2=joy,7=contempt",
        missing="5",
    )
    rows = corpus.list().rows
    assert list(rows.select("id", "subject", "expression", "au04").iter_rows()) == [
        ("pictures/a.jpg", "x", "happiness", 1),
        ("pictures/b.jpg", "y", "contempt", None),
    ]


@pytest.mark.parametrize(
    ("values", "kind", "occurrence", "intensity"),
    [
        (("0", "1.0", "-1"), "occurrence", [0, 1, None], [None, None, None]),
        (("0", "3", "1"), "intensity", [0, 1, 0], [0, 3, 1]),
        (("9", "2", "999"), "intensity", [None, 1, None], [None, 2, None]),
        (("0.2", "0.5", ""), "probability", [0, 1, None], [None, None, None]),
    ],
)
def test_what_a_column_holds(
    tmp_path: Path, faces: Faces, values: tuple[str, ...], kind: str, occurrence: list[object], intensity: list[object]
) -> None:
    lines = [f"{name},{value},1" for name, value in zip(("a.jpg", "b.jpg", "c.jpg"), values, strict=True)]
    text = "path,AU06,valence\n" + "\n".join(lines) + "\n"
    corpus = Table(_write(tmp_path, text, faces, ("a.jpg", "b.jpg", "c.jpg")))
    listing = corpus.list()
    assert listing.rows["au06"].to_list() == occurrence
    assert listing.rows["au06_int"].to_list() == intensity
    assert f"columns such as AU06 are read as {kind}" in listing.found
    assert corpus.occurrence_threshold == (2 if kind == "intensity" else None)


def test_threshold_and_kind_by_option(tmp_path: Path, faces: Faces) -> None:
    root = _write(tmp_path, "path,au1,au1_int,au2\na.jpg,1,1,1\nb.jpg,0,4,0\n", faces)
    corpus = Table(root, values="intensity", threshold=1)
    rows = corpus.list().rows
    assert rows["au01"].to_list() == [1, 0]  # coded, whatever the intensity
    assert rows["au01_int"].to_list() == [1, 4]
    assert rows["au02"].to_list() == [1, 0]
    assert rows["au02_int"].to_list() == [1, 0]
    assert corpus.occurrence_threshold == 1


def test_valence_keeps_minus_1(tmp_path: Path, faces: Faces) -> None:
    text = "path,valence,arousal,expression\na.jpg,-1,-2,happy\nb.jpg,0.5,-5,-1\n"
    rows = Table(_write(tmp_path, text, faces)).list().rows
    assert rows["valence"].to_list() == [-1, 0.5]
    assert rows["arousal"].to_list() == [None, None]
    assert rows["expression"].to_list() == ["happiness", None]


def test_libreface(tmp_path: Path, faces: Faces) -> None:
    fake.build_libreface(tmp_path, faces)
    with pytest.raises(FauError, match=r"holds 6 tables .*choose one, or a folder, with --table"):
        Table(tmp_path).list()
    corpus = Table(tmp_path, table="labels/1")
    rows = corpus.list().rows
    assert len(rows) == 12
    assert Counter(rows["split"]) == {"train": 8, "test": 4}
    assert rows.filter(pl.col("split") == "test")["id"].str.extract(r"(\d+)\.png").cast(pl.Int32).sort().to_list() == [
        *(1, 4, 7, 10)
    ]
    five = rows.filter(pl.col("id") == "aligned_images/S5/5.png").row(0, named=True)
    assert [five[k] for k in ("au01", "au01_int", "au12", "au12_int")] == [1, 5, 0, 1]
    assert corpus.protocol == "official"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_hugging_face(tmp_path: Path, faces: Faces, kind: str) -> None:
    fake.build_huggingface(tmp_path, faces, kind)
    with pytest.raises(
        FauError, match=r"column label of test/metadata\..* holds the unknown expression '0'.*--classes"
    ):
        Table(tmp_path).list()
    rows = Table(tmp_path, classes="anger,fear,joy,sad").list().rows
    assert Counter(rows["split"]) == {"train": 8, "test": 4}
    assert dict(rows.select("id", "expression").iter_rows())["train/6.png"] == "happiness"
    assert dict(rows.select("id", "valence").iter_rows())["train/6.png"] == pytest.approx(0.2)


def test_hu_et_al(tmp_path: Path, faces: Faces) -> None:
    fake.build_hu(tmp_path, faces)
    listing = Table(tmp_path).list()
    assert listing.rows["au01"].to_list() == [None, 0, 1, None, 0, 1]
    assert listing.rows["au04"].to_list() == [None] * 6
    assert listing.extras is not None
    assert listing.extras.row(0) == ("images/0000_aligned.jpg", "Female", "White", "30-50")


def test_openface_beside_its_video(tmp_path: Path, faces: Faces) -> None:
    _video(tmp_path / "clip.avi", faces, 4)
    lines = ["frame, face_id, timestamp, confidence, success, AU01_r, AU12_r, AU12_c, AU28_c"]
    lines += [f"{i}, 0, {i / 10}, 0.98, {int(i != 3)}, {i}.00, 0.5, 1.00, 0.00" for i in range(1, 5)]
    (tmp_path / "clip.csv").write_text("\n".join(lines) + "\n")
    corpus = Table(tmp_path)
    assert corpus.aus == (1, 12, 28)
    listing = corpus.list()
    rows = listing.rows
    assert rows["id"].to_list() == ["clip.avi/0", "clip.avi/1", "clip.avi/3"]
    assert rows["position"].to_list() == [0, 1, 3]
    assert rows["frame"].to_list() == [1, 2, 4]
    assert set(rows["sequence"]) == set(rows["subject"]) == {"clip.avi"}
    assert rows["au01"].to_list() == [0, 1, 1]
    assert rows["au12"].to_list() == [1, 1, 1]
    assert rows["au12_int"].to_list() == [0.5] * 3
    assert rows["au28_int"].null_count() == 3
    assert listing.losses.counts == {NOT_A_FACE: 1}
    pictures = [picture.image for picture in corpus.pictures(rows)]
    for image, frame in zip(pictures, (0, 1, 3), strict=True):
        assert image is not None
        assert np.abs(image.astype(int) - faces.image(0, frame)).mean() < 8  # MJPG loses something


def test_py_feat(tmp_path: Path, faces: Faces) -> None:
    text = (
        "FaceRectX,FaceRectY,FaceRectWidth,FaceRectHeight,FaceScore,AU01,AU43,anger,happiness,neutral,input,frame\n"
        "1,2,30,40,0.9,0.3,0.9,0.1,0.8,0.1,a.jpg,0\n"
        "50,2,30,40,0.9,,0.1,0.5,0.5,0.0,a.jpg,0\n"
        "1,2,30,40,0.9,0.7,0.2,,,,b.jpg,1\n"
    )
    listing = Table(_write(tmp_path, text, faces)).list()
    rows = listing.rows
    assert rows["id"].to_list() == ["a.jpg/0", "a.jpg/1", "b.jpg"]
    assert rows["face_x"].to_list() == [1, 50, 1]
    assert rows["au01"].to_list() == [0, None, 1]
    assert rows["expression"].to_list() == ["happiness", None, None]
    assert any("none or several: 2 rows" in sentence for sentence in listing.found)


def test_frames_of_a_video_from_0(tmp_path: Path, faces: Faces) -> None:
    _video(tmp_path / "v" / "a b.avi", faces, 3)
    (tmp_path / "table.csv").write_text("video,frame_index,person,expression\nv/a b.avi,2,x,sad\nv/a b.avi,0,x,joy\n")
    rows = Table(tmp_path).list().rows
    assert list(rows.select("id", "position", "subject", "sequence", "expression").iter_rows()) == [
        ("v/a b.avi/0", 0, "x", "v/a b.avi", "happiness"),
        ("v/a b.avi/2", 2, "x", "v/a b.avi", "sadness"),
    ]
    (tmp_path / "table.csv").write_text("video,expression\nv/a b.avi,sad\n")
    with pytest.raises(FauError, match=r"names the video 'v/a b.avi' without a frame"):
        Table(tmp_path).list()


def test_parquet_is_as_csv(owners: Path, tmp_path: Path) -> None:
    root = tmp_path / "t"
    shutil.copytree(owners, root)
    table = pl.read_csv(root / "labels.csv")
    table.write_parquet(root / "labels.parquet")
    (root / "labels.csv").unlink()
    assert Table(root).list().rows.equals(Table(owners).list().rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,au99,au1\na.jpg,1,1\n", "column 'au99' of table.csv is of no action unit.*--ignore au99"),
        ("path,au1,AU01\na.jpg,1,1\n", "columns 'au1' and 'AU01' of table.csv are both of AU1"),
        ("path,au1,au1\na.jpg,1,0\n", "table.csv has two columns 'au1'; .*--ignore au1_duplicated_0"),
        ("path,AU1,au1\na.jpg,1,0\n", "table.csv has two columns 'AU1'; .*--ignore au1"),
        ("path,au1\n", "table.csv holds no rows, only the names of columns"),
        ("path,au1,au2\na.jpg,1,1\n\nb.jpg,1\n", "line 4 of table.csv has 2 cells where there are 3 columns"),
        ("path,au1\na.jpg,7\n", "column au1 of table.csv holds 7, which is not from 0 to 5"),
        ("path,au1_c\na.jpg,2\n", "column au1_c of table.csv holds 2, which is not 0 or 1"),
        ("path,au1\na.jpg,yes\n", "column 'au1' of table.csv holds 'yes', which is no number"),
        ("path,frame,au1\na.jpg,1.5,1\n", "column 'frame' of table.csv holds '1.5', which is no whole number"),
        ("path,frame,au1\na.jpg,3e9,1\n", "holds '3e9', which is no whole number"),
        ("path,valence\na.jpg,1.5\n", "column valence of table.csv holds 1.5"),
        ("path,expression\na.jpg,bored\n", "holds the unknown expression 'bored'; known are neutral, anger"),
        ("path,expression,split\na.jpg,sad,later\n", "holds the unknown part 'later'"),
        ("path,age\na.jpg,31\n", "has no column of labels.* among path, age"),
        ("age,au1\n31,1\n", "has no column of paths"),
        ("path,au1\n../a.jpg,1\n", "'../a.jpg', which is no path inside its folder"),
        ("path,au1\n/etc/a.jpg,1\n", "'/etc/a.jpg', which is no path inside its folder; .*such as --strip '/etc/'"),
        ("path,au1\nC:\\x\\a.jpg,1\n", "no path inside its folder; .*such as --strip 'C:.x.'"),
        ("path,au1\nx\\..\\..\\a.jpg,1\n", "no path inside its folder"),
        ("path,au1\n,1\n", "no path inside its folder"),
        ("path,au1\nnone.jpg,1\n", "none of the 1 files that table.csv names is there"),
        ("path,au1\na.jpg,1\na.jpg,0\n", "labels 'a.jpg' twice and differently"),
        ("path,au1\na.jpg,1,2,3\n", "table.csv cannot be read as a table"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, faces: Faces, text: str, message: str) -> None:
    root = _write(tmp_path, text, faces)
    with pytest.raises(FauError, match=message):
        Table(root).list()


def test_a_column_of_categories_is_read_by_its_words(tmp_path: Path, faces: Faces) -> None:
    fake.write_pictures(tmp_path, ["a.jpg", "b.jpg"], faces)
    words = pl.Series(["1", "0"], dtype=pl.Categorical)
    table = pl.DataFrame({"path": ["a.jpg", "b.jpg"], "au1": words, "au2": [True, None], "frame": [7.0, None]})
    table.write_parquet(tmp_path / "t.parquet")
    rows = Table(tmp_path).list().rows
    assert list(rows.select("au01", "au02", "frame").iter_rows()) == [(1, 1, 7), (0, None, None)]


def test_names_that_no_table_can_hold_do_no_harm(tmp_path: Path, faces: Faces) -> None:
    long = "x" * 5000
    text = f"path,au1\na.jpg,1\n{long}.jpg,1\n{long}/b.jpg,0\n"
    root = _write(tmp_path, text, faces)
    os.close(os.open(bytes(root) + b"/\xff.jpg", os.O_CREAT))
    listing = Table(root).list()
    assert listing.rows["id"].to_list() == ["a.jpg"]
    assert listing.losses.counts == {NO_IMAGE: 2, NOT_CODED: 2}


@pytest.mark.parametrize("name", ["t.parquet", "t.jsonl", "t.csv"])
def test_what_is_no_table_is_refused(tmp_path: Path, name: str) -> None:
    for content in (b"", b"\x00\xff{[" * 40):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FauError, match=f"{name} (cannot be read as a table|has no column)"):
            Table(tmp_path).list()


def test_what_spreadsheets_leave_in_a_csv(tmp_path: Path, faces: Faces) -> None:
    """A byte order mark, quotes, Windows' line ends, spaces, empty lines."""
    fake.write_pictures(tmp_path, ["ä b,c.jpg"], faces)
    text = '\ufeffpath;AU1; Expression \r\n"ä b,c.jpg"; 1 ; Happy\r\n;;\r\n\r\n'
    (tmp_path / "t.csv").write_bytes(text.encode())
    rows = Table(tmp_path).list().rows
    assert list(rows.select("id", "au01", "expression").iter_rows()) == [("ä b,c.jpg", 1, "happiness")]


def test_blanks_around_a_text_do_not_count(tmp_path: Path, faces: Faces) -> None:
    text = "path,subject,sequence,au1\na.jpg,p1,s,1\nb.jpg,p1 , s,0\nc.jpg, ,,0\n"
    listing = Table(_write(tmp_path, text, faces, ("a.jpg", "b.jpg", "c.jpg"))).list()
    assert listing.rows["subject"].to_list() == ["p1", "p1", None]
    assert listing.rows["sequence"].to_list() == ["s", "s", None]
    assert listing.found[-2].startswith("a blank subject: 1 row; ")


def test_subjects_that_may_be_one_are_named(tmp_path: Path, faces: Faces) -> None:
    text = "path,subject,au1\na.jpg,P1,1\nb.jpg,p 01,0\nc.jpg,1,0\nd.jpg,01,0\ne.jpg,1.0,0\nf.jpg,10,0\n"
    listing = Table(_write(tmp_path, text, faces, tuple(f"{name}.jpg" for name in "abcdef"))).list()
    assert any("'01' and '1' and '1.0'; 'P1' and 'p 01'; correct" in sentence for sentence in listing.found)
    assert naming.alike(pl.Series(["p1", "p10", "p100", "p2", "0", "00x", "1.50", None])) == []


def test_blank_words_are_no_expression(tmp_path: Path, faces: Faces) -> None:
    text = "path,expression,split,au1\n" + "".join(
        f"{i}.jpg,{word},{word},1\n" for i, word in enumerate(("NA", "nan", "None", "N/A"))
    )
    rows = Table(_write(tmp_path, text, faces, tuple(f"{i}.jpg" for i in range(4)))).list().rows
    assert rows["expression"].null_count() == rows["split"].null_count() == len(rows) == 4


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("packed", [False, True])
def test_other_encodings(tmp_path: Path, faces: Faces, encoding: str, packed: bool) -> None:
    root = _write(tmp_path / "t", "", faces)
    text = "path,subject,au1\na.jpg,Jürgen,1\nb.jpg,Jörgen,0\n"
    (root / "table.csv").write_bytes(text.encode(encoding))
    if packed:
        root = Path(shutil.make_archive(str(tmp_path / "all"), "zip", root))
    listing = Table(root).list()
    assert set(listing.rows["subject"]) == {"Jürgen", "Jörgen"}
    assert (f"table.csv is no UTF-8 and was read as {encoding}" in listing.found) == (encoding != "utf-8-sig")


def test_an_ending_in_another_case_is_found(tmp_path: Path, faces: Faces) -> None:
    root = _write(tmp_path, "path,au1\nx/a.jpg,1\nx/b.PNG,0\n", faces, ("pictures/x/a.JPG", "pictures/x/b.png"))
    listing = Table(root).list()
    assert listing.rows["path"].to_list() == ["pictures/x/a.JPG", "pictures/x/b.png"]
    assert listing.losses.counts == {}
    paths, there = pl.Series(["a.jpg", "b.jpg", "c.jpg"]), pl.Series(["a.JPG", "b.JPG", "b.Jpg", "c.jpg", "c.JPG"])
    assert respelled(paths, there).to_list() == ["a.JPG", "b.jpg", "c.jpg"]


def test_a_table_in_an_archive(owners: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "all"), "zip", owners)
    corpus = Table(Path(archive))
    rows = corpus.list().rows
    assert rows.equals(Table(owners).list().rows)
    assert next(corpus.pictures(rows)).image is not None


@pytest.mark.parametrize(
    ("parts", "official"), [("train,test", True), ("train,val", True), ("train,", False), ("test,test", False)]
)
def test_a_division_needs_two_parts_and_all_rows(tmp_path: Path, faces: Faces, parts: str, official: bool) -> None:
    first, second = parts.split(",")
    corpus = Table(_write(tmp_path, f"path,au1,Usage\na.jpg,1,{first}\nb.jpg,0,{second}\n", faces))
    corpus.list()
    assert corpus.protocol == ("official" if official else "kfold")


def test_bad_options_are_refused(owners: Path, tmp_path: Path) -> None:
    for options, message in (
        ({"path_column": "photo"}, "has no column 'photo'; its columns are image_path"),
        ({"ignore": "photo"}, "has no column 'photo'"),
        ({"table": "other.csv"}, "option table names 'other.csv'"),
        ({"table": "../labels.csv"}, "option table names '../labels.csv'"),
        ({"table": "images"}, "folder 'images' holds no table"),
        ({"classes": "happy,bored"}, "option classes names 'bored'"),
        ({"classes": "1=happy,1=sad"}, "gives code '1' twice"),
        ({"missing": "x"}, "option missing is 'x'"),
        ({"threshold": 0}, "option threshold is 0; choose an intensity from 1 to 5"),
        ({"threshold": 6}, "option threshold is 6"),
    ):
        with pytest.raises(FauError, match=message):
            Table(owners, **options)  # type: ignore[arg-type]
    with pytest.raises(FauError, match="holds no table"):
        Table(tmp_path)


def test_columns_are_found_in_any_spelling() -> None:
    columns = columns_of(["File_Name", " Subject ", "AU1", "au02_int", "AU 4", "AU05_c", "AU06_r"], {}, [], "t")
    assert columns.roles == {"path": "File_Name", "subject": " Subject "}
    assert columns.plain == {1: "AU1", 4: "AU 4"}
    assert columns.occurrence == {5: "AU05_c"}
    assert columns.intensity == {2: "au02_int", 6: "AU06_r"}


def test_every_expression_has_itself_as_a_name() -> None:
    assert [naming.expression(name.upper()) for name in EXPRESSIONS] == list(EXPRESSIONS)


@given(st.lists(st.text(alphabet="ab./\\: C\0", max_size=8), min_size=1, max_size=5))
def test_paths_by_the_million_follow_the_rule_for_one(paths: list[str]) -> None:
    wanted: list[str] | None
    try:
        wanted = [inside(path, "t") for path in paths]
    except FauError:
        wanted = None
    if wanted is None:
        with pytest.raises(FauError):
            checked(pl.Series(paths), "t")
    else:
        assert checked(pl.Series(paths), "t").to_list() == wanted
