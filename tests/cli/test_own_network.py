"""A network of the user's own: README's, and two that give the wrong thing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from fau.cli.train import main

README = Path(__file__).parents[2] / "README.md"
WRONG = """

class NoOutput(YourNet):
    def forward(self, image):
        return super().forward(image).logits


class TooFew(YourNet):
    def forward(self, image):
        return NetOutput(super().forward(image).logits[:, :5])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on Python's path with README's network in ``yournet.py``."""
    code = re.search(r"```python\n([^`]*class YourNet[^`]*)```", README.read_text(encoding="utf-8"))
    assert code is not None
    (tmp_path / "yournet.py").write_text(code[1] + WRONG)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "yournet", raising=False)
    return tmp_path


def _train(name: str, tiny_args: list[str], folder: Path) -> int:
    words = [f"--model.net=yournet.{name}", "--model.net.width=8", *tiny_args, "--trainer.max_epochs=1"]
    return main([*words, "--fold=1", "--wandb=disabled", f"--runs={folder / 'runs'}"])


def test_readme_s_network_trains(tiny_args: list[str], folder: Path) -> None:
    assert _train("YourNet", tiny_args, folder) == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NoOutput", "network NoOutput gave a Tensor; forward returns NetOutput(logits) with logits of shape (32, 12)"),
        ("TooFew", "network TooFew gave logits of shape (32, 5); forward returns"),
    ],
)
def test_what_is_no_output_is_said(
    name: str, said: str, tiny_args: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(name, tiny_args, folder) == 2
    assert said in capsys.readouterr().err
