"""Checksums behind the names of weight files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import timm
import torch

from fau.errors import FauError
from fau.nets.backbone import Backbone
from fau.nets.weight_files import checked, listed, misfits, path_of, read_state


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


@pytest.mark.parametrize("digits", [8, 20, 64])
def test_the_right_checksum_lets_a_file_through(file: Path, digits: int) -> None:
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()[:digits]
    for written in (checksum, checksum.upper()):
        setting = f"{file}#sha256={written}"
        assert checked(setting) == path_of(setting) == file
        Backbone(3, "test_resnet", pretrained=setting, input_size=64)
        assert read_state(Path(setting))


def test_a_changed_file_is_refused(file: Path) -> None:
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    content = bytearray(file.read_bytes())
    content[-100] ^= 1  # one bit, which torch may well load
    file.write_bytes(content)
    for read in (lambda setting: Backbone(3, "test_resnet", pretrained=setting), lambda setting: read_state(setting)):
        with pytest.raises(FauError, match=f"SHA-256 {hashlib.sha256(content).hexdigest()[:16]} and not {checksum}; "):
            read(f"{file}#sha256={checksum}")


@pytest.mark.parametrize("digits", ["", "abc", "0123456", "nonsense1", "0" * 65])
def test_what_is_no_checksum_is_refused(file: Path, digits: str) -> None:
    with pytest.raises(FauError, match=r"is no checksum of .*first 8 or more hexadecimal digits"):
        checked(f"{file}#sha256={digits}")


def test_a_file_that_is_gone_is_said_with_a_checksum_too(tmp_path: Path) -> None:
    with pytest.raises(FauError, match=r"'.*gone\.pth' does not exist"):
        Backbone(3, "test_resnet", pretrained=f"{tmp_path / 'gone.pth'}#sha256=01234567")


def test_another_architecture_is_said_by_a_few_weights_of_each_kind() -> None:
    own = {f"both.{i}": torch.zeros(1) for i in range(100)} | {f"own.{i}": torch.zeros(1) for i in range(100)}
    other = {f"both.{i}": torch.zeros(2) for i in range(100)} | {f"other.{i}": torch.zeros(1) for i in range(100)}
    faults = misfits(other, own)
    assert len(faults) == len(set(faults)) == 300
    kinds = [f"both.{i} is [2] and not [1]; own.{i} is lacking; other.{i} has no place" for i in range(2)]
    assert listed(faults) == f"{'; '.join(kinds)}; and 294 more"
