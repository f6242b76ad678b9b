"""Where things lie in a delivery: folders by name without listing millions of files, pictures kept elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from fau.corpora.tree import Tree, inside, join
from fau.errors import FauError


def find_folders(tree: Tree, wanted: Collection[str], depth: int = 4, skip: Collection[str] = ()) -> list[str]:
    """Return the folders and archives of some names, the least deep first; of one inside another, the inner one.

    Args:
        tree: Where to look.
        wanted: Names in lower case; an archive's without ``.zip``.
        depth: How many levels below the root to look.
        skip: Names in lower case of folders not to look into.

    Raises:
        FauError: If a folder may not be read.
    """
    found = []
    for folder, folders, _ in levels(tree, depth, (*skip, *wanted)):
        for name in folders:
            if _plain(name) in wanted:
                inner = _inside(tree, join(folder, name), wanted)
                found += inner or [join(folder, name)]
    return found


def find_files(tree: Tree, wanted: Collection[str], skip: Collection[str] = ()) -> list[str]:
    """Return the files of some names, as ``find_folders`` does folders.

    Raises:
        FauError: If a folder may not be read.
    """
    return [
        join(folder, name) for folder, _, files in levels(tree, skip=skip) for name in files if name.lower() in wanted
    ]


def _inside(tree: Tree, path: str, wanted: Collection[str]) -> list[str]:
    """Return what of some names a folder itself holds: ``cropped_aligned.zip`` may hold ``cropped_aligned``."""
    return [join(path, name) for name in tree.folder(path)[0] if _plain(name) in wanted]


def levels(tree: Tree, depth: int = 4, skip: Collection[str] = ()) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield folders with their folders and files, level by level from the root; what links lead to again, once.

    Args:
        tree: Where to look.
        depth: How many levels, the root's included.
        skip: Names in lower case of folders not to look into.

    Raises:
        FauError: If a folder may not be read.
    """
    seen: set[Path] = set()
    level = [""]
    for _ in range(depth):
        deeper = []
        for folder in level:
            place = tree.on_disk(folder)
            if place is not None:
                if place.resolve() in seen:
                    continue
                seen.add(place.resolve())
            folders, files = tree.folder(folder)
            yield folder, folders, files
            deeper += [join(folder, name) for name in folders if _plain(name) not in skip]
        level = deeper


def _plain(name: str) -> str:
    return name.lower().removesuffix(".zip")


def image_folder(tree: Tree, images: str, usual: Collection[str]) -> tuple[Tree, str]:
    """Return where the pictures of a list are: a tree and a folder in it.

    Args:
        tree: The delivery.
        images: What the user says: a folder of the delivery or an absolute path; empty looks for a usual one.
        usual: Usual names in lower case; where there is none, the root is taken.

    Raises:
        FauError: If there is no such folder.
    """
    if not images:
        return tree, next(iter(find_folders(tree, usual)), "")
    if Path(images).expanduser().is_absolute():
        return Tree(Path(images).expanduser()), ""
    folder = inside(images, "--images")
    if not tree.is_folder(folder):
        raise FauError(f"'{tree.root}' has no folder '{images}'; give --images a folder of it, or an absolute path")
    return tree, folder
