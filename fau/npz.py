"""Arrays in ``.npz`` archives: of many, only those that are wanted, and quickly."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGIC = b"\x93NUMPY\x01\x00"  # of version 1.0, which NumPy writes unless a header is longer than 64 kB
_SUFFIX = ".npy"


def read_npz(file: Path, chosen: Callable[[Sequence[str]], Iterable[str]] | None = None) -> dict[str, NDArray[Any]]:
    """Read arrays of an archive as ``np.load`` does; nothing is unpickled.

    Args:
        file: The archive.
        chosen: Picks the arrays to read by their names; all if None.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If what it holds is no array, or needs pickle.
        zipfile.BadZipFile: If it is no archive, or damaged.
        zlib.error: If it is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        names = [name.removesuffix(_SUFFIX) for name in archive.namelist()]
        return {name: _array(archive.read(name + _SUFFIX)) for name in (chosen(names) if chosen else names)}


def _array(content: bytes) -> NDArray[Any]:
    if content.startswith(_MAGIC):
        start = len(_MAGIC) + 2 + int.from_bytes(content[len(_MAGIC) : len(_MAGIC) + 2], "little")
        shape, fortran, dtype = _header(content[:start])
        if not fortran and not dtype.hasobject and dtype.itemsize:
            return np.frombuffer(content, dtype, math.prod(shape), start).reshape(shape).copy()  # which can be written
    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return array


@lru_cache(maxsize=1024)
def _header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and type. NumPy parses each header as Python; those of a thousand runs are mostly alike."""
    stream = io.BytesIO(header)
    np.lib.format.read_magic(stream)
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    return shape, fortran, dtype
