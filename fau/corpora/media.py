"""Pictures of a tree: images by content, frames of videos decoded once."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.tree import Tree
from fau.errors import FauError

VIDEO_ENDINGS = (".avi", ".mp4", ".m4v", ".mkv", ".mov", ".mpg", ".mpeg", ".webm", ".wmv")

# Faults by which a row had no picture at all, rather than one that cannot be read.
NO_FILE = "the file is missing"
NO_FRAME = "the video ends before this frame"


@dataclass(frozen=True)
class Picture:
    """A picture, or why there is none.

    Attributes:
        image: uint8 (H, W, 3), RGB; None where it cannot be read.
        fault: Why not, a few words; empty where it can.
    """

    image: NDArray[np.uint8] | None
    fault: str = ""


def is_video(path: str) -> bool:
    """Tell by its name whether a file is a video."""
    return path.lower().endswith(VIDEO_ENDINGS)


def read_image(content: bytes, upright: bool = False) -> Picture:
    """Decode an image by its content, whatever its name; grey becomes RGB, an alpha channel is dropped.

    Args:
        content: The file's.
        upright: Whether to turn it as its EXIF orientation says; else pixels stay as they are stored.
    """
    data = np.frombuffer(content, np.uint8)
    way = cv2.IMREAD_COLOR if upright else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(data, way) if len(data) else None
    except cv2.error:  # more pixels than OpenCV takes, or a header that lies
        image = None
    if image is None:
        return Picture(None, "no image, or a truncated one")
    return Picture(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image), np.uint8))


def read_pictures(tree: Tree, rows: pl.DataFrame, upright: bool = False) -> Iterator[Picture]:
    """Yield the picture of each row, in order.

    A file that is missing or whose content is broken gives a picture without image; one that the operating system
    refuses to read is an error, since its owner can mend that.

    Args:
        tree: Where the files are.
        rows: With ``path`` and ``position``, as in ``fau.corpora.base.row_schema``; frames of a video in ascending
            order, so that each is decoded once.
        upright: Whether to turn images as their EXIF orientation says.

    Raises:
        FauError: If a file may not be read, or videos are to be read and PyAV is not installed.
    """
    pairs = zip(rows["path"], rows["position"], strict=True)
    for path, group in groupby(pairs, key=lambda pair: pair[0]):
        positions = [position for _, position in group]
        if is_video(path):
            yield from read_frames(tree, path, [0 if position is None else position for position in positions])
        else:
            picture = _read_file(tree, path, upright)
            yield from (picture for _ in positions)


def _read_file(tree: Tree, path: str, upright: bool) -> Picture:
    try:
        return read_image(tree.read(path), upright)
    except FauError as error:
        return Picture(None, _fault(tree, path, error))
    except zlib.error:
        return Picture(None, "damaged inside its archive")


def _fault(tree: Tree, path: str, error: FauError) -> str:
    """Return why a file of a tree has no content; raise again where the operating system refuses it."""
    if isinstance(error.__cause__, OSError) and not isinstance(
        error.__cause__, (FileNotFoundError, NotADirectoryError, IsADirectoryError)
    ):
        raise error
    return "damaged inside its archive" if tree.is_file(path) else NO_FILE


def read_frames(tree: Tree, path: str, positions: list[int]) -> Iterator[Picture]:
    """Yield frames of a video by their number.

    A frame's number counts the frames that come before it in the stream, from 0, whatever their time stamps say.
    Behind a place that cannot be decoded nothing is certain of its number any more: all later frames are faults.
    A frame is turned as the video's display matrix says, which phones write and players, FFmpeg and OpenCV obey: pixels
    are where those who annotated them saw them.

    Args:
        tree: Where the video is, in an archive or not.
        path: The video.
        positions: The numbers, ascending for speed; a smaller one than before starts from the beginning again.

    Raises:
        FauError: If the video may not be read, or PyAV is not installed.
    """
    frames = _decode(tree, path)
    at, here = -1, Picture(None, NO_FRAME)
    for position in positions:
        if position < at:
            frames.close()
            frames, at = _decode(tree, path), -1
        while at < position:
            at += 1
            frame = next(frames)
            if at == position:
                here = frame if isinstance(frame, Picture) else _upright(frame)
        yield here
    frames.close()


def _upright(frame: Any) -> Picture:
    """Return a decoded frame, turned by the quarters that its display matrix asks for (degrees, counterclockwise)."""
    image = frame.to_ndarray(format="rgb24")
    return Picture(np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90))))


def _decode(tree: Tree, path: str) -> Generator[Any]:
    """Yield the frames of a video, then for ever why there are no more."""
    try:
        import av
    except ImportError:
        raise FauError(f"'{path}' is a video, for which PyAV is needed; install it: pip install 'fau[video]'") from None

    end = Picture(None, NO_FRAME)
    try:
        with tree.open(path) as stream, av.open(stream, mode="r") as container:
            if not container.streams.video:
                end = Picture(None, "a file without video")
            else:
                video = container.streams.video[0]
                video.codec_context.thread_count = 1  # one process a core does the rest
                yield from container.decode(video)
    except FauError as error:
        end = Picture(None, _fault(tree, path, error))
    except av.FFmpegError as error:
        end = Picture(None, f"no video, or a damaged one: {error.strerror}")
    except OSError as error:  # of the stream's reading, not of what was read
        raise FauError(f"'{tree.root / path}' cannot be read: {error.strerror or error}") from error
    except (zlib.error, zipfile.BadZipFile):
        end = Picture(None, "damaged inside its archive")
    while True:
        yield end
