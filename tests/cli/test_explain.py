from collections.abc import Callable

import jsonargparse
import pytest
from lightning.pytorch import LightningModule

from fau.cli.explain import explain
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
    parser.add_argument("--number", type=int, default=1)
    parser.set_defaults({"model": {"class_path": f"{__name__}.Module"}})
    return parser


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model.net.attention", "maybe"], "model.net.attention: expected bool, got 'maybe'"),
        (["--model.net.atention", "false"], "model.net: Option 'atention' is not accepted"),
        (["--model.rate", "fast"], "model.rate: expected float, got 'fast'"),
        (["--number", "x"], "number: expected int, got 'x'"),
        (["--model.net", "fau.nets.gla.Nothing"], "model.net: module 'fau.nets.gla' has no attribute 'Nothing'"),
        (["--config", "/does/not/exist.yaml"], "config: File does not exist: '/does/not/exist.yaml'"),
        (["--numbr", "3"], "unrecognized arguments: --numbr 3"),
    ],
)
def test_bad_settings_are_named_in_one_line(arguments: list[str], sentence: str) -> None:
    with pytest.raises(jsonargparse.ArgumentError) as caught:
        _parser().parse_args(arguments)
    assert explain(caught.value) == sentence


def test_an_error_of_ours_is_found_below_the_parser() -> None:
    parser = _parser()
    config = parser.parse_args(["--model.net.input_size", "16"])
    with pytest.raises((ValueError, FauError)) as caught:
        parser.instantiate_classes(config)
    assert explain(caught.value).startswith("GLACNN with pool 111100 needs images of 32 px or more, not 16")


def test_a_switched_class_keeps_the_settings_that_both_have() -> None:
    parser = _parser()
    config = parser.parse_args(
        ["--model.net.input_size", "64", "--model.net.pool", "111110", "--model.net", "fau.nets.backbone.Backbone"]
    )
    settings = config.model.init_args.net.init_args
    assert settings.input_size == 64
    assert "pool" not in settings
