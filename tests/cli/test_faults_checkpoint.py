"""A damaged last checkpoint: found by its checksums, replaced by the one before it, said."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from fau.modules.callbacks import LAST, PREVIOUS, WholeCheckpoints, check_bytes, mend_last


def saved(folder: Path, *epochs: int) -> Path:
    for epoch in epochs:
        WholeCheckpoints().save_checkpoint(
            {"epoch": epoch, "weights": torch.full((4000,), float(epoch))}, folder / LAST
        )
    return folder / LAST


def epoch_of(file: Path) -> Any:
    return torch.load(file, weights_only=True)["epoch"]


def cut(content: bytearray) -> bytearray:
    return content[: len(content) // 2]


def one_bit(content: bytearray) -> bytearray:
    content[len(content) // 2] ^= 4
    return content


def zeros(content: bytearray) -> bytearray:
    return bytearray(len(content))


def test_the_one_before_the_last_is_kept(tmp_path: Path) -> None:
    saved(tmp_path, 0, 1, 2)
    assert (epoch_of(tmp_path / LAST), epoch_of(tmp_path / PREVIOUS)) == (2, 1)
    assert {file.name for file in tmp_path.iterdir()} == {LAST, PREVIOUS}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mend_last(tmp_path)
    assert epoch_of(tmp_path / LAST) == 2


@pytest.mark.parametrize("harm", [cut, one_bit, zeros])
def test_damage_is_found_and_said_and_the_one_before_takes_its_place(harm: Any, tmp_path: Path) -> None:
    last = saved(tmp_path, 0, 1)
    last.write_bytes(harm(bytearray(last.read_bytes())))
    with pytest.raises(pickle.UnpicklingError):
        check_bytes(last)
    with pytest.raises(pickle.UnpicklingError):
        WholeCheckpoints().load_checkpoint(last)
    with pytest.warns(UserWarning, match=r"last.ckpt' is damaged \(.+\); training goes on from the checkpoint before"):
        mend_last(tmp_path)
    assert epoch_of(last) == 0
    assert not (tmp_path / PREVIOUS).exists()


def test_one_changed_bit_is_all_that_torch_overlooks(tmp_path: Path) -> None:
    """Were torch to compare the checksums that it writes, reading the file twice would be for nothing."""
    last = saved(tmp_path, 0)
    last.write_bytes(one_bit(bytearray(last.read_bytes())))
    assert epoch_of(last) == 0


def test_a_kill_between_two_renames_loses_nothing(tmp_path: Path) -> None:
    last = saved(tmp_path, 0, 1)
    last.unlink()
    mend_last(tmp_path)
    assert epoch_of(last) == 0


def test_where_both_are_damaged_the_last_is_left_to_be_named(tmp_path: Path) -> None:
    last = saved(tmp_path, 0, 1)
    for file in (last, tmp_path / PREVIOUS):
        file.write_bytes(b"nothing")
    mend_last(tmp_path)
    assert last.read_bytes() == b"nothing"


def test_no_folder_is_made_where_the_runs_has_vanished(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        saved(tmp_path / "gone", 0)
    assert not (tmp_path / "gone").exists()
