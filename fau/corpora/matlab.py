"""Arrays from MATLAB files: those before 7.3 by SciPy, those of 7.3, which are HDF5, by h5py (an extra)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from importlib import import_module
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from fau.corpora.tree import Tree
from fau.errors import FauError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_PLACES = (0, 512)  # MATLAB puts 512 bytes of its own before the signature
_FAULTS = (MatReadError, ValueError, TypeError, IndexError, KeyError, OSError, NotImplementedError, zlib.error)


def read_array(tree: Tree, path: str, name: str) -> NDArray[np.float64]:
    """Return an array of numbers, in MATLAB's own order of axes.

    Args:
        tree: Where the file is.
        path: The file.
        name: A variable such as ``pts``, or a field of one such as ``fit.pred``.

    Raises:
        FauError: If the file cannot be read, or has no such array; or if it needs h5py and that is not installed.
    """
    content = tree.read(path)
    try:
        if _is_hdf5(content):
            with _hdf5(path).File(BytesIO(content), "r") as file:
                array = np.asarray(file[name.replace(".", "/")][()]).T
        else:
            array = _field(content, name)
        return np.asarray(array, np.float64)
    except _FAULTS as error:
        raise _unreadable(tree, path, name, error) from error


def read_cells(tree: Tree, path: str, name: str, wanted: Sequence[int]) -> list[NDArray[np.float64] | None]:
    """Return some cells of a cell array, or one field of the elements of a struct array: 7.3 stores both alike.

    Args:
        tree: Where the file is.
        path: The file.
        name: As for ``read_array``.
        wanted: Indices from 0.

    Returns:
        An array in MATLAB's own order of axes for each index; None where the cell is empty or there is none.

    Raises:
        FauError: As for ``read_array``.
    """
    content = tree.read(path)
    try:
        if _is_hdf5(content):
            with _hdf5(path).File(BytesIO(content), "r") as file:
                references = file[name.replace(".", "/")][()].ravel(order="F")
                return [_referenced(file, references[i]) if 0 <= i < len(references) else None for i in wanted]
        cells = _field(content, name)
        if cells.size == 1 and isinstance(cells.flat[0], np.ndarray) and cells.flat[0].dtype.hasobject:
            cells = cells.flat[0]  # one struct that holds a cell array
        flat = cells.ravel(order="F")
        return [_filled(flat[i]) if 0 <= i < len(flat) else None for i in wanted]
    except _FAULTS as error:
        raise _unreadable(tree, path, name, error) from error


def _is_hdf5(content: bytes) -> bool:
    return any(content[place : place + len(_HDF5)] == _HDF5 for place in _PLACES)


def _hdf5(path: str) -> Any:
    try:
        return import_module("h5py")
    except ImportError:
        raise FauError(f"'{path}' is a MATLAB 7.3 file, which needs h5py: pip install 'fau[matlab]'") from None


def _field(content: bytes, name: str) -> NDArray[Any]:
    variable, *fields = name.split(".")
    found = loadmat(BytesIO(content), variable_names=[variable])[variable]
    for field in fields:
        found = found[field]
    return np.asarray(found)


def _referenced(file: Any, reference: Any) -> NDArray[np.float64] | None:
    stored = file[reference]
    if "MATLAB_empty" in stored.attrs:  # what is stored then are the sizes of the empty array
        return None
    return _filled(np.asarray(stored[()]).T)


def _filled(array: Any) -> NDArray[np.float64] | None:
    numbers = np.asarray(array, np.float64)
    return numbers if numbers.size else None


def _unreadable(tree: Tree, path: str, name: str, error: Exception) -> FauError:
    reason = f"no '{name}' in it" if isinstance(error, KeyError) else (str(error).splitlines() or ["damaged"])[0]
    return FauError(f"'{tree.root / path}' cannot be read as a MATLAB file with '{name}': {reason}")
