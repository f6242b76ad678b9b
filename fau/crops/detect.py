"""Faces and their 478 landmarks, found by MediaPipe's Face Landmarker.

MediaPipe is an extra (``pip install 'fau[mediapipe]'``) and comes without its model, a file of 4 MB:
``find_model`` looks for it. docs/alignment.md says how to get both.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.crops.model_file import find_model
from fau.errors import FauError
from fau.landmarks import bounding_box

__all__ = ["SYSTEM_LIBRARIES", "Box", "Face", "Landmarker", "find_model"]

Box = tuple[float, float, float, float]  # x, y, width, height: the pixels of the picture from x to x + width - 1

SYSTEM_LIBRARIES: Final = ("libEGL.so.1", "libGLESv2.so.2")  # what MediaPipe's own library is linked with
_PAD: Final = 0.25  # of the picture's larger side, added on each side for a second look
_AROUND: Final = 0.5  # of a box's larger side, added on each side
_SMALL: Final = 0.2  # of the picture's larger side; smaller faces are looked at again, closely
_GREY: Final = (128, 128, 128)


@dataclass(frozen=True)
class Face:
    """A face in a picture.

    Attributes:
        points: float32 (478, 2), pixels of the picture, centres at integers; some may lie outside.
        box: Around the points.
    """

    points: NDArray[np.float32]
    box: Box


class Landmarker:
    """Finds faces with 478 landmarks each.

    A picture's result depends on that picture alone, not on those before it. Works on the CPU, in the calling
    thread's stead on about one core; not picklable: each process makes its own. Use it in a ``with`` block, or call
    ``close``. MediaPipe would report to Google how it is used; that is switched off here (docs/alignment.md).

    A picture without any face is looked at again with a grey border, in which faces are found that fill their picture.

    Args:
        model: The model file; None looks for one, see ``find_model``.
        max_faces: Faces a picture at most.
        min_score: Least score, 0 to 1, of the detector and of the face's presence at the landmarks. A higher one drops
            what is no face.

    Raises:
        FauError: If MediaPipe is not installed, or the model cannot be found or read.
    """

    def __init__(self, model: Path | None = None, max_faces: int = 5, min_score: float = 0.5) -> None:
        if not 0 <= min_score <= 1 or max_faces < 1:
            raise FauError(f"max_faces = {max_faces}, min_score = {min_score}: give 1 or more and a score from 0 to 1")
        self.model = find_model(model)
        self.max_faces = max_faces
        self.min_score = min_score
        try:
            with _silenced():
                self._mediapipe, self._landmarker = _make(self.model, max_faces, min_score)
                self._ask(np.zeros((64, 64, 3), np.uint8))  # some of what it says comes with the first picture
        except (RuntimeError, ValueError, OSError) as error:
            if any(name in str(error) for name in SYSTEM_LIBRARIES):
                raise FauError(
                    f"MediaPipe needs the system libraries {' and '.join(SYSTEM_LIBRARIES)} ({error}); on Debian and "
                    "Ubuntu: apt-get install libegl1 libgles2"
                ) from error
            raise FauError(
                f"MediaPipe cannot use the model '{self.model}' ({str(error).splitlines()[0]}); give the file "
                "face_landmarker.task as MediaPipe delivers it"
            ) from error
        self._close = weakref.finalize(self, _free, self._landmarker)

    def detect(self, image: NDArray[np.uint8], near: Box | None = None) -> list[Face]:
        """Return the faces of a picture, the largest first.

        In a whole picture MediaPipe misses faces of less than about an eighth of its side, and places the points of
        those below a fifth badly: these are looked at again in a part of the picture, and dropped where that shows no
        face. Where a face is known to be, say so by ``near``: the surroundings of that box are looked at first, and
        the whole picture where they show no face.

        Args:
            image: uint8 (H, W, 3), RGB.
            near: Where a face should be.

        Raises:
            FauError: If it is no such array, or the landmarker was closed.
        """
        if not self._close.alive:
            raise FauError("the Landmarker was closed; make another one")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise FauError(f"faces are looked for in uint8 (H, W, 3), not in {image.dtype} {image.shape}")
        found = [] if near is None else self._ask_near(image, near)
        if not found:
            found = self._closely(image, self._ask(np.ascontiguousarray(image)))
        if not found:
            pad = round(_PAD * max(image.shape[:2]))
            padded = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=_GREY)
            found = [points - np.float32(pad) for points in self._ask(np.asarray(padded, np.uint8))]
        faces = [Face(points, box) for points in found if (box := bounding_box(points)) is not None]
        return sorted(faces, key=lambda face: (-face.box[2] * face.box[3], face.box))

    def _closely(self, image: NDArray[np.uint8], found: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Return faces as they are, and small ones as they look from near; those that are not seen there are none."""
        out: list[NDArray[np.float32]] = []
        for points in found:
            box = bounding_box(points)
            if box is None:
                continue
            if max(box[2:]) < _SMALL * max(image.shape[:2]):
                middle = points.mean(0)
                near = self._ask_near(image, box)
                if not near:
                    continue
                points = min(near, key=lambda other: float(np.hypot(*(other.mean(0) - middle))))
            # Two that were badly placed may turn out to be one.
            if all(np.hypot(*(points.mean(0) - other.mean(0))) > 0.3 * max(box[2:]) for other in out):
                out.append(points)
        return out

    def _ask_near(self, image: NDArray[np.uint8], near: Box) -> list[NDArray[np.float32]]:
        """Return the points of each face about a box."""
        x, y, width, height = near
        reach = _AROUND * max(width, height)
        left, top = max(0, round(x - reach)), max(0, round(y - reach))
        part = image[top : max(0, round(y + height + reach)), left : max(0, round(x + width + reach))]
        if part.size == 0:
            return []
        corner = np.array([left, top], np.float32)
        return [points + corner for points in self._ask(np.ascontiguousarray(part))]

    def _ask(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Return the points of each face.

        MediaPipe divides pixels by width and height. Their centres are at integers: in a picture enlarged by s the
        points move by (s - 1) / 2 beyond s times, which is s (x + 1/2) - 1/2 (measured, see docs/alignment.md).
        """
        height, width = image.shape[:2]
        picture = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=image)
        found = self._landmarker.detect(picture).face_landmarks
        return [np.array([(point.x * width, point.y * height) for point in face], np.float32) for face in found]

    def as_dict(self) -> dict[str, str | int | float]:
        """Return what decides the landmarks, plain JSON values, for a crop set's recipe."""
        with self.model.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {
            "detector": "MediaPipe Face Landmarker",
            "mediapipe": version("mediapipe"),
            "model_sha256": digest,
            "max_faces": self.max_faces,
            "min_score": self.min_score,
        }

    def close(self) -> None:
        """Free the model."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError("a Landmarker cannot be pickled; make one in each process")


def _survive_profiler() -> None:
    """Let Python take SIGPROF for ignored, unless somebody wants it.

    MediaPipe's library carries a profiler whose timers send it all the time, to a handler of which Python knows
    nothing. Whoever restores the handlers that Python knows, as Lightning does at the end of a training, would put back
    the default, which is to end the process.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGPROF) == signal.SIG_DFL:
        signal.signal(signal.SIGPROF, signal.SIG_IGN)


def _make(model: Path, max_faces: int, min_score: float) -> tuple[Any, Any]:
    """Return the package ``mediapipe`` and its landmarker."""
    _survive_profiler()
    try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        raise FauError(
            f"faces are found by MediaPipe, which cannot be imported ({error}); pip install 'fau[mediapipe]', and see "
            "docs/alignment.md about its second OpenCV"
        ) from error

    class PrivateOptions(BaseOptions):  # type: ignore[misc]
        """Options with which MediaPipe trusts no server, so that its reports of use are never sent."""

        def to_ctypes(self) -> Any:
            options = super().to_ctypes()
            options.ca_bundle_path = os.devnull.encode()
            return options

    base = PrivateOptions(model_asset_path=str(model), delegate=BaseOptions.Delegate.CPU)
    options = vision.FaceLandmarkerOptions(
        base_options=base,
        running_mode=vision.RunningMode.IMAGE,
        num_faces=max_faces,
        min_face_detection_confidence=min_score,
        min_face_presence_confidence=min_score,
    )
    return mediapipe, vision.FaceLandmarker.create_from_options(options)


def _free(landmarker: Any) -> None:
    try:
        landmarker.close()
    except RuntimeError:  # at the interpreter's end: the thread that it works in has ended already
        landmarker._handle = None  # what is left for its own __del__ to do: nothing


_SILENCE: Final = threading.Lock()


@contextmanager
def _silenced() -> Iterator[None]:
    """Send what C++ writes to standard error to nowhere: MediaPipe's warnings about itself have no other switch."""
    with _SILENCE:
        try:
            before = os.dup(2)
        except OSError:  # there is no standard error
            yield
            return
        try:
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
