"""A folder for a sweep, and a check that the runner leaves signals as they were."""

import signal
from collections.abc import Iterator
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


@pytest.fixture(autouse=True)
def _keep_signal_handlers() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == handlers
