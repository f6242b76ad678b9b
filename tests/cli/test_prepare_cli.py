"""``fau-data prepare`` and ``fau-data identify``: what users type and what they read."""

from __future__ import annotations

import errno
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest

from fau.cli.data import main
from fau.corpora.registry import corpora
from fau.crops.store import CropSet

CLASSES = ("happiness", "neutral", "sadness")
TINY = ["--size", "24", "--align", "resize", "--workers", "0"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder a class, four pictures each."""
    folder = tmp_path / "raw"
    for i in range(12):
        place = folder / CLASSES[i % 3]
        place.mkdir(parents=True, exist_ok=True)
        image = np.random.default_rng(i).integers(0, 255, (6, 6, 3)).astype(np.uint8)
        cv2.imwrite(str(place / f"{i:03d}.png"), cv2.resize(image, (48, 48)))
    return folder


def test_prepare_says_what_it_did(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "neutral" / "001.png").write_bytes(b"broken")
    out = tmp_path / "out"
    assert main(["prepare", "imagefolder", str(root), str(out), *TINY, "--name", "mine"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert "12 rows" in captured.out and captured.err == ""
    (needs,) = (line for line in lines if line.startswith("needs up to "))
    assert needs.startswith(f"needs up to 1.1 MB in '{tmp_path}'; ") and needs.endswith(" are free")
    assert lines[-3:] == [
        f"{out}: 11 crops of 12 rows",
        "left out (losses.csv has the ids):",
        "          1  unreadable image",
    ]
    info = CropSet.open(out).info
    assert (info.name, info.corpus, info.size) == ("mine", "imagefolder", 24)


def test_an_archive_is_read_in_place(root: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", root)
    for raw, out in ((str(root), "a"), (archive, "b")):
        assert main(["prepare", "imagefolder", raw, str(tmp_path / out), *TINY, "--quiet"]) == 0
    names = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


def test_quiet(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "imagefolder", str(root), str(tmp_path / "out"), *TINY, "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_help_names_every_corpus_and_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["prepare", "--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in corpora())
    with pytest.raises(SystemExit, match="0"):
        main(["prepare", "disfa", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "options of DISFA" in text and "--camera {left,right}" in text and "Licence: " in text
    assert "--drop-bad-tracking, --no-drop-bad-tracking" in text and "--landmarks {auto,corpus,mediapipe,none}" in text


@pytest.mark.parametrize("name", list(corpora()))
def test_every_corpus_has_a_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["prepare", name, "--help"])
    text = capsys.readouterr().out
    assert "usage: fau-data prepare" in text and max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none", "OUT"], "'none' does not exist; give the folder that the owner of the corpus delivered"),
        (["RAW", "."], "'.' exists already; choose another folder or remove it first"),
        (["RAW", "RAW/x"], "lies inside"),
        (["RAW/x", "."], "'.' exists already"),  # before anything is read
        (["RAW", "OUT", "--size", "3"], "size = 3; give a value from 16 to 1024"),
        (["RAW", "OUT", "--max-lost", "7"], "max-lost = 7; give a share from 0 to 1"),
        (["RAW", "OUT", "--workers", "-1"], "workers = -1; give 0 for this process or a number of processes"),
        (["RAW", "OUT", "--landmarks", "corpus"], "has no landmarks; use --landmarks mediapipe or none"),
        (["RAW", "OUT", "--landmarks", "mediapipe", "--model", "no.task"], "model 'no.task' does not exist"),
    ],
)
def test_bad_input_is_one_sentence(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    places = {"RAW": str(root), "RAW/x": str(root / "x"), "OUT": str(tmp_path / "out")}
    before = sorted(tmp_path.rglob("*"))
    assert main(["prepare", "imagefolder", *(places.get(word, word) for word in arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("fau-data: error: ") and sentence in captured.err
    assert captured.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["nobody", "RAW", "OUT"], "nobody"), (["bp4d", "RAW"], "OUT"), (["bp4d", "R", "O", "--occlusion", "x"], "'x'")],
)
def test_wrong_words_are_told_by_the_parser(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["prepare", *arguments])
    assert sentence in capsys.readouterr().err


def test_a_wrong_root_says_what_it_looks_like(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "bp4d", str(root), str(tmp_path / "out"), *TINY]) == 2
    error = capsys.readouterr().err
    title = corpora()["imagefolder"].title
    assert error.endswith(f"; it looks like {title}: fau-data prepare imagefolder\n") and error.count("\n") == 1


def test_losses_over_the_threshold(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "neutral" / "001.png").write_bytes(b"broken")
    command = ["prepare", "imagefolder", str(root), str(tmp_path / "out"), *TINY]
    assert main([*command, "--max-lost", "0"]) == 2
    assert (
        "1 of 12 rows (8.3 %) are lost (unreadable image 1), more than --max-lost 0 allows" in capsys.readouterr().err
    )
    assert main(command) == 0
    assert json.loads((tmp_path / "out" / "report.json").read_text())["crops"] == 11


def test_extras_are_said(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "labels.csv").write_text("path,expression,age\nneutral/001.png,neutral,30\nneutral/004.png,neutral,\n")
    assert main(["prepare", "table", str(root), str(tmp_path / "out"), *TINY]) == 0
    assert "extras.parquet has what else the owner says of crops: age\n" in capsys.readouterr().out
    assert pl.read_parquet(tmp_path / "out" / "extras.parquet").rows() == [
        ("neutral/001.png", "30"),
        ("neutral/004.png", None),
    ]


# What a delivery should not hold.


def stopped_by(capsys: pytest.CaptureFixture[str], name: str, raw: Path, out: Path) -> str:
    """Prepare, expect one sentence and nothing in place, and return the sentence."""
    assert main(["prepare", name, str(raw), str(out), *TINY]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and not out.exists() and not list(out.parent.glob(".out*"))
    return error


@pytest.mark.parametrize("path", ["../secret.png", "/etc/secret.png", "neutral/../../secret.png", r"..\\secret.png"])
def test_a_list_that_points_outside(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str) -> None:
    cv2.imwrite(str(tmp_path / "secret.png"), np.zeros((8, 8, 3), np.uint8))
    (root / "labels.csv").write_text(f"path,expression\nneutral/001.png,neutral\n{path},neutral\n")
    assert "is no path inside its folder" in stopped_by(capsys, "table", root, tmp_path / "out")


def test_what_a_damaged_file_says_moves_no_cursor(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "labels.csv").write_bytes(b"path,\x1b[2Jcalm\x07\xe9\n")
    assert r"among path, \x1b[2Jcalm\x07" in stopped_by(capsys, "table", root, tmp_path / "out")


def test_an_archive_that_points_outside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
        for name in CLASSES:
            archive.writestr(f"{name}/../../{name}.png", b"")
    error = stopped_by(capsys, "imagefolder", tmp_path / "raw.zip", tmp_path / "out")
    assert "is no path inside its folder" in error


def test_a_loop_of_links(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "neutral" / "again").symlink_to(root)
    error = stopped_by(capsys, "imagefolder", root, tmp_path / "out")
    assert "is a symbolic link to a folder that contains it; remove the link" in error


def test_names_of_other_systems(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name in Latin-1 is a picture like others; what macOS leaves beside each file is none."""
    picture = (root / "neutral" / "001.png").read_bytes()
    Path(os.fsdecode(os.fsencode(root) + b"/neutral/caf\xe9.png")).write_bytes(picture)
    for name in ("._labels.csv", "neutral/._001.png", "__MACOSX/neutral/._001.png", "._sad.zip"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"\0\5\x16\7")
    assert main(["prepare", "imagefolder", str(root), str(tmp_path / "out"), *TINY, "--max-lost", "0"]) == 0
    assert "13 crops of 13 rows" in capsys.readouterr().out
    assert CropSet.open(tmp_path / "out").info.recipe["orientation"] == "EXIF"
    assert main(["identify", str(root)]) == 0
    assert "._" not in capsys.readouterr().out


def test_a_link_to_itself(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "link.zip").symlink_to(root / "link.zip")
    assert "link.zip' cannot be read: " in stopped_by(capsys, "imagefolder", root, tmp_path / "out")


def test_a_folder_that_may_not_be_read(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def deny(path: Any) -> Any:
        if Path(path).name == "neutral":
            raise PermissionError(errno.EACCES, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", deny)
    assert "neutral' cannot be read: Permission denied" in stopped_by(capsys, "imagefolder", root, tmp_path / "out")


# Identify.


def test_identify_names_the_corpus_and_the_next_command(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["identify", str(root)]) == 0
    text = capsys.readouterr().out
    assert text.endswith(f"next: fau-data prepare imagefolder {root} OUT\n")
    assert "found" in text and "missing" in text


def test_identify_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "AUCoding" / "AU_OCC").mkdir(parents=True)
    (tmp_path / "AUCoding" / "AU_OCC" / "F001_T2.csv").write_text("0,1\n1,0\n")
    assert main(["identify", str(tmp_path)]) == 1
    text = capsys.readouterr().out
    assert "BP4D (bp4d)" in text and "frames" in text
    assert text.endswith(f"{tmp_path}: no corpus that fau reads is complete here\n")


def test_identify_finds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.doc").write_text("")
    assert main(["identify", str(tmp_path)]) == 1
    assert capsys.readouterr().out == f"{tmp_path}: no corpus that fau reads was found here\n"


def test_identify_where_there_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["identify", "nowhere"]) == 2
    assert "'nowhere' does not exist" in capsys.readouterr().err
