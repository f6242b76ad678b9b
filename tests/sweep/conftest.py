"""A folder for a sweep, crop sets of corpora, and a check that the runner leaves signals as they were."""

import signal
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from sweep_place import Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    place = Place(tmp_path)
    yield place
    place.close()


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Prepare a corpus from a tree in its owner's layout, filled with drawn faces, and return the crop set."""
    from fau.cli.data import main

    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "corpora"))

    def prepare(corpus: str) -> Path:
        raw, crops = tmp_path / "raw", tmp_path / "crops"
        raw.mkdir()
        import_module(f"trees.{corpus}").build(raw, import_module("faces").Faces())
        options = ["--size", "64", "--workers", "0", "--max-lost", "0.9", "--quiet"]
        assert main(["prepare", corpus, str(raw), str(crops), *options]) == 0
        return crops

    return prepare


@pytest.fixture(autouse=True)
def _keep_signal_handlers() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == handlers
