"""fau-explain from end to end: a tiny run, its look at its own test fold, at a crop set and at images; the callback."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from fau.cli.explain import METHODS, main
from fau.cli.train import main as train
from fau.crops.align import TEMPLATE
from fau.crops.store import CropSet
from fau.explain import images, maps
from fau.landmarks import eye_centres
from fau.runs import ledger
from fau.synthetic.identity import make_identity
from fau.synthetic.render import render
from fau.synthetic.view import sample_view

EPOCHS = "--trainer.callbacks+=fau.explain.epochs.EpochMaps"
LABELS = "1,6,12,25"


@pytest.fixture(scope="module")
def runs(tiny_args: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, and the same one watched."""
    root = tmp_path_factory.mktemp("explain")
    args = [*tiny_args, "--data.label_set", LABELS, "--wandb", "disabled", "--runs", str(root)]
    assert train([*args, "--experiment", "plain"]) == 0
    assert train([*args, "--experiment", "watched", EPOCHS]) == 0
    return root


@pytest.fixture(scope="module")
def run(runs: Path) -> Path:
    return ledger(runs / "plain")[0].path


@pytest.fixture(scope="module")
def looked(run: Path) -> dict[str, object]:
    """The index of what the run's look at its own test fold left."""
    assert main([str(run), "--sample", "40", "--device", "cpu"]) == 0
    index: dict[str, object] = json.loads((run / "explain" / "index.json").read_text())
    return index


def test_the_index_lists_what_is_there(run: Path, looked: dict) -> None:
    assert looked["format"] == 1 and looked["network"] == "GLACNN" and looked["checkpoint"] == "best.ckpt"
    kinds = [picture["kind"] for picture in looked["pictures"]]
    assert kinds[:2] == ["maps", "maps"] and set(kinds) >= {"surest", "unsure", "wrong"}
    for picture in looked["pictures"]:
        drawn = cv2.imread(str(run / "explain" / picture["file"]))
        assert drawn.shape[:2] == (picture["height"], picture["width"])
        assert drawn.std() > 20, "an empty sheet"
        assert picture["title"] and picture["caption"]


def test_the_tables_count_the_faces_that_show_a_label(run: Path, looked: dict) -> None:
    own, cam = looked["tables"]
    assert (own["method"], cam["method"]) == ("attention", "cam")
    assert [row["label"] for row in own["rows"]] == ["AU1", "AU6", "AU12", "AU25"]
    for row in own["rows"]:
        assert 0 <= row["share"] <= row["most"] + 1e-6 <= 1 and 0 < row["chance"] < 0.2 and row["others"] is None
        assert row["low"] <= row["ratio"] <= row["high"]
    assert all((row["others"] is None) == (row["faces"] == 0) for row in cam["rows"])  # some maps may be 0 everywhere
    assert any(row["faces"] for row in cam["rows"])
    kept = ledger(run)[0].arrays("predictions.npz")
    positives = (kept["test/au/label"] == 1) & kept["test/au/mask"]
    for i, row in enumerate(own["rows"]):
        assert row["faces"] <= positives[:, i].sum()


def test_the_page_asks_the_network_for_nothing(run: Path, looked: dict) -> None:
    page = (run / "explain" / "index.html").read_text()
    assert page.count("data:image/jpeg;base64,") == len(looked["pictures"])
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "times chance" in page and "AU25" in page


def test_a_second_look_replaces_the_first(run: Path, looked: dict, tmp_path: Path) -> None:
    out = tmp_path / "look"
    assert main([str(run), "--out", str(out), "--labels", "12", "--method", "attention", "--sample", "20"]) == 0
    first = {file.name for file in out.iterdir()}
    assert main([str(run), "--out", str(out), "--labels", "12", "--method", "cam", "--sample", "20"]) == 0
    second = {file.name for file in out.iterdir()}
    assert "attention.jpg" in first and "attention.jpg" not in second and "cam.jpg" in second
    index = json.loads((out / "index.json").read_text())
    assert [row["label"] for row in index["tables"][0]["rows"]] == ["AU12"]


def test_the_same_look_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        command = [str(run), "--out", str(tmp_path / name), "--labels", "6", "--method", "attention,cam"]
        assert main([*command, "--sample", "30", "--device", "cpu"]) == 0
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_another_crop_set_is_scored(run: Path, tiny_cropset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--crop-set", str(tiny_cropset), "--labels", "6,12", "--sample", "30"]) == 0
    folder = run / f"explain-{CropSet.open(tiny_cropset).info.name}"
    index = json.loads((folder / "index.json").read_text())
    assert index["part"].startswith("crop set") and len(index["tables"]) == 2
    assert str(folder / "index.html") in capsys.readouterr().out


def test_images_are_shown_by_their_square_where_no_face_can_be_found(
    run: Path, tiny_cropset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAU_FACE_MODEL", str(tmp_path / "absent.task"))
    crop = cv2.resize(CropSet.open(tiny_cropset).crop(0), (120, 100))
    file = tmp_path / "face.png"
    cv2.imwrite(str(file), crop[..., ::-1])
    assert main([str(run), "--image", str(file), "--out", str(tmp_path / "out"), "--labels", "12"]) == 0
    said = capsys.readouterr()
    assert "middle square, not aligned" in said.err and "absent.task" in said.err
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert [picture["kind"] for picture in index["pictures"]] == ["maps", "maps"] and index["tables"] == []


@pytest.mark.parametrize("shape", [(50, 90), (90, 50), (8, 8)])
def test_the_square_is_the_middle(shape: tuple[int, int]) -> None:
    height, width = shape
    picture = np.zeros((height, width, 3), np.uint8)
    picture[height // 2 - 1 : height // 2 + 1, width // 2 - 1 : width // 2 + 1] = 255
    square = images._square(picture, 32).astype(int)
    weight = square.sum(axis=2)
    centre = (np.indices(weight.shape) * weight).sum(axis=(1, 2)) / weight.sum()
    assert centre == pytest.approx((15.5, 15.5), abs=0.6)


def test_an_image_is_aligned_as_the_crop_set_was(face_model: Path, tmp_path: Path) -> None:
    """A face drawn large, found, and cut so that its eyes are where the template has them."""
    rng = np.random.default_rng([91, 1])
    picture = render(make_identity(rng), np.zeros(18, np.float32), sample_view(rng), 256, rng).image
    file = tmp_path / "face.png"
    cv2.imwrite(str(file), cv2.copyMakeBorder(picture, 60, 10, 0, 80, cv2.BORDER_REPLICATE)[..., ::-1])
    faces, notes = images.read_faces([file], {"alignment": {"name": "canonical"}}, 112)
    assert notes == [] and faces.crops.shape == (1, 112, 112, 3)
    np.testing.assert_allclose(eye_centres(faces.points[0], "478"), TEMPLATE[:2], atol=3)


def test_expressions_are_shown_by_class_and_measured_at_the_parts(
    tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(Path(__file__).parents[2] / "experiments" / "expression.yaml")
    assert train(["--config", config, *tiny_args, "--wandb", "disabled", "--runs", str(tmp_path)]) == 0
    assert main([str(tmp_path), "--method", "attention", "--sample", "30", "--labels", "happiness,neutral"]) == 0
    index = json.loads((ledger(tmp_path)[0].path / "explain" / "index.json").read_text())
    assert [row["label"] for row in index["tables"][0]["rows"]] == ["eyes", "brows", "mouth"]
    assert {picture["kind"] for picture in index["pictures"]} >= {"maps", "surest", "unsure"}


def test_watching_changes_no_score_and_leaves_maps(runs: Path) -> None:
    plain, watched = ledger(runs / "plain")[0], ledger(runs / "watched")[0]
    assert plain.path.name != watched.path.name  # what is configured decides the id
    before, after = plain.arrays("predictions.npz"), watched.arrays("predictions.npz")
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])
    kept = sorted(file.name for file in (watched.path / "explain" / "epochs").iterdir())
    assert kept == ["0000.npz", "0001.npz", "0002.npz"]
    index = json.loads((watched.path / "explain" / "index.json").read_text())
    assert [picture["kind"] for picture in index["pictures"]] == ["epochs"]
    with np.load(watched.path / "explain" / "epochs" / "0000.npz") as stored:
        assert stored["maps"].shape[0] == len(stored["faces"]) == 4
        assert str(stored["part"]) == "validation"


def test_a_look_at_a_watched_run_shows_its_epochs(runs: Path) -> None:
    watched = ledger(runs / "watched")[0].path
    assert main([str(watched), "--labels", "12", "--method", "attention", "--sample", "20"]) == 0
    index = json.loads((watched / "explain" / "index.json").read_text())
    assert "epochs" in [picture["kind"] for picture in index["pictures"]]


def test_without_captum_the_rest_is_shown(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(maps.cam, "installed", lambda: False)
    assert main([str(run), "--out", str(tmp_path), "--labels", "12", "--sample", "20"]) == 0
    assert "pip install 'fau[explain]'" in capsys.readouterr().err
    assert (tmp_path / "attention.jpg").exists() and not (tmp_path / "cam.jpg").exists()


def test_the_command_knows_all_methods() -> None:
    assert tuple(maps.METHODS) == METHODS  # written out there, since --help loads no torch


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--labels", "2"], "no label AU2; it has AU1, AU6, AU12, AU25"),
        (["--labels", ","], "names nothing"),
        (["--method", "lime"], "method 'lime' is unknown; choose among attention, cam, rollout, heads"),
        (["--method", "rollout"], "no blocks in which every patch attends to all"),
        (["--faces", "0"], "--faces is 0; give 1 or more"),
        (["--device", "nowhere"], "--device nowhere cannot be used here"),
        (["--crop-set", "/nowhere"], "/nowhere"),
        (["--image", "/nowhere/face.png"], "'/nowhere/face.png' cannot be read"),
    ],
)
def test_bad_input_is_one_sentence(
    run: Path, extra: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run), "--out", str(tmp_path / "out"), *extra]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_what_is_no_finished_run_is_said(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err
    assert main([str(runs), "--out", str(tmp_path / "out")]) == 2
    assert "holds several runs; leave out --out" in capsys.readouterr().err


def test_a_checkpoint_of_another_network_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    import torch

    other = tmp_path / "run"
    shutil.copytree(run, other)
    file = other / "checkpoints" / "best.ckpt"
    content = torch.load(file, weights_only=True)
    content["state_dict"].pop("net.head.classify.weight")
    torch.save(content, file)
    assert main([str(other)]) == 2
    assert "net.head.classify.weight is lacking" in capsys.readouterr().err
