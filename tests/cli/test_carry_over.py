"""A class that takes another's place in a configuration starts from its own defaults; nothing is carried over."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch.cli import LightningArgumentParser

import fau.modules
from fau.cli._main import EXIT_ERROR
from fau.cli.train import main
from fau.cli.train_parser import DEFAULTS, parse, resolve
from fau.errors import FauError
from fau.modules.base import FaceModule
from fau.nets.gla import GLACNN
from fau.nets.output import Net

sys.path.append(str(Path(__file__).parents[1] / "nets"))
from networks import networks

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
QUICKSTART = ["--config", str(EXPERIMENTS / "quickstart.yaml")]
GLA = DEFAULTS["model"]["init_args"]["net"]  # type: ignore[index]
NETWORKS = [network for network in networks() if network is not GLACNN]
OPTIMIZERS = [torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop, torch.optim.NAdam, torch.optim.Adagrad]
COMPLETE = [torch.optim.lr_scheduler.ReduceLROnPlateau, torch.optim.lr_scheduler.LinearLR]
INCOMPLETE = [
    (torch.optim.lr_scheduler.StepLR, ["step_size"]),
    (torch.optim.lr_scheduler.ExponentialLR, ["gamma"]),  # the default's, of MultiStepLR, would fit by name
    (torch.optim.lr_scheduler.CyclicLR, ["base_lr", "max_lr"]),
]


def _path(described: type) -> str:
    return f"{described.__module__}.{described.__name__}"


def _modules() -> list[type[FaceModule]]:
    """Return every LightningModule that can be trained, found by walking the package: those with a default network."""
    found: set[type[FaceModule]] = set()
    for module_info in pkgutil.walk_packages(fau.modules.__path__, "fau.modules."):
        for _, candidate in inspect.getmembers(importlib.import_module(module_info.name), inspect.isclass):
            if issubclass(candidate, FaceModule) and candidate.__module__ == module_info.name:
                net = inspect.signature(candidate).parameters.get("net")
                if net is not None and net.default is not inspect.Parameter.empty:
                    found.add(candidate)
    return sorted(found, key=_path)


def _signature(described: type) -> dict[str, Any]:
    """Return a signature's defaults as JSON has them."""
    parameters = inspect.signature(described).parameters.items()
    defaults = {name: each.default for name, each in parameters if each.default is not inspect.Parameter.empty}
    plain: dict[str, Any] = json.loads(json.dumps(defaults))
    return plain


def _alone(module: type[FaceModule]) -> dict[str, Any]:
    """Return a module's defaults as a parser gives them that knows of no other class."""
    parser = LightningArgumentParser()
    parser.add_class_arguments(module, "model")
    config = parser.parse_args(["--model.label_set", "bp4d12"])
    resolved: dict[str, Any] = json.loads(parser.dump(config, format="json", skip_none=False))["model"]
    return resolved


def _model(*arguments: str) -> dict[str, Any]:
    settings: dict[str, Any] = resolve(parse(arguments))["model"]["init_args"]
    return settings


def _overlay(folder: Path, **settings: Any) -> list[str]:
    file = folder / "overlay.yaml"
    file.write_text(yaml.safe_dump({"model": {"init_args": settings}}), encoding="utf-8")
    return ["--config", str(file)]


def _spec(described: type, **settings: Any) -> dict[str, Any]:
    return {"class_path": _path(described), "init_args": settings}


@pytest.mark.parametrize("network", NETWORKS, ids=_path)
def test_another_network_has_its_signature_s_defaults(network: type[Net], tmp_path: Path) -> None:
    own = _spec(network, **_signature(network))
    assert _model("--model.net", _path(network))["net"] == own
    overlay = _overlay(tmp_path, net={"class_path": _path(network)})
    assert _model(*QUICKSTART, *overlay)["net"] == own
    size = {"init_args": own["init_args"] | {"input_size": 96}}
    assert _model(*QUICKSTART, *overlay, "--model.net.input_size", "96")["net"] == own | size
    assert _model(*QUICKSTART, *_overlay(tmp_path, net=_spec(network, input_size=96)))["net"] == own | size


@pytest.mark.parametrize("module", _modules(), ids=_path)
def test_another_module_has_its_own_defaults(module: type[FaceModule], tmp_path: Path) -> None:
    own = _alone(module)
    assert "Unable to serialize" not in str(own), "give a default's settings by name, or no file can hold them"
    assert own == own | _signature_of_values(module) | {"label_set": "bp4d12"}  # of data.label_set
    if _path(module) == DEFAULTS["model"]["class_path"]:  # type: ignore[index]
        return
    file = tmp_path / "module.yaml"
    file.write_text(yaml.safe_dump({"model": {"class_path": _path(module)}}), encoding="utf-8")
    for arguments in (["--model", _path(module)], [*QUICKSTART, "--config", str(file)]):
        assert _model(*arguments) == own | {"label_set": "bp4d12"}


def _signature_of_values(module: type[FaceModule]) -> dict[str, Any]:
    """Return the defaults of a signature that are values, not functions that make a part."""
    parameters = inspect.signature(module).parameters.items()
    return {name: each.default for name, each in parameters if isinstance(each.default, str | int | float)}


def test_the_settings_of_a_network_stand_with_the_module_s_own_default(tmp_path: Path) -> None:
    file = tmp_path / "jaa.yaml"
    net = {"init_args": {"unit": 2}}
    module = {"class_path": "fau.modules.jaa.JAADetection", "init_args": {"net": net}}
    file.write_text(yaml.safe_dump({"model": module}), encoding="utf-8")
    resolved = _model(*QUICKSTART, "--config", str(file))["net"]
    assert resolved["class_path"] == "fau.nets.jaanet.JAANet"
    assert (resolved["init_args"]["unit"], resolved["init_args"]["input_size"]) == (2, 176)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=_path)
def test_another_optimizer_has_its_signature_s_defaults(optimizer: type, tmp_path: Path) -> None:
    before = ["--model.optimizer.lr", "0.5", "--model.optimizer.weight_decay", "0.25"]
    resolved = _model(*before, "--model.optimizer", optimizer.__name__)["optimizer"]
    assert resolved["class_path"] == f"torch.optim.{optimizer.__name__}"
    assert resolved["init_args"] == _signature(optimizer)
    overlay = _overlay(tmp_path, optimizer={"class_path": _path(optimizer), "init_args": {"lr": 0.125}})
    assert _model(*before, *overlay)["optimizer"]["init_args"] == _signature(optimizer) | {"lr": 0.125}


def test_what_a_signature_does_not_name_is_not_carried_over_either(tmp_path: Path) -> None:
    before = ["--model.optimizer.dict_kwargs.unknown", "1"]
    assert _model(*before)["optimizer"]["dict_kwargs"] == {"unknown": 1}
    assert "dict_kwargs" not in _model(*before, "--model.optimizer", "SGD")["optimizer"]
    assert "dict_kwargs" not in _model(*before, *_overlay(tmp_path, optimizer=_spec(torch.optim.SGD)))["optimizer"]


@pytest.mark.parametrize("scheduler", COMPLETE, ids=_path)
def test_another_scheduler_has_its_signature_s_defaults(scheduler: type) -> None:
    resolved = _model("--model.scheduler.gamma", "0.5", "--model.scheduler", _path(scheduler))["scheduler"]
    assert resolved == _spec(scheduler, **_signature(scheduler))


@pytest.mark.parametrize(("scheduler", "names"), INCOMPLETE, ids=lambda each: getattr(each, "__name__", ""))
def test_what_another_class_needs_and_has_no_default_for_is_said(
    scheduler: type, names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = " and ".join(f"model.scheduler.{name}" for name in names)
    sentence = f"{_path(scheduler)} has no default for {' and '.join(names)}; set {settings}"
    overlay = _overlay(tmp_path, scheduler={"class_path": _path(scheduler)})
    for arguments, where in (
        (["--model.scheduler", _path(scheduler)], ""),
        ([*QUICKSTART, *overlay], f" in '{overlay[-1]}'"),
    ):
        with pytest.raises(FauError) as caught:
            parse(arguments)
        assert str(caught.value) == f"setting 'model.scheduler'{where}: {sentence}"
    assert main([*QUICKSTART, *overlay]) == EXIT_ERROR
    assert capsys.readouterr().err.count("\n") == 1
    given = [word for name in names for word in (f"--model.scheduler.{name}", "1")]
    complete = _signature(scheduler) | dict.fromkeys(names, 1)
    assert _model(*QUICKSTART, *overlay, *given)["scheduler"]["init_args"] == complete


def test_the_default_network_keeps_what_it_has_beside_one_flag() -> None:
    expected = _signature(GLACNN) | GLA["init_args"]
    assert _model()["net"]["init_args"] == expected
    assert _model("--model.net.attention", "false")["net"]["init_args"] == expected | {"attention": False}


def test_an_overlay_of_settings_alone_merges() -> None:
    before = _model(*QUICKSTART)
    after = _model(*QUICKSTART, "--config", str(EXPERIMENTS / "gla" / "no_attention.yaml"))
    assert after["net"]["init_args"] == before["net"]["init_args"] | {"attention": False}
    assert {**after, "net": None} == {**before, "net": None}


def test_a_class_that_is_named_again_keeps_its_settings(tmp_path: Path) -> None:
    before = _model(*QUICKSTART)
    again = _overlay(tmp_path, net={"class_path": _path(GLACNN)}, optimizer={"class_path": "torch.optim.Adam"})
    assert _model(*QUICKSTART, *again) == before
    assert _model(*QUICKSTART, "--model.net", _path(GLACNN), "--model.optimizer", "Adam") == before


def test_a_changed_part_leaves_the_others_as_they_were() -> None:
    before = _model(*QUICKSTART)
    after = _model(*QUICKSTART, "--model.net", _path(NETWORKS[0]))
    assert {**after, "net": None} == {**before, "net": None}


def test_there_and_back_is_a_fresh_start() -> None:
    there_and_back = _model(*QUICKSTART, "--model.net", _path(NETWORKS[0]), "--model.net", _path(GLACNN))
    assert there_and_back["net"]["init_args"] == _signature(GLACNN)


@pytest.mark.parametrize("file", ["quickstart.yaml", "jaanet.yaml", "text001.yaml"])
def test_a_resolved_configuration_resolves_to_itself(file: str, tmp_path: Path) -> None:
    cli = parse(["--config", str(EXPERIMENTS / file)])
    written = tmp_path / "config.yaml"  # as a run keeps it
    written.write_text(cli.parser.dump(cli.config, skip_none=False), encoding="utf-8")
    again = resolve(parse(["--config", str(written)]))
    assert again == resolve(cli)
