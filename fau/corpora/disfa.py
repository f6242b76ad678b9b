"""DISFA, from its videos or from frames that were extracted from them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.codefiles import decode_files, decode_frames, one_image_each, read_csv, unpacked
from fau.corpora.disfa_files import Files, landmark_files, scan
from fau.corpora.disfa_published import bad_frames, published
from fau.corpora.join import join_labels
from fau.corpora.losses import BAD_TRACKING, NO_IMAGE, NOT_CODED, Losses
from fau.corpora.matlab import read_array
from fau.errors import FauError
from fau.labels import LABEL_SETS, MAX_INTENSITY, au_column, intensity_column
from fau.units import counted

_NUMBER = r"(\d{1,9})\.[^.]+$"  # the last number of an image's name: 0.png, 00001.jpg, frame-1.jpg, ..._comp_0001.png
_POINTS_66 = np.delete(np.arange(68), [60, 64])  # the 66 are the 68 without the inner corners of the mouth
_KEYS = ["sequence", "frame"]
_Texts = list[str]  # inside the class, `list` is the method


class DISFA(Corpus):
    """DISFA as the University of Denver delivers it, or with frames that were extracted from its videos.

    Labels are searched as ``SN001_au1.txt``, videos by ``SN001`` and ``Left`` or ``Right`` in their path, images by
    ``SN001`` in it and by the last number of their name, landmarks as ``SN001_0000_lm.mat`` (numbers from 0) or
    ``l00001_lm.mat`` (from 1), anywhere under the root, unpacked or in archives. Occurrence is intensity of at least
    ``occurrence_threshold``. Frames are numbered from 1, as in the label files; row t of a video is its frame t + 1.
    That landmarks count pixels from 1 is inferred.

    Args:
        root: The folder that the owner delivered, or one zip archive of it.
        camera: Which of the two videos: they have the same labels, and the landmarks belong to the left one.
        source: Where pictures come from; ``auto``: from the videos if there are any, else from extracted frames.
        first_frame: Number in the name of the first extracted frame; ``auto``: the least number that occurs.
        occurrence_threshold: Least intensity that counts as present; 2 in the usual protocol, 1 in OpenGraphAU's.
        drop_bad_tracking: Leave out the 4,670 frames that JAA-Net leaves out because their landmarks are wrong.
    """

    name: ClassVar[str] = "disfa"
    title: ClassVar[str] = "DISFA"
    ask: ClassVar[str] = (
        "University of Denver, Computer Vision and Social Robotics Laboratory (Mohammad Mahoor); request"
    )
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign("intensity codes", ("SN[0-9][0-9][0-9]_au*.txt",)),
        Sign(
            "videos or extracted frames",
            (
                *("*VideoSN[0-9][0-9][0-9]_comp*", "*VideoSN[0-9][0-9][0-9]_comp*/*.*"),
                *("SN[0-9][0-9][0-9]/*.png", "SN[0-9][0-9][0-9]/*.jpg"),
            ),
        ),
        Sign("landmarks", ("SN[0-9][0-9][0-9]/*/*_lm.mat",), needed=False),
    )
    aus: tuple[int, ...] = LABEL_SETS["disfa12"]
    landmark_set: str = "68"
    protocol: str = "disfa3"

    def __init__(
        self,
        root: Path,
        *,
        camera: Literal["left", "right"] = "left",
        source: Literal["auto", "video", "frames"] = "auto",
        first_frame: Literal["auto", "0", "1"] = "auto",
        occurrence_threshold: int = 2,
        drop_bad_tracking: bool = False,
    ) -> None:
        super().__init__(root)
        if not 1 <= occurrence_threshold <= MAX_INTENSITY:
            raise FauError(
                f"occurrence_threshold is {occurrence_threshold}; choose an intensity from 1 to {MAX_INTENSITY}"
            )
        self.camera = camera
        self.source = source
        self.first_frame = first_frame
        self.occurrence_threshold: int | None = occurrence_threshold
        self.drop_bad_tracking = drop_bad_tracking
        self.published = published(occurrence_threshold, drop_bad_tracking)
        self._folders: dict[str, _Texts] | None = None  # landmark folders of each subject, once known
        self._points: dict[str, dict[int, str]] = {}  # landmark file of each frame, for subjects that were asked for

    def list(self) -> Listing:
        """Return a row for each coded frame that has a video or an image; see ``Corpus.list``.

        Whether a video is as long as its labels shows when it is read: no video is opened here.

        Raises:
            FauError: If there are no codes or no pictures, a code file has an unknown code, an unknown action unit or a
                frame twice, two files claim to be the same, or the number of the first frame contradicts the names.
        """
        files = scan(self.tree, self.camera)
        losses = Losses()
        found: list[str] = []
        if not files.labels:
            raise FauError(
                f"'{self.tree.root}' has no intensity codes of DISFA (SN001_au1.txt); give the folder that holds "
                "ActionUnit_Labels and the videos"
            )
        labels = self._labels(files, found)
        if self.source == "video" or (self.source == "auto" and files.videos):
            rows = self._from_videos(files, labels, losses, found)
        else:
            rows = self._from_images(files, labels, losses, found)
        rows = rows.with_columns(id=pl.format("{}/{}", "sequence", "frame"), subject=pl.col("sequence"))
        if self.drop_bad_tracking:
            losses.add(BAD_TRACKING, rows.join(bad_frames(), on=_KEYS, how="semi", maintain_order="left")["id"])
            rows = rows.join(bad_frames(), on=_KEYS, how="anti")
        self._folders = files.points if self.camera == "left" else {}
        self.landmark_set = "68" if self._folders else "none"
        if self._folders:
            bad = len(rows.join(bad_frames(), on=_KEYS, how="semi"))
            known = f"; those of {bad:,} frames are known to be wrong (--drop-bad-tracking)" if bad else ""
            found.append(f"landmarks of {len(self._folders)} subjects{known}")
        else:
            found.append("no landmarks for these pictures; align with MediaPipe")
        return Listing(to_rows(rows.sort("subject", "frame"), self.aus), losses, found)

    def landmarks(self, rows: pl.DataFrame) -> NDArray[np.float32]:
        """Return the owner's points of rows, shape (n, 68, 2), pixels from 0.

        The owner has 66 points: the inner corners of the mouth, 60 and 64, are NaN; so are all points of a frame whose
        file is missing. Where tracking is bad, points are as the owner has them.

        Raises:
            FauError: If a landmark file cannot be read or does not hold 66 points, or the camera is the right one.
        """
        if self.camera == "right":
            raise FauError("DISFA's landmarks belong to the left camera; use --camera left, or align with MediaPipe")
        if self._folders is None:
            self._folders = scan(self.tree, self.camera).points
        points = np.full((len(rows), 68, 2), np.nan, np.float32)
        for place, (subject, frame) in enumerate(rows.select("subject", "frame").iter_rows()):
            if subject not in self._points:
                self._points[subject] = landmark_files(self.tree, self._folders.get(subject, []))
            path = self._points[subject].get(frame)
            if path is None:
                continue
            array = read_array(self.tree, path, "pts")
            if array.shape != (66, 2):
                raise FauError(f"'{self.tree.root / path}' holds an array of shape {array.shape}, not 66 points")
            points[place, _POINTS_66] = array - 1  # MATLAB counts pixels from 1
        return points

    def _labels(self, files: Files, found: _Texts) -> pl.DataFrame:
        """Return ``sequence`` (the subject), ``frame`` and the codes of every coded frame."""
        parts = []
        for (subject, au), paths in files.labels.items():
            path = unpacked(paths, "ActionUnit_Labels", f"the codes of AU {au} in {subject}")
            where = str(self.tree.root / path)
            if au not in self.aus:
                raise FauError(f"'{where}' codes AU {au}, which DISFA does not; move it out of the folder")
            table = read_csv(self.tree, path)
            if table.is_empty():
                found.append(f"'{path}' is empty: AU {au} of {subject} is not known")
                continue
            if table.width != 2:
                raise FauError(f"'{where}' has {table.width} columns, where frame and intensity belong")
            parts.append(
                table.select(
                    pl.lit(subject).alias("sequence"),
                    pl.col("cell_0").alias("frame"),
                    pl.col("cell_1").alias("code"),
                    pl.lit(au, pl.Int16).alias("au"),
                    pl.lit(where).alias("file"),
                )
            )
        if not parts:
            raise FauError(f"every code file under '{self.tree.root}' is empty; fetch them from the owner again")
        table = decode_frames(pl.concat(parts))
        if len(early := table.filter(pl.col("frame") == 0)):
            raise FauError(
                f"'{early['file'][0]}' counts frames from 0, DISFA's files from 1, so that its labels would lie one "
                "frame early; add 1 to its numbers, or fetch it from the owner again"
            )
        table = table.with_columns(decode_files(table, "code", "intensity", range(MAX_INTENSITY + 1)).alias("code"))
        wide = table.pivot("au", index=_KEYS, values="code", sort_columns=True)
        names = {str(au): intensity_column(au) for au in self.aus if str(au) in wide.columns}
        wide = wide.rename(names).drop_nulls("frame")
        for subject in sorted({subject for subject, _ in files.labels}):
            missing = [au for au in self.aus if (subject, au) not in files.labels]
            if missing:
                found.append(f"{subject} has no codes of AU {', '.join(map(str, missing))}; they stay unknown")
        present = [
            (pl.col(intensity_column(au)) >= self.occurrence_threshold).cast(pl.Int8).alias(au_column(au))
            for au in self.aus
            if intensity_column(au) in wide.columns
        ]
        return wide.with_columns(present)

    def _from_videos(self, files: Files, labels: pl.DataFrame, losses: Losses, found: _Texts) -> pl.DataFrame:
        if not files.videos:
            raise FauError(
                f"'{self.tree.root}' has no videos of the {self.camera} camera; give the folder that holds "
                "Videos_LeftCamera and ActionUnit_Labels"
            )
        chosen = {s: unpacked(paths, "Videos_LeftCamera", f"the video of {s}") for s, paths in files.videos.items()}
        videos = pl.DataFrame({"sequence": list(chosen), "path": list(chosen.values())})
        found.append(f"pictures come from {len(videos)} videos, such as '{videos['path'][0]}'")
        if files.images:
            found.append(f"{len(files.images):,} extracted frames are not used; --source frames takes them")
        losses.add(NOT_CODED, videos.join(labels, on="sequence", how="anti")["path"])
        missing = labels.join(videos, on="sequence", how="anti")
        losses.add(NO_IMAGE, missing.select(pl.format("{}/{}", "sequence", "frame")).to_series())
        rows = labels.join(videos, on="sequence", how="inner", maintain_order="left")
        return rows.with_columns(position=pl.col("frame") - 1)

    def _from_images(self, files: Files, labels: pl.DataFrame, losses: Losses, found: _Texts) -> pl.DataFrame:
        if not files.images:
            raise FauError(
                f"'{self.tree.root}' has neither videos nor extracted frames of the {self.camera} camera; give the "
                "folder that holds them and ActionUnit_Labels"
            )
        images = pl.DataFrame(files.images, schema=["sequence", "path"], orient="row")
        images = images.with_columns(number=pl.col("path").str.extract(_NUMBER, 1).cast(pl.Int32))
        losses.add("image without a frame number in its name", images.filter(pl.col("number").is_null())["path"])
        images = images.drop_nulls("number")
        if images.is_empty():
            raise FauError(f"no image name under '{self.tree.root}' has a frame number; name them as in SN001/0001.png")
        first = self._first(images, labels)
        images = images.with_columns(frame=pl.col("number") - first + 1).drop("number")
        images, archived = one_image_each(images, _KEYS)
        if archived:
            found.append(f"unpacked and in archives: {counted(archived, 'image')}; the unpacked ones are used")
        names = images["path"].str.extract(r"([^/]+)$", 1).str.replace(r"\d+(\.[^.]+)$", "#$1")
        likes = names.str.replace(r"(?i)SN\d{3}", "SN###").unique(maintain_order=True).to_list()
        how = "the least number that occurs" if self.first_frame == "auto" else "as declared"
        found.append(
            f"pictures are extracted frames named {', '.join(likes)}; the first frame is number {first} ({how})"
        )
        return join_labels(images, labels, _KEYS, losses)

    def _first(self, images: pl.DataFrame, labels: pl.DataFrame) -> int:
        """Return the number of the first frame in the names of images."""
        least = images.group_by("sequence").agg(pl.col("number").min()).sort("number", "sequence")
        low = int(least["number"][0])
        if self.first_frame != "auto":
            if low < int(self.first_frame):
                raise FauError(
                    f"an extracted frame of {least['sequence'][0]} has number {low}, before the first frame "
                    f"{self.first_frame}; use --first-frame {low}"
                )
            return int(self.first_frame)
        if low > 1 or least["number"].n_unique() > 1:
            raise FauError(
                f"extracted frames of {least['sequence'][0]} start with number {low}, those of {least['sequence'][-1]} "
                f"with {least['number'][-1]}; say which number the first frame of a video has: --first-frame 0 or 1"
            )
        # Without 0.png, frames that count from 0 look like frames that count from 1, but for their end. SN010 has one
        # code less than frames, so that not all subjects need to show it.
        ends = images.group_by("sequence").agg(pl.col("number").max())
        ends = ends.join(labels.group_by("sequence").agg(pl.col("frame").max()), on="sequence").sort("sequence")
        early = ends.filter(pl.col("number") == pl.col("frame") - 1)
        if low == 1 and 2 * len(early) > len(ends):
            raise FauError(
                f"extracted frames of {early['sequence'][0]} have numbers 1 to {early['number'][0]}, its codes 1 to "
                f"{early['frame'][0]}: either the first frame is missing, which was number 0, or the last; say which "
                "number the first frame of a video has: --first-frame 0 or 1"
            )
        return low
