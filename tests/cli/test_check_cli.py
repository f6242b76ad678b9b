"""``fau-data check`` and ``fau-data preview``: what users type and what they read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from fau.cli.data import main


def copied(tiny_cropset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_cropset, tmp_path / "faces"))


def test_check_says_what_it_finds_in_short(tiny_cropset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tiny_cropset)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{tiny_cropset}: 288 crops, no faults, id ")
    assert [line.split(":")[0] for line in lines[1:]] == [
        *("duplicates", "missing labels", "rates in the parts of protocol kfold"),
    ]


def test_check_all_prints_tables(tiny_cropset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tiny_cropset), "--all", "--protocol", "consecutive", "--folds", "3"]) == 0
    text = capsys.readouterr().out
    assert "rates in the parts of protocol consecutive" in text and "fold 3" in text and "fold 4" not in text
    assert "S009" in text and "happiness" in text


def test_leave_one_out_counts_its_folds(tiny_cropset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tiny_cropset), "--all", "--protocol", "loso"]) == 0
    assert "fold 9" in capsys.readouterr().out


def test_a_corpus_of_which_a_part_was_delivered(
    tiny_cropset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own protocol does not fit nine subjects with other names: k folds stand in, unless it was asked for."""
    folder = copied(tiny_cropset, tmp_path)
    (folder / "report.json").write_text(json.dumps({"published": {"crops": 300}, "protocol": "bp4d3", "lost": {}}))
    assert main(["check", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "counts: 1 of 1 published counts differ: crops 288 instead of 300" in text
    assert "rates in the parts of protocol kfold" in text
    assert main(["check", str(folder), "--protocol", "bp4d3"]) == 2
    error = capsys.readouterr().err
    assert "protocol 'bp4d3' has no fold for group 'S001' of the crop set, nor for 8 more of its 9" in error
    assert error.endswith("; of this crop set make folds: kfold, consecutive, loso\n")


def test_faults_come_alone(tiny_cropset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(tiny_cropset, tmp_path)
    crops = np.load(folder / "crops-00000.npy", mmap_mode="r+")
    crops[3, 4, 5, 0] ^= 1
    crops.flush()
    assert main(["check", str(folder)]) == 1
    assert capsys.readouterr().out == f"{folder}: crops-00000.npy does not match its hash: pixels were changed\n"


def test_preview_of_a_crop_set(tiny_cropset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(tiny_cropset, tmp_path)
    before = sorted(folder.iterdir())
    assert main(["preview", str(folder), "--size", "40", "--folds", "3"]) == 0
    files = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert {file.parent for file in files} == {tmp_path / "faces-preview"}
    assert [file.name for file in files] == [
        *("mean_face.png", "landmarks.png", "expressions.png", "action_units.png", "sample.png", "preview.html"),
    ]
    assert cv2.imread(str(files[0])).shape == (80, 80, 3)
    text = files[-1].read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and "fold 3" in text
    assert sorted(folder.iterdir()) == before, "nothing is written into the crop set"


def test_preview_draws_the_same_again(tiny_cropset: Path, tmp_path: Path) -> None:
    for out in ("one", "two"):
        assert main(["preview", str(tiny_cropset), "--out", str(tmp_path / out), "--seed", "3"]) == 0
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_preview_of_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sheets"
    assert main(["preview", "synthetic", "--out", str(out), "--size", "32", "--subjects", "1"]) == 0
    files = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [file.name for file in files] == ["subjects.png", "expressions.png", "action_units.png", "occluders.png"]
    assert cv2.imread(str(files[1])).shape[0] == 32


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["preview", "OUT"], "give the folder that holds its cropset.json, or the name of a recipe: synthetic, "),
        (["preview", "."], "'.' is not a crop set: it has no cropset.json"),
        (["preview", "synthetic", "--out", "OUT", "--size", "0"], "has size = 0; give a value from 16 to 1024"),
        (["preview", "SET", "--size", "0"], "error: size = 0; give a value from 16 to 1024"),
        (["preview", "SET", "--seed", "-1"], "error: seed = -1; give a value from 0 to "),
        (["preview", "SET", "--out", "SET"], "' lies inside the crop set '"),
        (["preview", "synthetic", "--out", "SET/x"], "/x' lies inside the crop set '"),
        (["check", "SET", "--protocol", "none"], "protocol 'none' is unknown; choose one of kfold, "),
        (["check", "SET", "--protocol", "official"], "needs the owner's split, which the crop set lacks; use kfold"),
        (["preview", "SET", "--folds", "99", "--protocol", "kfold"], "99 folds need 99 groups or more"),
        (["check", "SET", "--folds", "99"], "99 folds need 99 groups or more"),
    ],
)
def test_bad_input_is_one_sentence(
    tiny_cropset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([word.replace("SET", str(tiny_cropset)) for word in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("fau-data: error: ") and sentence in captured.err
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [], "nothing is half-written"


def test_an_out_that_cannot_be_written(tiny_cropset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        for what in (str(tiny_cropset), "synthetic"):
            assert main(["preview", what, "--out", str(tmp_path / name)]) == 2
            error = capsys.readouterr().err
            assert error.count("\n") == 1 and f"{name}' is no folder; choose another one with --out" in error
