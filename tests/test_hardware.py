from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fau import hardware
from fau.errors import FauError


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_description_names_the_machine() -> None:
    description = hardware.describe_hardware()
    assert set(description) == {"cpu", "cores", "gpus", "threads"}
    assert description["cpu"]
    assert description["threads"] == torch.get_num_threads()


@pytest.mark.parametrize(
    ("cuda", "cuda_bf16", "cpu_bf16", "accelerator", "precision"),
    [
        (True, True, False, "auto", "bf16-mixed"),
        (True, False, True, "auto", "32-true"),
        (True, True, False, "cpu", "32-true"),
        (False, False, True, "auto", "bf16-mixed"),
        (False, False, True, "cpu", "bf16-mixed"),
        (False, False, False, "auto", "32-true"),
    ],
)
def test_precision_follows_the_hardware(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, cuda_bf16: bool, cpu_bf16: bool, accelerator: str, precision: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: cuda_bf16)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(hardware, "cpu_has_bf16", lambda: cpu_bf16)
    assert hardware.default_precision(accelerator) == precision


def test_the_cpu_flags_agree_with_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/proc/cpuinfo").exists() or not hasattr(torch.cpu, "get_capabilities"):
        pytest.skip("only one of the two ways works here")
    by_torch = hardware.cpu_has_bf16()
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert hardware.cpu_has_bf16() == by_torch


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("FAU_THREADS", "2")
    hardware.limit_threads()
    assert torch.get_num_threads() == 2
    monkeypatch.delenv("FAU_THREADS")
    monkeypatch.setattr(hardware, "usable_cores", lambda: 1)
    hardware.limit_threads()
    assert torch.get_num_threads() == 1
    monkeypatch.setenv("FAU_THREADS", "many")
    with pytest.raises(FauError, match="FAU_THREADS"):
        hardware.limit_threads()
