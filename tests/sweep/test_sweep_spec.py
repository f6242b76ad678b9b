from pathlib import Path
from typing import Any

import pytest
import yaml

from fau.cli.sweep import main
from fau.errors import FauError
from fau.sweep.spec import load, option_values

GOOD: dict[str, Any] = {
    "method": "grid",
    "command": ["fau-train", "--config", "base.yaml", "${args}"],
    "parameters": {"config": {"values": ["full.yaml", "none.yaml"]}, "fold": {"values": [1, 2]}},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, content in (("base", "name: base"), ("full", "name: full"), ("none", "data: {}")):
        (tmp_path / f"{name}.yaml").write_text(content)
    return tmp_path


def write(folder: Path, content: Any) -> Path:
    file = folder / "sweep.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return file


def test_an_ablation_is_a_grid_over_overlays_and_folds(folder: Path) -> None:
    sweep = load(write(folder, GOOD))
    assert [t.title for t in sweep.trials] == ["full fold 1", "full fold 2", "none fold 1", "none fold 2"]
    assert sweep.trials[1].argv == ("fau-train", "--config", "base.yaml", "--config=full.yaml", "--fold=2")
    assert sweep.rows == ["full", "none"]
    assert sweep.name == "sweep"


def test_a_factorial_grid_names_its_rows_apart(folder: Path) -> None:
    parameters = GOOD["parameters"] | {"data.weights": {"values": ["none", "balanced"]}, "trainer.x": {"value": 1}}
    sweep = load(write(folder, GOOD | {"parameters": parameters}))
    assert sweep.rows == [f"{c} data.weights={w}" for c in ("full", "none") for w in ("none", "balanced")]
    assert sweep.trials[0].argv[-1] == "--name=full data.weights=none"
    assert len(sweep.trials) == 8


def test_without_overlays_the_last_configuration_names_the_row(folder: Path) -> None:
    sweep = load(write(folder, GOOD | {"parameters": {"seed": {"values": [0, 1]}, "lr": {"values": [1, 2]}}}))
    assert sweep.rows == ["base lr=1", "base lr=2"]
    assert sweep.trials[1].title == "base lr=1 seed 1"


def test_a_swept_name_is_the_row(folder: Path) -> None:
    sweep = load(write(folder, GOOD | {"parameters": {"name": {"values": ["a", "b"]}, "lr": {"values": [1, 2]}}}))
    assert sweep.rows == ["a", "b"]


def test_run_cap_and_extra_words(folder: Path) -> None:
    sweep = load(write(folder, GOOD | {"run_cap": 3, "name": "abl"}), ["--trainer.max_epochs=1"])
    assert len(sweep.trials) == 3
    assert sweep.name == "abl"
    assert all(t.argv[-1] == "--trainer.max_epochs=1" for t in sweep.trials)


def changed(**keys: Any) -> dict[str, Any]:
    return {k: v for k, v in (GOOD | keys).items() if v is not None}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["is empty", "method"]),
        ("# nothing\n", ["is empty"]),
        ("- a\n", ["not a list"]),
        ("method: [\n", ["not valid YAML"]),
        ("method: grid\nmethod: grid\n", ["'method' stands twice", "line 2"]),
        (changed(method="bayes"), ["'bayes'", "wandb sweep", "wandb agent"]),
        (changed(method="random"), ["'random'", "wandb agent"]),
        (changed(method=None), ["method: grid"]),
        ("experiment: gla\nname: full\n", ["is an experiment", "fau-train --config"]),
        (changed(paramters={}), ["unknown key 'paramters'", "parameters"]),
        (changed(parameters=None), ["no `parameters`"]),
        (changed(parameters={}), ["no `parameters`"]),
        (changed(command="fau-train"), ["`command` must be a list"]),
        (changed(command=["${args_no_hyphens}x", "${whatever}"]), ["${whatever}"]),
        (changed(command=None), ["names no `program`"]),
        (changed(run_cap=0), ["run_cap"]),
        (changed(name=3), ["`name` must be text"]),
        (changed(early_terminate={"type": "hyperband"}), ["early_terminate", "wandb agent"]),
        (changed(parameters={"config": {"values": ["full.yaml", "gone.yaml", "lost.yaml"]}}), ["gone.yaml, lost.yaml"]),
        (changed(command=["fau-train", "--config=away.yaml"]), ["away.yaml"]),
        (changed(parameters={"fold": {"values": ["all"]}}), ["list the folds"]),
        (changed(parameters={"fold": {"values": [None]}}), ["null"]),
    ],
)
def test_bad_files_get_a_sentence(folder: Path, content: Any, words: list[str], capsys: Any) -> None:
    file = write(folder, content)
    with pytest.raises(FauError) as caught:
        load(file)
    assert all(word in str(caught.value) for word in ["sweep.yaml", *words]), caught.value
    assert main([str(file)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("fau-sweep: error: ")
    assert "Traceback" not in printed.err
    assert not (folder / "runs").exists()


def test_a_missing_file_is_named(tmp_path: Path, capsys: Any) -> None:
    assert main([str(tmp_path / "no.yaml")]) == 2
    assert "no.yaml' cannot be read" in capsys.readouterr().err


def test_options_are_read_in_both_forms() -> None:
    assert option_values(["a", "--c=1", "--c", "2", "--cc=3"], "c") == ["1", "2"]


def test_an_unknown_reference_is_named(folder: Path, capsys: Any) -> None:
    assert main([str(write(folder, GOOD)), "--reference", "nobody"]) == 2
    assert "full, none" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [("--jobs", "0"), ("--jobs", "-1"), ("--gpus-per-trial", "99"), ("--threads", "0")])
def test_dry_run_refuses_what_a_run_would(folder: Path, capsys: Any, wrong: tuple[str, str]) -> None:
    assert main([str(write(folder, GOOD)), "--dry-run", *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err


def test_dry_run_prints_the_trials_and_writes_nothing(folder: Path, capsys: Any) -> None:
    assert main([str(write(folder, GOOD)), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].split() == [
        "1",
        "to",
        "run",
        "fau-train",
        "--config",
        "base.yaml",
        "--config=full.yaml",
        "--fold=1",
    ]
    assert not (folder / "runs").exists()
