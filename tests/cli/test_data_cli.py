"""``fau-data``: what users type and what they read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fau.cli.data import main
from fau.crops.store import CropSet

ONE = ["--subjects", "1", "--tasks", "2", "--frames", "2", "--size", "32", "--workers", "0"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "out"
    assert main(["synthesize", str(out), *ONE]) == 0
    return out


def test_synthesize_takes_its_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deep" / "out"
    assert main(["synthesize", str(out), *ONE, "--seed", "7", "--occurrence-threshold", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{out}: 4 crops of 32 px in ") and captured.err == ""
    info = CropSet.open(out).info
    assert (info.recipe["seed"], info.recipe["occurrence_threshold"], info.occurrence_threshold) == (7, 1, 1)


def test_check_passes(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(drawn)]) == 0
    assert capsys.readouterr().out.startswith(f"{drawn}: 4 crops, no faults, id ")


def test_check_finds_a_flipped_pixel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["synthesize", str(out), *ONE, "--quiet"]) == 0
    crops = np.load(out / "crops-00000.npy", mmap_mode="r+")
    crops[1, 2, 3, 0] ^= 1
    crops.flush()
    assert main(["check", str(out)]) == 1
    assert capsys.readouterr().out == f"{out}: crops-00000.npy does not match its hash: pixels were changed\n"


def test_info_of_a_crop_set(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(drawn)]) == 0
    text = capsys.readouterr().out
    assert (
        "4 crops, 2 sequences, 1 group\n" in text and "AU12 lip corner puller" in text and "Frames by intensity" in text
    )
    assert max(map(len, text.splitlines())) <= 80


def test_info_of_a_recipe_draws_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "synthetic-tiny"]) == 0
    assert "288 crops, 72 sequences, 9 groups" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["synthesize", "OUT", "--recipe", "bp4d"], "recipe 'bp4d' is unknown; choose one of synthetic, "),
        (["synthesize", "OUT", "--subjects", "0"], "recipe 'synthetic' has subjects = 0; give a value from 1 to 9999"),
        (["synthesize", "OUT", "--size", "9"], "has size = 9; give a value from 16 to 1024"),
        (["synthesize", "OUT", "--workers", "-2"], "workers = -2; give 0 for this process or a number of processes"),
        (["synthesize", "."], "'.' exists already; choose another folder or remove it first"),
        (["check", "OUT"], "crop set 'OUT' does not exist; give the folder that holds its cropset.json"),
        (["info", "OUT"], "crop set 'OUT' does not exist; give the folder that holds its cropset.json"),
        (["check", "."], "'.' is not a crop set: it has no cropset.json"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("fau-data: error: ") and sentence in captured.err
    assert captured.err.count("\n") == 1 and captured.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "required: COMMAND"),
        (["draw"], "invalid choice: 'draw'"),
        (["synthesize"], "required: OUT"),
        (["synthesize", "OUT", "--subjects", "many"], "argument --subjects: invalid int value: 'many'"),
        (["synthesize", "OUT", "--colour", "red"], "unrecognized arguments: --colour red"),
    ],
)
def test_misuse_is_explained(capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


def test_ctrl_c_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fau.synthetic.corpus.draw_sequence", interrupt)
    assert main(["synthesize", str(tmp_path / "out"), *ONE]) == 130
    assert capsys.readouterr().err == "fau-data: interrupted; nothing was written\n"
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_says_what_goes_on(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fau.crops.store.CropSet.open", interrupt)
    assert main(["check", str(drawn)]) == 130
    assert capsys.readouterr().err == "fau-data: interrupted; the same command begins anew\n"


def test_a_real_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fau.cli.data", "synthesize", str(tmp_path / "out"), *ONE[:-1], "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert main(["check", str(tmp_path / "out")]) == 0
