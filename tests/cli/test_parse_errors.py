from collections.abc import Callable
from pathlib import Path
from typing import Literal

import jsonargparse
import pytest
from lightning.pytorch import LightningModule
from omegaconf.errors import OmegaConfBaseException

from fau.cli.parse_errors import broken_file, one_sentence, our_error, with_file
from fau.errors import FauError
from fau.nets.gla import GLACNN
from fau.nets.output import Net


class Module(LightningModule):
    def __init__(self, net: Callable[[int], Net] = lambda num_outputs: GLACNN(num_outputs), rate: float = 1.0):
        super().__init__()
        self.net = net(3)


def _parser() -> jsonargparse.ArgumentParser:
    parser = jsonargparse.ArgumentParser(parser_mode="omegaconf+", exit_on_error=False, allow_abbrev=False)
    parser.add_subclass_arguments(LightningModule, "model", fail_untyped=False)
    parser.add_argument("--config", action="config")
    parser.add_argument("--number", type=int | Literal["all"], default=1)
    parser.set_defaults({"model": {"class_path": f"{__name__}.Module"}})
    return parser


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model.net.attention", "maybe"], "setting 'model.net.attention' cannot be 'maybe': expected bool"),
        (["--model.net.atention", "false"], "unknown setting 'model.net.atention'; fau-train --print_config lists"),
        (["--model.rate", "fast"], "setting 'model.rate' cannot be 'fast': expected float"),
        (["--number", "x"], "setting 'number' cannot be 'x': expected int or one of 'all'"),
        (["--model.net", "fau.nets.gla.No"], "setting 'model.net' cannot be 'fau.nets.gla.No': there is no such class"),
        (
            ["--model.net", "fau.nets.no.Net"],
            "cannot be 'fau.nets.no.Net': there is no module 'fau.nets.no'; check the",
        ),
        (
            ["--model.net", "foo.Bar"],
            "setting 'model.net' cannot be 'foo.Bar': Python finds no module 'foo'; install it",
        ),
        (["--model", "foo.Bar"], "setting 'model' cannot be 'foo.Bar': Python finds no module 'foo'; install it"),
        (["--model.net", "No"], "setting 'model.net' cannot be 'No': give its import path"),
        (["--model.net", "torch.nn.Linear"], "cannot be 'torch.nn.Linear': it is no subclass of Net"),
        (["--number", "${no}"], "'${no}' in a value stands for another setting, and there is no 'no'"),
        (["--config", "/does/not/exist.yaml"], "setting 'config': File does not exist: '/does/not/exist.yaml'"),
        (
            ["experiments/gla.yaml"],
            "'experiments/gla.yaml' is no setting; to take settings from a file, write --config ",
        ),
        (["--numbr", "3"], "unknown setting --numbr 3; fau-train --print_config lists"),
        (["--model", "{net: {init_args: {pool: 111111}}}"], "cannot be '111111': expected str (in quotes, in a file)"),
    ],
)
def test_bad_settings_are_named_in_one_line(arguments: list[str], sentence: str) -> None:
    with pytest.raises((jsonargparse.ArgumentError, OmegaConfBaseException)) as caught:
        _parser().parse_args(arguments)
    said = one_sentence(caught.value)
    assert sentence in said
    assert "\n" not in said


def test_an_error_of_ours_is_found_below_the_parser() -> None:
    parser = _parser()
    config = parser.parse_args(["--model.net.input_size", "16"])
    with pytest.raises((ValueError, FauError)) as caught:
        parser.instantiate_classes(config)
    assert one_sentence(caught.value).startswith("GLACNN with pool 111100 needs images of 32 px or more, not 16")


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("a: 1")
    bad.write_text("a: [1\n")
    assert broken_file(["--config", str(good), "--fold", "1", f"--config={good}"]) is None
    for arguments in (["--config", str(good), "--config", str(bad)], [f"--config={bad}"]):
        sentence = broken_file(arguments)
        assert sentence is not None
        assert sentence.startswith(f"'{bad}' is no YAML file: ")
    assert broken_file(["--config"]) is None


def test_the_file_that_holds_a_wrong_setting_is_named(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("fold: 1")
    bad.write_text("model: {init_args: {net: {init_args: {atention: false}}}}")
    files = ["--config", str(bad), f"--config={good}"]
    said = "unknown setting 'model.net.atention'; fau-train --print_config lists the settings"
    assert with_file(said, files).startswith(f"unknown setting 'model.net.atention' in '{bad}'; ")
    assert with_file(said, [*files, "--model.net.atention=true"]) == with_file(said, files[2:]) == said


def test_a_sweep_file_is_for_another_program(tmp_path: Path) -> None:
    file = tmp_path / "a sweep.yaml"
    file.write_text("method: grid\nparameters: {fold: {values: [1]}}\n")
    for arguments in (["--config", str(file)], [f"--config={file}"], [str(file)]):
        assert broken_file(arguments) == (
            f"'{file}' is a sweep file, not the settings of a run; run the sweep by: fau-sweep '{file}'"
        )


def test_a_network_of_ones_own_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mynet.py").write_text("import nolibrary\n")
    monkeypatch.chdir(tmp_path)
    for folder, said in ((None, "write PYTHONPATH=. before"), (tmp_path, "importing it fails (No module named 'nolib")):
        if folder is not None:
            monkeypatch.syspath_prepend(folder)
        with pytest.raises(jsonargparse.ArgumentError) as caught:
            _parser().parse_args(["--model.net", "mynet.Net"])
        assert said in one_sentence(caught.value)


def test_other_errors_are_not_ours() -> None:
    assert our_error(ValueError("a bug")) is None
