"""Arrays from MATLAB files of both kinds."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from fau.corpora.matlab import read_array, read_cells
from fau.corpora.tree import Tree
from fau.errors import FauError

POINTS = np.arange(12, dtype=np.float64).reshape(6, 2)


def write_73(path: Path, cells: list[np.ndarray | None], points: np.ndarray = POINTS) -> None:
    """Write ``pts`` and ``fit.pred`` as MATLAB 7.3 does: axes reversed, cells as references, empties by their sizes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["pts"] = points.T
        references = file.create_dataset("fit/pred", (len(cells), 1), dtype=h5py.ref_dtype)
        for i, cell in enumerate(cells):
            stored = file.create_dataset(f"#refs#/{i}", data=np.zeros(2, np.uint64) if cell is None else cell.T)
            if cell is None:
                stored.attrs["MATLAB_empty"] = np.uint8(1)
            references[i, 0] = stored.ref


def write_5(path: Path, cells: list[np.ndarray | None], as_cells: bool = False) -> None:
    """Write the same before 7.3: as a struct array, or as one struct that holds a cell array."""
    values = np.empty((1, len(cells)), object)
    for i, cell in enumerate(cells):
        values[0, i] = np.zeros((0, 0)) if cell is None else cell
    if as_cells:
        savemat(path, {"pts": POINTS, "fit": {"pred": values}})
    else:
        fit = np.zeros((1, len(cells)), dtype=[("pred", object)])
        fit["pred"] = values
        savemat(path, {"pts": POINTS, "fit": fit})


def write(kind: str, path: Path, cells: list[np.ndarray | None]) -> None:
    if kind == "7.3":
        write_73(path, cells)
    else:
        write_5(path, cells, as_cells=kind == "5 cells")


@pytest.mark.parametrize("kind", ["7.3", "5 structs", "5 cells"])
def test_cells_keep_their_axes_and_empties_are_none(tmp_path: Path, kind: str) -> None:
    write(kind, tmp_path / "a.mat", [POINTS, None, POINTS + 1])
    cells = read_cells(Tree(tmp_path), "a.mat", "fit.pred", [2, 1, 0, 3, -1])
    assert [None if cell is None else cell.tolist() for cell in cells] == [
        (POINTS + 1).tolist(),
        None,
        POINTS.tolist(),
        None,
        None,
    ]


@pytest.mark.parametrize("kind", ["7.3", "5 structs"])
def test_array_keeps_its_axes(tmp_path: Path, kind: str) -> None:
    write(kind, tmp_path / "a.mat", [POINTS, POINTS])
    np.testing.assert_array_equal(read_array(Tree(tmp_path), "a.mat", "pts"), POINTS)


@pytest.mark.parametrize("kind", ["7.3", "5 structs"])
def test_missing_variable_is_named(tmp_path: Path, kind: str) -> None:
    write(kind, tmp_path / "a.mat", [POINTS, POINTS])
    with pytest.raises(FauError, match=r"a\.mat' cannot be read as a MATLAB file with 'points': no 'points' in it"):
        read_array(Tree(tmp_path), "a.mat", "points")


@pytest.mark.parametrize("kind", ["7.3", "5 structs"])
@settings(max_examples=25, deadline=None)
@given(keep=st.floats(0, 0.99))
def test_truncated_file_is_named(tmp_path_factory: pytest.TempPathFactory, kind: str, keep: float) -> None:
    folder = tmp_path_factory.mktemp("mat")
    write(kind, folder / "a.mat", [POINTS] * 3)
    content = (folder / "a.mat").read_bytes()
    cut = content[: int(keep * len(content))]
    (folder / "a.mat").write_bytes(cut)
    try:  # a cut that takes only what follows the array leaves it readable
        array = read_array(Tree(folder), "a.mat", "pts")
    except FauError as error:
        assert "a.mat" in str(error) and "\n" not in str(error)
    else:
        np.testing.assert_array_equal(array, POINTS)


def test_no_matlab_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_text("<html>not found</html>")
    with pytest.raises(FauError, match=r"a\.mat' cannot be read as a MATLAB file"):
        read_array(Tree(tmp_path), "a.mat", "pts")


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_73(tmp_path / "a.mat", [POINTS])
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        FauError, match=r"'a\.mat' is a MATLAB 7\.3 file, which needs h5py: pip install 'fau\[matlab\]'"
    ):
        read_array(Tree(tmp_path), "a.mat", "pts")
