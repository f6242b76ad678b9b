"""Arrays read as NumPy reads them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fau.npz import read_npz

ARRAYS: dict[str, NDArray[Any]] = {
    "test/au/score": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4),
    "mask": np.array([[True, False]]),
    "threshold": np.array(0.5),
    "labels": np.array(["AU1", "AU12", "Ünß"]),
    "none": np.zeros((0, 4), np.int64),
    "nameless": np.ndarray(2, "<U0"),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "big endian": np.arange(3, dtype=">i4"),
    "record": np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
    "long header": np.zeros(1, [(f"column {index}", "i1") for index in range(5000)]),
    "same header": np.linspace(1, 2, 12, dtype=np.float32).reshape(3, 4),
}


@pytest.mark.filterwarnings("ignore:Stored array in format 2.0")
@pytest.mark.parametrize("name", ARRAYS)
def test_what_is_read_is_what_numpy_reads(name: str, tmp_path: Path) -> None:
    file = tmp_path / "arrays.npz"
    np.savez_compressed(file, allow_pickle=False, **{name: ARRAYS[name]})
    if name == "long header":  # which NumPy does not trust either
        with pytest.raises(ValueError, match="Header info length"):
            read_npz(file)
        return
    (found,) = read_npz(file).values()
    with np.load(file) as stored:
        expected = stored[name]
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape) and found.tobytes() == expected.tobytes()
    assert found.flags.writeable


def test_only_what_is_chosen_is_read(tmp_path: Path) -> None:
    file = tmp_path / "arrays.npz"
    np.savez(file, wanted=np.arange(3), pickled=np.array([{}]))
    assert read_npz(file, lambda names: [name for name in names if name == "wanted"])["wanted"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_npz(file)


def test_a_short_array_is_damage(tmp_path: Path) -> None:
    whole, short = tmp_path / "whole.npz", tmp_path / "short.npz"
    np.savez(whole, scores=np.arange(9.0))
    with zipfile.ZipFile(whole) as read, zipfile.ZipFile(short, "w") as written:
        written.writestr("scores.npy", read.read("scores.npy")[:-8])
    with pytest.raises(ValueError, match="buffer is smaller"):
        read_npz(short)
