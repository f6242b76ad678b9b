from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from fau.corpora.folders import find_files, find_folders, image_folder
from fau.corpora.tree import Tree
from fau.errors import FauError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ("b/crops/v1/1.jpg", "b/list.csv", "other/crops/v2/1.jpg", "a/b/c/d/crops/v3/1.jpg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    with zipfile.ZipFile(tmp_path / "Crops.zip", "w") as archive:
        archive.writestr("crops/v4/1.jpg", "")
    return tmp_path


def test_folders_are_found_level_by_level(root: Path) -> None:
    tree = Tree(root)
    assert find_folders(tree, ("crops",)) == ["Crops.zip/crops", "b/crops", "other/crops"]
    assert find_folders(tree, ("crops",), skip=("other",)) == ["Crops.zip/crops", "b/crops"]
    assert find_folders(tree, ("crops",), depth=1) == ["Crops.zip/crops"]
    assert find_folders(tree, ("crops",), depth=5)[-1] == "a/b/c/d/crops"
    assert find_folders(tree, ("nothing",)) == []


def test_files_are_found_outside_skipped_folders(root: Path) -> None:
    (root / "b/crops/list.csv").touch()
    assert find_files(Tree(root), ("list.csv",)) == ["b/list.csv", "b/crops/list.csv"]
    assert find_files(Tree(root), ("list.csv",), skip=("crops",)) == ["b/list.csv"]


def test_a_link_to_a_folder_above_finds_nothing_again(root: Path) -> None:
    (root / "b/loop").symlink_to(root)
    assert find_folders(Tree(root), ("crops",)) == ["Crops.zip/crops", "b/crops", "other/crops"]


def test_pictures_lie_where_the_user_says(root: Path, tmp_path: Path) -> None:
    tree = Tree(root)
    assert image_folder(tree, "b\\crops", ()) == (tree, "b/crops")
    other, folder = image_folder(tree, str(root / "other"), ())
    assert (other.root, folder) == (root / "other", "")
    assert image_folder(tree, "", ("crops",)) == (tree, "Crops.zip/crops")
    assert image_folder(tree, "", ("nothing",)) == (tree, "")
    with pytest.raises(FauError, match="has no folder 'nowhere'; give --images"):
        image_folder(tree, "nowhere", ())
    with pytest.raises(FauError, match=r"--images names '../b', which is no path inside"):
        image_folder(tree, "../b", ())
    with pytest.raises(FauError, match="does not exist"):
        image_folder(tree, str(root / "nowhere"), ())
