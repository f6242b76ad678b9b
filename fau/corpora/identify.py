"""Which corpus a folder looks like: by the signs of every reader, on a bounded walk of the tree."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from fau.corpora.base import Corpus, Sign
from fau.corpora.media import is_video
from fau.corpora.registry import corpora
from fau.corpora.tree import Tree, join, natural, scan
from fau.errors import FauError

# Signs show early: a corpus of millions of files is known from some thousands of names.
_FOLDERS = 2000  # looked into, all in all, nearest to the root first
_FOLDERS_INSIDE = 60  # of one folder
_ARCHIVES_INSIDE = 8  # of one folder; to look into one, its whole list of contents is read
_NAMES = 20_000  # read of one folder
_PICTURES = 40  # of one folder; lists and labels are all looked at
_PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Match:
    """How well a tree fits a corpus.

    Attributes:
        corpus: The reader.
        found: Signs that were seen, each with a file that shows it.
        missing: Signs that were not.
        weight: How much the signs say: the letters that their patterns fix.
    """

    corpus: type[Corpus]
    found: list[tuple[Sign, str]]
    missing: list[Sign]
    weight: int

    @property
    def fits(self) -> bool:
        """Whether all is there that the reader cannot do without."""
        return not any(sign.needed for sign in self.missing)


def identify(tree: Tree, folders: int | None = None) -> list[Match]:
    """Return the corpora of which a tree shows any sign, the likeliest first.

    Args:
        tree: Where to look.
        folders: How many folders to look into; by default some thousands.
    """
    seen: dict[tuple[str, int], tuple[str, int]] = {}  # corpus, sign -> a file that shows it, letters of the pattern
    open_ = {
        (name, i, pattern): pattern.lower().split("/")
        for name, reader in corpora().items()
        for i, sign in enumerate(reader.signs)
        for pattern in sign.patterns
    }
    for path in _some_files(tree, folders):
        parts = path.lower().split("/")
        for (name, i, pattern), wanted in list(open_.items()):
            if _ends_with(parts, wanted):
                letters = sum(character.isalpha() for character in pattern)
                if seen.get((name, i), ("", -1))[1] < letters:
                    seen[name, i] = (path, letters)
                del open_[name, i, pattern]
    matches = [_match(reader, seen) for reader in corpora().values()]
    return sorted(
        (match for match in matches if match.found), key=lambda match: (match.fits, match.weight), reverse=True
    )


def identify_below(tree: Tree) -> dict[str, Match]:
    """Return the corpus of each folder or archive in a folder that holds several corpora; empty where it does not.

    That a folder fits a table or an image folder says little, and parts of one corpus may: these do not count.
    """
    names = tree.folder()[0][:_FOLDERS_INSIDE] if tree.root.is_dir() else []
    below = {}
    for name in names:
        try:
            best = next(iter(identify(Tree(tree.root / name), _FOLDERS // len(names))), None)
        except FauError:  # a damaged archive, say
            continue
        if best is not None and best.fits and not best.corpus.generic:
            below[name] = best
    return below if len({match.corpus for match in below.values()}) > 1 else {}


@contextmanager
def told_what_it_is(root: Path, name: str) -> Iterator[None]:
    """Add to a sentence about a delivery which corpus it looks like, if that is another than it was taken for.

    Args:
        root: The folder that was given.
        name: The corpus that it was taken for.
    """
    try:
        yield
    except FauError as error:
        try:
            tree = Tree(root)
        except FauError:
            raise error from None
        other = _other(tree, name)
        if other is not None:
            raise FauError(f"{error}; it looks like {other.title}: fau-data prepare {other.name}") from error
        if packed := tree.packed_twice():
            raise FauError(f"{error}; {packed}") from error
        raise


def _other(tree: Tree, name: str) -> type[Corpus] | None:
    """Return the corpus that a folder looks more like than the one it was taken for."""
    matches = identify(tree)
    own = max((match.weight for match in matches if match.corpus.name == name), default=0)
    if not matches or not matches[0].fits or matches[0].corpus.name == name or matches[0].weight <= own:
        return None
    return matches[0].corpus


def _match(reader: type[Corpus], seen: dict[tuple[str, int], tuple[str, int]]) -> Match:
    found, missing, weight = [], [], 0
    for i, sign in enumerate(reader.signs):
        if (reader.name, i) in seen:
            path, letters = seen[reader.name, i]
            found.append((sign, path))
            weight += letters
        else:
            missing.append(sign)
    return Match(reader, found, missing, weight)


def _ends_with(parts: list[str], wanted: list[str]) -> bool:
    if len(parts) < len(wanted):
        return False
    # The name first: it decides most often.
    return all(map(fnmatchcase, reversed(parts[-len(wanted) :]), reversed(wanted)))


def _some_files(tree: Tree, limit: int | None = None) -> Iterator[str]:
    """Yield files of a tree, nearest to the root first, not all where there are many."""
    limit = _FOLDERS if limit is None else limit
    waiting, looked, visited = deque([""]), 0, set[tuple[int, int]]()
    while waiting and looked < limit:
        folder = waiting.popleft()
        looked += 1
        try:
            folders, files = _some_names(tree, folder, visited)
        except FauError:
            continue  # another part of the tree may still be readable; the reader will say what is wrong
        archives = [name for name in folders if name.lower().endswith(".zip")][:_ARCHIVES_INSIDE]
        plain = [name for name in folders if not name.lower().endswith(".zip")][:_FOLDERS_INSIDE]
        waiting.extend(join(folder, name) for name in (*plain, *archives))
        pictures = 0
        for name in files:
            if name.lower().endswith(_PICTURE_ENDINGS) or is_video(name):
                pictures += 1
                if pictures > _PICTURES:
                    continue
            yield join(folder, name)
        yield from (join(folder, name) for name in folders if name.lower().endswith(".zip"))


def _some_names(tree: Tree, folder: str, visited: set[tuple[int, int]]) -> tuple[list[str], list[str]]:
    """Return names of folders and files, in natural order; none of a folder that was visited (a link may lead there).

    Raises:
        FauError: If the folder cannot be read.
    """
    place = tree.on_disk(folder)
    if place is None:
        folders, files = tree.folder(folder)
        return folders, files[:_NAMES]
    try:
        status = place.stat()
        if (status.st_dev, status.st_ino) in visited:
            return [], []
        visited.add((status.st_dev, status.st_ino))
        folders, files = [], []
        for name, entry in islice(scan(place), _NAMES):
            is_folder = entry.is_dir() or name.lower().endswith(".zip")
            (folders if is_folder else files).append(name)
    except OSError as error:
        raise FauError(f"'{place}' cannot be read: {error.strerror}") from error
    return sorted(folders, key=natural), sorted(files, key=natural)
