"""The owner's folder as a tree of files, those inside zip archives included, without unpacking anything.

An archive is a folder whose name ends in ``.zip``: the member ``F001/T1/2440.jpg`` of ``2D+3D/F001.zip`` is the file
``2D+3D/F001.zip/F001/T1/2440.jpg``. Paths are relative to the root, with forward slashes. Nothing outside the root is
read but through symbolic links that the owner of the disk has made. What desktops leave behind (``._F001.zip``,
``__MACOSX``, ``Thumbs.db``) is not part of a tree. Bytes of a name on disk that are not UTF-8 stand as characters of
Unicode's last private plane, so that each name can be written to a file.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, Any

from fau.errors import FauError

_DIGITS = re.compile(r"(\d+)")
_PLAIN = re.compile(r"\w[\w.-]*")  # a name of a file that needs no second look
_JUNK = {"__macosx", ".ds_store", "thumbs.db", "desktop.ini"}  # in lower case; of macOS and Windows
_SPELLED = {0xDC00 + byte: 0x10FE00 + byte for byte in range(0x80, 0x100)}  # Python reads such a byte as a surrogate
_ON_DISK = {spelled: byte for byte, spelled in _SPELLED.items()}


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sorting key by which ``au2`` comes before ``au12``."""
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(name) if part)


def inside(path: str, where: str) -> str:
    """Return a path that a list names, with forward slashes and without ``./``.

    Args:
        path: As the list has it; backslashes count as slashes.
        where: The list, for the message.

    Raises:
        FauError: If the path is empty, absolute or leads out of the folder.
    """
    clean = path.strip().replace("\\", "/")
    parts = PurePosixPath(clean).parts
    if not parts or clean.startswith("/") or ".." in parts or re.match(r"^[A-Za-z]:", clean) or "\0" in clean:
        raise FauError(f"{where} names '{path.strip()}', which is no path inside its folder; correct that line")
    return "/".join(parts)


def scan(place: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the entries of a folder on disk, in no order, with the names that they have in a tree.

    Raises:
        OSError: If the folder cannot be read.
    """
    with os.scandir(place) as entries:
        for entry in entries:
            if not _is_junk(entry.name):
                yield entry.name if entry.name.isascii() else entry.name.translate(_SPELLED), entry


class Tree:
    """A folder or a zip archive, read-only; it can be pickled and sent to other processes.

    Args:
        root: The folder that the owner delivered, or one zip archive.

    Raises:
        FauError: If there is no such folder or archive, or it may not be read.
    """

    def __init__(self, root: Path) -> None:
        if not root.exists():
            raise FauError(f"'{root}' does not exist; give the folder that the owner of the corpus delivered")
        if not root.is_dir() and not zipfile.is_zipfile(root):
            raise FauError(f"'{root}' is neither a folder nor a zip archive; give the folder that the owner delivered")
        self.root = root
        self._archives: dict[str, _Archive] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_archives": {}}  # open files stay here: another process opens its own

    def folder(self, path: str = "") -> tuple[list[str], list[str]]:
        """Return the names of folders (archives among them) and of files in a folder, each in natural order.

        Raises:
            FauError: If there is no such folder, or it may not be read.
        """
        place, member = self._place(path)
        if place is not None:
            return self._archive(place).folder(member)
        folders: list[str] = []
        files: list[str] = []
        try:
            for name, entry in scan(self._disk(path)):
                is_folder = entry.is_dir() or name.lower().endswith(".zip")
                (folders if is_folder else files).append(name)
        except OSError as error:  # an entry that cannot be looked at, such as a link to itself, has its own name
            raise FauError(f"'{error.filename or self.root / path}' cannot be read: {error.strerror}") from error
        return sorted(folders, key=natural), sorted(files, key=natural)

    def walk(self, path: str = "") -> Iterator[tuple[str, list[str]]]:
        """Yield each folder with the names of its files, the folder itself first, all in natural order.

        Raises:
            FauError: If a symbolic link makes a folder contain itself, or a folder may not be read.
        """
        yield from self._walk(path, ())

    def _walk(self, path: str, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, list[str]]]:
        if self._place(path)[0] is None:
            try:
                status = self._disk(path).stat()
            except OSError as error:  # an archive's name, but a link to nothing
                raise FauError(f"'{self.root / path}' cannot be read: {error.strerror}") from error
            here = (status.st_dev, status.st_ino)
            if here in above:
                raise FauError(f"'{self.root / path}' is a symbolic link to a folder that contains it; remove the link")
            above = (*above, here)
        folders, files = self.folder(path)
        yield path, files
        for name in folders:
            yield from self._walk(join(path, name), above)

    def find(self, *patterns: str, under: str = "") -> list[str]:
        """Return the files whose path matches one of some patterns, in natural order.

        Args:
            patterns: Shell patterns for the end of the path, any case, such as ``AU_OCC/*.csv``; ``*`` stays within a
                name.
            under: The folder to look in, at any depth.
        """
        wanted = [pattern.lower().split("/") for pattern in patterns]
        found = []
        for folder, files in self.walk(under):
            above = folder.lower().split("/") if folder else []
            for name in files:
                if any(_matches([*above, name.lower()], parts) for parts in wanted):
                    found.append(join(folder, name))
        return found

    def is_file(self, path: str) -> bool:
        """Tell whether there is such a file."""
        place, member = self._place(path)
        return self._disk(path).is_file() if place is None else self._archive(place).is_file(member)

    def is_folder(self, path: str) -> bool:
        """Tell whether there is such a folder or archive."""
        place, member = self._place(path)
        return self._disk(path).is_dir() if place is None else self._archive(place).is_folder(member)

    def read(self, path: str) -> bytes:
        """Return a file's content.

        Raises:
            FauError: If it cannot be read.
        """
        place, member = self._place(path)
        try:
            return self._disk(path).read_bytes() if place is None else self._archive(place).read(member)
        except OSError as error:
            raise FauError(f"'{self.root / path}' cannot be read: {error.strerror or error}") from error
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            raise FauError(f"'{self.root / path}' cannot be read from its archive: {error}") from error

    def text(self, path: str) -> str:
        """Return a text file's content, UTF-8 with or without a byte order mark, else Latin-1.

        Raises:
            FauError: If it cannot be read.
        """
        content = self.read(path)
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            return content.decode("latin-1")

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading; seekable.

        Raises:
            FauError: If it cannot be opened.
        """
        place, member = self._place(path)
        try:
            return self._disk(path).open("rb") if place is None else self._archive(place).open(member)
        except OSError as error:
            raise FauError(f"'{self.root / path}' cannot be opened: {error.strerror or error}") from error
        except (KeyError, zipfile.BadZipFile) as error:
            raise FauError(f"'{self.root / path}' cannot be opened: {error}") from error

    def packed_twice(self) -> str:
        """Return a sentence on archives inside the archives that were looked into so far; empty if there are none.

        They are not read: each look at a member would unpack the inner archive from its start.
        """
        for path, archive in self._archives.items():
            if inner := [name for name in archive.members if name.lower().endswith(".zip")]:
                more = f" and {len(inner) - 1} more archives" if len(inner) > 1 else ""
                outer = self.root / path if path else self.root
                return f"'{inner[0]}'{more} inside the archive '{outer}' cannot be read there; unpack '{outer}'"
        return ""

    def on_disk(self, path: str) -> Path | None:
        """Return where a file lies on disk; None inside an archive."""
        return self._disk(path) if self._place(path)[0] is None else None

    def _disk(self, path: str) -> Path:
        return self.root / (path if path.isascii() else path.translate(_ON_DISK))

    def _place(self, path: str) -> tuple[str | None, str]:
        """Return the archive that a path leads into, relative to the root, and the rest; None without an archive."""
        if not self.root.is_dir():
            return "", path
        if ".zip" not in path.lower():
            return None, path
        parts = path.split("/")
        for i, part in enumerate(parts):
            if part.lower().endswith(".zip"):
                archive = "/".join(parts[: i + 1])
                if self._disk(archive).is_file():
                    return archive, "/".join(parts[i + 1 :])
        return None, path

    def _archive(self, path: str) -> _Archive:
        if path not in self._archives:
            self._archives[path] = _Archive(self._disk(path) if path else self.root)
        return self._archives[path]


def join(folder: str, name: str) -> str:
    """Return the path of a name in a folder of a tree."""
    return f"{folder}/{name}" if folder else name


def _matches(parts: list[str], pattern: list[str]) -> bool:
    if len(parts) < len(pattern):
        return False
    return all(fnmatchcase(part, want) for part, want in zip(parts[-len(pattern) :], pattern, strict=True))


def _is_junk(name: str) -> bool:
    return name.startswith("._") or name.lower() in _JUNK


def _is_link(member: zipfile.ZipInfo) -> bool:
    return (member.external_attr >> 16) & 0o170000 == 0o120000


class _Archive:
    """A zip archive, listed once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._zip = zipfile.ZipFile(file)
        except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
            raise FauError(f"the archive '{file}' cannot be read: {error}; fetch it from the owner again") from error
        self._folders: dict[str, set[str]] = {"": set()}
        self._files: dict[str, list[str]] = {}
        self._members: dict[str, str] = {}  # clean path -> the archive's own spelling
        clean: set[str] = set()  # folders that are spelled as they should be: most members lie in one of a few
        for member in self._zip.infolist():
            folder, _, name = member.filename.rpartition("/")
            if folder in clean and _PLAIN.fullmatch(name) and not (_is_junk(name) or _is_link(member)):
                self._files.setdefault(folder, []).append(name)
                self._members[member.filename] = member.filename
                continue
            path = inside(member.filename, f"the archive '{file}'")
            if _is_link(member):
                continue  # a symbolic link inside an archive: never followed
            parts = path.split("/")
            if any(map(_is_junk, parts)):
                continue
            depth = len(parts) if member.is_dir() else len(parts) - 1
            for i in range(depth):
                self._folders.setdefault("/".join(parts[:i]), set()).add(parts[i])
                self._folders.setdefault("/".join(parts[: i + 1]), set())
            if not member.is_dir():
                self._files.setdefault("/".join(parts[:-1]), []).append(parts[-1])
                self._members[path] = member.filename
                if folder and path == member.filename:
                    clean.add(folder)

    def folder(self, path: str) -> tuple[list[str], list[str]]:
        if path not in self._folders:
            raise FauError(f"the archive '{self._file}' has no folder '{path}'")
        return sorted(self._folders[path], key=natural), sorted(self._files.get(path, []), key=natural)

    @property
    def members(self) -> Iterable[str]:
        return self._members

    def is_file(self, path: str) -> bool:
        return path in self._members

    def is_folder(self, path: str) -> bool:
        return path in self._folders

    def read(self, path: str) -> bytes:
        if path not in self._members:
            raise FauError(f"the archive '{self._file}' has no file '{path}'")
        return self._zip.read(self._members[path])

    def open(self, path: str) -> IO[bytes]:
        return self._zip.open(self._members[path])
