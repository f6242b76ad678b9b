"""What decides the id of a run, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from identities import identity

from fau.cli.train_parser import parse, resolve
from fau.identity import deciding_settings
from fau.runs import run_id

REPOSITORY = Path(__file__).parents[2]


def test_speed_settings_do_not_change_the_id_and_others_do(tiny_args: list[str]) -> None:
    base = identity(tiny_args)
    assert identity([*tiny_args, "--data.num_workers", "1", "--model.channels_last", "false"]) == base
    assert identity([*tiny_args, "--runs", "elsewhere", "--wandb", "disabled", "--name", "x"]) == base
    held = ["--data.holdout", "[S002,S001]"]
    assert identity([*tiny_args, *held]) == identity([*tiny_args, "--data.holdout", "[S001,S002]"]) != base
    changes = [["--seed", "1"], ["--fold", "2"], ["--model.net.attention", "false"], ["--data.weights", "none"]]
    for change in (*changes, ["--trainer.max_time", "00:00:01:00"], ["--trainer.val_check_interval", "0.5"]):
        assert identity([*tiny_args, *change]) != base


def test_no_configuration_is_the_gla_experiment(tiny_cropset: Path) -> None:
    crops = ["--data.crop_set", str(tiny_cropset), "--model.net.input_size", "32"]
    experiment = ["--config", str(REPOSITORY / "experiments" / "gla.yaml")]
    assert identity(crops) == identity([*experiment, *crops])


def test_interpolated_values_follow_a_flag(tiny_args: list[str], tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump({"seed": 3, "patience": "${seed}"}))
    assert resolve(parse(["--config", str(file)]))["patience"] == 3
    assert resolve(parse(["--config", str(file), "--seed", "7"]))["patience"] == 7


@pytest.mark.parametrize("setting", ["pretrained", "weights", "stage1"])
def test_a_weight_file_decides_by_its_content(setting: str, tmp_path: Path) -> None:
    def id_with(file: Path) -> str:
        net = {"class_path": "fau.nets.backbone.Backbone", "init_args": {setting: str(file)}}
        config = {"model": {"class_path": "x", "init_args": {"net": net}}, "trainer": {}, "seed": 0}
        return run_id(deciding_settings(config, {}, "32-true", None))

    first, moved, changed = (tmp_path / name for name in ("a.pt", "b.pt", "c.pt"))
    for file, content in ((first, b"1"), (moved, b"1"), (changed, b"2")):
        file.write_bytes(content)
    assert id_with(first) == id_with(moved) != id_with(changed)
    for file in (first, moved, changed):  # the same in a folder, as JAA-Net's authors save theirs
        (tmp_path / file.stem).mkdir()
        file.rename(tmp_path / file.stem / "net.pth")
    first, moved, changed = (tmp_path / name for name in ("a", "b", "c"))
    assert id_with(first) == id_with(moved) != id_with(changed)
