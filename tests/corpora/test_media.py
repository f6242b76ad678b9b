"""Pictures by content, and frames of videos by number, each decoded once."""

from __future__ import annotations

import builtins
import errno
import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from fau.corpora.imagefolder import ImageFolder
from fau.corpora.media import NO_FILE, NO_FRAME, Picture, is_video, read_image, read_pictures
from fau.corpora.table import Table
from fau.corpora.tree import Tree
from fau.errors import FauError

av = pytest.importorskip("av")

FRAMES, SIDE = 24, 64


TEXTURE = np.random.default_rng(0).integers(-8, 9, (SIDE, SIDE, 1))


def frame(number: int) -> NDArray[np.uint8]:
    """A picture whose mean tells its number, after any codec."""
    return np.repeat(np.clip(10 * number + 10 + TEXTURE, 0, 255), 3, 2).astype(np.uint8)


def write_video(file: Any, count: int = FRAMES, kind: str = "avi", codec: str = "mpeg4") -> None:
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=20)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for number in range(count):
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame(number), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_video(str(tmp_path / "a.avi"))
    write_video(str(tmp_path / "b.mp4"), kind="mp4", codec="libx264")
    return tmp_path


def read(root: Path, path: str, positions: list[int | None]) -> list[Picture]:
    rows = pl.DataFrame({"path": [path] * len(positions), "position": pl.Series(positions, dtype=pl.Int32)})
    return list(read_pictures(Tree(root), rows))


def numbers(pictures: list[Picture]) -> list[int | str]:
    return [p.fault if p.image is None else round(float(p.image.mean()) / 10) - 1 for p in pictures]


@pytest.mark.parametrize("path", ["a.avi", "b.mp4"])
def test_frames_by_number(root: Path, path: str) -> None:
    wanted: list[int | None] = [0, 1, 2, 7, 7, 19, 23]
    pictures = read(root, path, wanted)
    assert numbers(pictures) == wanted
    assert pictures[0].image is not None and pictures[0].image.shape == (SIDE, SIDE, 3)


def test_each_frame_is_decoded_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    open_ = Tree.open

    def spy(self: Tree, path: str) -> Any:
        opened.append(path)
        return open_(self, path)

    monkeypatch.setattr(Tree, "open", spy)
    assert numbers(read(root, "a.avi", list(range(FRAMES)))) == list(range(FRAMES))
    assert opened == ["a.avi"]
    assert numbers(read(root, "a.avi", [5, 2])) == [5, 2]  # backwards it starts again
    assert opened == ["a.avi"] * 3


def test_rows_longer_than_the_video(root: Path) -> None:
    assert numbers(read(root, "a.avi", [22, 23, 24, 1000])) == [22, 23, NO_FRAME, NO_FRAME]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("kind", [("avi", "mpeg4"), ("mp4", "libx264")])
def test_videos_in_archives(tmp_path: Path, method: int, kind: tuple[str, str]) -> None:
    content = io.BytesIO()
    write_video(content, kind=kind[0], codec=kind[1])
    with zipfile.ZipFile(tmp_path / "Videos.zip", "w", method) as archive:
        archive.writestr(f"Videos/x.{kind[0]}", content.getvalue())
    assert numbers(read(tmp_path, f"Videos.zip/Videos/x.{kind[0]}", [3, 4, 20])) == [3, 4, 20]


def test_a_truncated_video_gives_what_is_sound(root: Path) -> None:
    content = (root / "a.avi").read_bytes()
    (root / "a.avi").write_bytes(content[: int(len(content) * 0.6)])
    found = numbers(read(root, "a.avi", list(range(FRAMES))))
    sound = [number for number in found if isinstance(number, int)]
    assert 0 < len(sound) < FRAMES and sound == list(range(len(sound)))
    assert all(isinstance(fault, str) and fault for fault in found[len(sound) :])


@pytest.mark.parametrize("content", [b"", b"no video at all", b"RIFF\0\0\0\0AVI LIST"])
def test_a_broken_video_is_a_fault(root: Path, content: bytes) -> None:
    (root / "a.avi").write_bytes(content)
    faults = numbers(read(root, "a.avi", [0, 1]))
    assert all("no video, or a damaged one" in str(fault) or "without video" in str(fault) for fault in faults)


def test_a_video_that_is_a_picture(root: Path) -> None:
    """A still image under a video's name is a video of one frame."""
    cv2.imwrite(str(root / "c.png"), frame(3))
    (root / "c.png").rename(root / "c.avi")
    assert numbers(read(root, "c.avi", [0, 1])) == [3, NO_FRAME]


def test_a_missing_file_is_a_fault(root: Path) -> None:
    assert numbers(read(root, "none.avi", [0])) == [NO_FILE]
    assert numbers(read(root, "none.jpg", [None])) == [NO_FILE]
    (root / "folder.jpg").mkdir()
    assert numbers(read(root, "folder.jpg", [None])) == [NO_FILE]


@pytest.mark.parametrize("path", ["a.avi", "c.jpg"])
def test_what_may_not_be_read_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    def deny(self: Path, *args: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", deny)
    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(FauError, match=f"{path}' cannot be .*Permission denied"):
        read(root, path, [0])


def test_a_disk_that_fails_on_the_way(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.BytesIO):
        def read(self, *args: Any) -> bytes:
            if self.tell() > 8000:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(*args)

    content = (root / "a.avi").read_bytes()
    monkeypatch.setattr(Tree, "open", lambda self, path: Failing(content))
    with pytest.raises(FauError, match=r"a\.avi' cannot be read: Input/output error"):
        read(root, "a.avi", list(range(FRAMES)))


def test_without_pyav(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_ = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "av":
            raise ImportError(name)
        return import_(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(FauError, match=r"'a.avi' is a video, for which PyAV is needed; install it: pip install 'fau"):
        read(root, "a.avi", [0])


# The display matrix of an MP4 in a track's header, 16.16 and 2.30 fixed point, as phones write it when they are turned.
QUARTERS = {90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), 270: (0, 1, -1, 0)}


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_phones_video_is_turned_as_players_turn_it(tmp_path: Path, degrees: int) -> None:
    image = np.zeros((32, 64, 3), np.uint8)
    image[:16, :32] = (255, 0, 0)
    image[16:, 32:] = (0, 0, 255)
    file = tmp_path / "phone.mp4"
    with av.open(str(file), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    content = file.read_bytes()
    at = content.index(b"tkhd") + 44
    assert struct.unpack(">9i", content[at : at + 36]) == (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    if degrees:
        a, b, c, d = (value << 16 for value in QUARTERS[degrees])
        content = content[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + content[at + 36 :]
        file.write_bytes(content)
    (picture, *_) = read(tmp_path, "phone.mp4", [0, 2])
    found, shown = cv2.VideoCapture(str(file)).read()
    assert found and picture.image is not None and picture.image.flags.c_contiguous
    assert picture.image.shape == ((64, 32, 3) if degrees in (90, 270) else (32, 64, 3)) == shown.shape
    assert np.abs(picture.image.astype(int) - shown[..., ::-1]).mean() < 8


# Images.


@pytest.mark.parametrize("ending", [".png", ".jpg", ".bmp", ".webp", ".tif"])
def test_images_are_read_by_content(ending: str) -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    image[..., 0] = 200  # red
    content = cv2.imencode(ending, np.ascontiguousarray(image[..., ::-1]))[1].tobytes()
    picture = read_image(content)
    assert picture.image is not None and picture.image.flags.c_contiguous and picture.image.dtype == np.uint8
    assert picture.image.shape == (20, 30, 3) and np.abs(picture.image.astype(int) - image).max() < 12


def exif(jpeg: bytes, orientation: int) -> bytes:
    """Give a JPEG an EXIF orientation."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff + jpeg[2:]


def test_exif_turns_a_picture_only_where_nothing_counts_its_pixels(tmp_path: Path) -> None:
    image = np.zeros((16, 32, 3), np.uint8)
    image[:8] = 200
    (tmp_path / "happy").mkdir()
    content = exif(cv2.imencode(".jpg", image)[1].tobytes(), 3)  # upside down
    (tmp_path / "happy" / "1.jpg").write_bytes(content)
    (stored,) = read(tmp_path, "happy/1.jpg", [None])
    assert stored.image is not None and stored.image[0].min() > 150 > stored.image[-1].max()
    corpus = ImageFolder(tmp_path)
    (turned,) = corpus.pictures(corpus.list().rows)
    assert turned.image is not None and np.array_equal(turned.image, stored.image[::-1, ::-1])
    table = tmp_path / "labels.csv"
    for columns, wanted in (("", turned), (",face_x,face_y,face_w,face_h", stored)):
        cells = ",1,1,9,9" if columns else ""
        table.write_text(f"path,expression{columns}\nhappy/1.jpg,happy{cells}\n")
        reader = Table(tmp_path)
        (picture,) = reader.pictures(reader.list().rows)
        assert picture.image is not None and wanted.image is not None and np.array_equal(picture.image, wanted.image)


def test_grey_and_alpha() -> None:
    grey = read_image(cv2.imencode(".png", np.full((4, 5), 7, np.uint8))[1].tobytes())
    assert grey.image is not None and grey.image.tolist() == np.full((4, 5, 3), 7).tolist()
    alpha = read_image(cv2.imencode(".png", np.full((4, 5, 4), (1, 2, 3, 0), np.uint8))[1].tobytes())
    assert alpha.image is not None and alpha.image[0, 0].tolist() == [3, 2, 1]


@pytest.mark.parametrize("ending", [".png", ".jpg", ".bmp", ".webp", ".tif"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_image_is_a_fault(ending: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    content = cv2.imencode(ending, noise)[1].tobytes()
    assert read_image(content[: int(share * len(content))]) == Picture(None, "no image, or a truncated one")


def test_a_damaged_archive_member_is_a_fault(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
            archive.writestr("a.bmp", cv2.imencode(".bmp", frame(3))[1].tobytes())
            archive.writestr("b.bmp", cv2.imencode(".bmp", frame(4))[1].tobytes())
        content = bytearray((tmp_path / "x.zip").read_bytes())
        content[45:60] = bytes(range(15))
        (tmp_path / "x.zip").write_bytes(content)
        assert numbers(read(tmp_path, "x.zip/a.bmp", [None])) == ["damaged inside its archive"]
        assert numbers(read(tmp_path, "x.zip/b.bmp", [None])) == [4]
        assert numbers(read(tmp_path, "x.zip/c.bmp", [None])) == [NO_FILE]


def test_what_is_a_video() -> None:
    assert is_video("Videos/LeftVideoSN001_comp.AVI") and not is_video("avi/001.jpg")
