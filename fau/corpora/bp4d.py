"""BP4D (BP4D-Spontaneous), in the owner's folders or in those of FERA-2015."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.codefiles import decode_files, decode_frames, one_image_each, read_csv, unpacked
from fau.corpora.join import join_labels
from fau.corpora.losses import NOT_ANNOTATED, OCCLUDED, Losses
from fau.corpora.matlab import read_cells
from fau.corpora.tree import join
from fau.errors import FauError
from fau.labels import au_column, intensity_column
from fau.units import counted

INTENSITY_AUS = (6, 10, 12, 14, 17)

_Texts = list[str]  # inside the class, `list` is the method

_FRAMES = re.compile(r"(?:^|/)([FM]\d{3})(?:\.zip)?/(T\d+)(?:\.zip)?$", re.IGNORECASE)  # a folder of frames
_LABELS = re.compile(r"^([FM]\d{3})_(T\d+)(?:_AU(\d+))?\.csv$", re.IGNORECASE)
_POINTS = re.compile(r"^([FM]\d{3})_(T\d+)\.mat$", re.IGNORECASE)
_IMAGE = r"(?i)\.(?:jpe?g|png|bmp)$"
_KEYS = ["sequence", "frame"]

# Codes of FACS for movements; 70..74 are codes of visibility, and beyond 98 there is none.
_MOVEMENTS = frozenset([*range(1, 70), *range(80, 99)])

_SUBJECTS = {
    **{"F001": 3934, "F002": 3937, "F003": 3700, "F004": 3737, "F005": 3915, "F006": 3576, "F007": 3573, "F008": 3695},
    **{"F009": 3297, "F010": 3266, "F011": 3732, "F012": 3543, "F013": 3434, "F014": 3490, "F015": 3451, "F016": 3510},
    **{"F017": 3823, "F018": 3525, "F019": 3489, "F020": 3646, "F021": 3447, "F022": 3593, "F023": 3726, "M001": 4153},
    **{"M002": 3833, "M003": 3379, "M004": 3521, "M005": 3271, "M006": 3572, "M007": 3684, "M008": 3291, "M009": 3290},
    **{"M010": 3298, "M011": 3469, "M012": 3609, "M013": 3613, "M014": 3483, "M015": 3664, "M016": 3648, "M017": 3542},
    **{"M018": 3488},
}
# Positives of the twelve benchmark units over the three parts of the usual protocol, which are all subjects.
_POSITIVES = {
    **{1: 31042, 2: 25110, 4: 29755, 6: 67676, 7: 80616, 10: 87270, 12: 82530, 14: 68375, 15: 24869, 17: 50406},
    **{23: 24288, 24: 22229},
}


@dataclass
class _Files:
    """What a delivery holds, by sequence (``F001/T1``); where several files claim the same, all of them."""

    occurrence: dict[str, list[str]] = field(default_factory=dict)
    intensity: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    points: dict[str, list[str]] = field(default_factory=dict)
    folders: list[tuple[str, str]] = field(default_factory=list)  # folder, sequence
    names: list[str] = field(default_factory=list)  # of the files in these folders, one folder after the other
    sizes: list[int] = field(default_factory=list)  # how many names each folder has


class BP4D(Corpus):
    """BP4D as Binghamton University delivers it, and its FERA-2015 delivery.

    Frames are searched as ``F001/T1/2440.jpg`` anywhere under the root, unpacked or in an archive for each subject or
    task; occurrence as ``F001_T1.csv`` (``AUCoding/AU_OCC`` or ``AUCoding``), intensity as ``F001_T1_AU06.csv``
    (``AUCoding/AU_INT/AU06`` or ``AU Intensity Codes3.0/AU06``), landmarks as ``F001_T1.mat``. The folders of the
    frames and the archives are recalled, not seen; that landmarks count pixels from 1 is inferred.

    Args:
        root: The folder that the owner delivered, or one zip archive of it.
        occlusion: Whether the last column of an occurrence file is not an action unit but tells that the face is
            occluded (1), so that the frame is left out. ``auto``: it is, if its heading is no FACS code of a movement;
            ``last``: it is, as in FERA-2015's own reader; ``none``: it is not.
        image_offset: What must be added to a coded frame's number to get the number in the name of its image.
    """

    name: ClassVar[str] = "bp4d"
    title: ClassVar[str] = "BP4D"
    ask: ClassVar[str] = "Binghamton University, Graphics and Image Computing Laboratory (Lijun Yin); signed request"
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign("occurrence codes of tasks 2 to 5", ("[FM]0??_T[2345].csv",)),
        Sign("frames", ("[FM]0??/T?/*.jpg", "[FM]0??.zip/T?/*.jpg", "[FM]0??/T?.zip/*.jpg")),
        Sign("intensity codes", ("[FM]0??_T?_AU??.csv",), needed=False),
        Sign("tracked landmarks", ("2DFeatures/[FM]0??_T?.mat",), needed=False),
    )
    aus: tuple[int, ...] = (
        *(1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 26, 27, 32, 38, 39),
    )
    landmark_set: str = "49"
    protocol: str = "bp4d3"
    published: Mapping[str, int] = {
        **{"crops": 146_847, "subjects": 41, "sequences": 328},
        **_SUBJECTS,
        **{au_column(au): count for au, count in _POSITIVES.items()},
    }

    def __init__(
        self, root: Path, *, occlusion: Literal["auto", "last", "none"] = "auto", image_offset: int = 0
    ) -> None:
        super().__init__(root)
        self.occlusion = occlusion
        self.image_offset = image_offset
        self._points: dict[str, str] | None = None  # landmark file of each sequence, once known

    def list(self) -> Listing:
        """Return a row for each coded frame that has an image; see ``Corpus.list``.

        Raises:
            FauError: If there are no codes or no frames, a code file has an unknown code, a foreign column or a frame
                twice, or two files claim to be the same.
        """
        files = self._scan()
        losses = Losses()
        found: _Texts = []
        if not files.occurrence and not files.intensity:
            raise FauError(
                f"'{self.tree.root}' has no action unit codes of {self.title} (F001_T1.csv); give the folder that "
                "holds AUCoding and the frames"
            )
        images = self._images(files, losses, found)
        labels = self._labels(files, found)
        rows = join_labels(images, labels, _KEYS, losses)
        rows = rows.with_columns(pl.format("{}/{}", "sequence", "frame").alias("id"))
        losses.add(OCCLUDED, rows.filter(pl.col("occluded") == 1)["id"])
        rows = rows.filter(pl.col("occluded").fill_null(0) == 0)
        codes = [au_column(au) for au in self.aus] + [intensity_column(au) for au in INTENSITY_AUS]
        losses.add(NOT_ANNOTATED, rows.filter(pl.all_horizontal(pl.col(codes).is_null()))["id"])
        rows = rows.filter(pl.any_horizontal(pl.col(codes).is_not_null()))
        task = pl.col("sequence").str.extract(r"(\d+)$", 1).cast(pl.Int32)
        rows = rows.with_columns(pl.col("sequence").str.head(4).alias("subject")).sort("subject", task, "frame")
        return Listing(to_rows(rows.drop("occluded"), self.aus), losses, found)

    def landmarks(self, rows: pl.DataFrame) -> NDArray[np.float32]:
        """Return the tracked points of rows, shape (n, 49, 2), pixels from 0; NaN where tracking failed.

        Raises:
            FauError: If a landmark file cannot be read or does not hold 49 points a frame.
        """
        if self._points is None:
            self._points = _best(self._scan().points, "2DFeatures", "the landmarks of {}")
        points = np.full((len(rows), 49, 2), np.nan, np.float32)
        keyed = rows.select("sequence", "frame").with_row_index("place")
        for (sequence,), part in keyed.group_by("sequence", maintain_order=True):
            path = self._points.get(str(sequence))
            if path is None:
                continue
            cells = read_cells(self.tree, path, "fit.pred", [frame - 1 for frame in part["frame"]])
            for place, cell in zip(part["place"], cells, strict=True):
                if cell is not None:
                    points[place] = self._points49(cell, path) - 1  # MATLAB counts pixels from 1
        return points

    def _points49(self, cell: NDArray[np.float64], path: str) -> NDArray[np.float64]:
        if cell.shape == (2, 49):
            return cell.T
        if cell.shape == (49, 2):
            return cell
        raise FauError(f"'{self.tree.root / path}' holds an array of shape {cell.shape} where 49 points belong")

    def _scan(self) -> _Files:
        """Look at every name under the root once."""
        files = _Files()
        for folder, names in self.tree.walk():
            if match := _FRAMES.search(folder):
                files.folders.append((folder, f"{match[1]}/{match[2]}".upper()))
                files.names += names
                files.sizes.append(len(names))
                continue
            for name in names:
                if match := _LABELS.match(name):
                    sequence = f"{match[1]}/{match[2]}".upper()
                    if match[3] is None:
                        files.occurrence.setdefault(sequence, []).append(join(folder, name))
                    else:
                        files.intensity.setdefault((sequence, int(match[3])), []).append(join(folder, name))
                elif match := _POINTS.match(name):
                    files.points.setdefault(f"{match[1]}/{match[2]}".upper(), []).append(join(folder, name))
        return files

    def _images(self, files: _Files, losses: Losses, found: _Texts) -> pl.DataFrame:
        """Return ``sequence``, ``frame`` and ``path`` of every frame image, whatever the padding of its number."""
        which = np.repeat(np.arange(len(files.sizes)), files.sizes)
        folders = pl.DataFrame(files.folders, schema=["folder", "sequence"], orient="row").with_row_index("which")
        images = pl.DataFrame({"name": pl.Series(files.names, dtype=pl.String), "which": which.astype(np.uint32)})
        images = images.filter(pl.col("name").str.contains(_IMAGE))
        if images.is_empty():
            raise FauError(
                f"'{self.tree.root}' has codes of {self.title} but no frames (F001/T1/2440.jpg); give the folder that "
                "holds both, or bring them together by a symbolic link"
            )
        images = images.join(folders, on="which", maintain_order="left").select(
            "sequence",
            pl.col("name").str.extract(r"^(\d{1,9})\.", 1).alias("digits"),
            pl.format("{}/{}", "folder", "name").alias("path"),
        )
        losses.add("image without a frame number in its name", images.filter(pl.col("digits").is_null())["path"])
        images = images.drop_nulls("digits")
        widths = images["digits"].str.len_bytes().unique().sort().to_list()
        if len(widths) > 1:
            found.append(f"numbers in image names have {', '.join(map(str, widths))} digits; they are read as numbers")
        images = images.select("sequence", (pl.col("digits").cast(pl.Int32) - self.image_offset).alias("frame"), "path")
        images, archived = one_image_each(images, _KEYS)
        if archived:
            found.append(f"unpacked and in archives: {counted(archived, 'image')}; the unpacked ones are used")
        return images

    def _labels(self, files: _Files, found: _Texts) -> pl.DataFrame:
        """Return ``sequence``, ``frame``, ``occluded`` and the codes of every coded frame."""
        occurrence = _best(files.occurrence, "AU_OCC", "the occurrence codes of {}")
        labels = self._occurrence(occurrence, found)
        owners = sum("/au_occ/" in f"/{path}".lower() for path in occurrence.values())
        layout = "AU_OCC" if owners else "FERA-2015's folders" if occurrence else "no occurrence codes"
        found.append(f"{len(occurrence):,} occurrence and {len(files.intensity):,} intensity files ({layout})")
        framed = {sequence for _, sequence in files.folders}
        lacking = sorted({sequence for sequence, _ in files.intensity} & framed - occurrence.keys())
        if occurrence and lacking:
            found.append(
                f"frames and intensity codes but no occurrence file: {counted(len(lacking), 'sequence')}, "
                + ", ".join(lacking)
            )
        for au in INTENSITY_AUS:
            paths = {sequence: paths for (sequence, number), paths in files.intensity.items() if number == au}
            chosen = _best(paths, "AU_INT", f"the intensity codes of AU {au} in {{}}")
            labels = labels.join(self._intensity(chosen, au), on=_KEYS, how="full", coalesce=True)
        foreign = sorted({au for _, au in files.intensity} - set(INTENSITY_AUS))
        if foreign:
            path = next(paths[0] for (_, au), paths in files.intensity.items() if au == foreign[0])
            raise FauError(
                f"'{self.tree.root / path}' codes the intensity of AU {foreign[0]}, which {self.title} does not; "
                "move it out of the folder"
            )
        self._points = _best(files.points, "2DFeatures", "the landmarks of {}")
        self.landmark_set = "49" if self._points else "none"
        found.append(
            f"landmarks of {len(self._points):,} sequences"
            if self._points
            else "no landmarks (2DFeatures/F001_T1.mat); align with MediaPipe"
        )
        return labels

    def _occurrence(self, paths: dict[str, str], found: _Texts) -> pl.DataFrame:
        parts = []
        flags: Counter[str] = Counter()
        empty = []
        for sequence, path in paths.items():
            table = read_csv(self.tree, path)
            if table.is_empty():
                empty.append(path)
                continue
            heading = ["" if cell is None else str(cell).strip() for cell in table.row(0)]
            columns, flag = self._columns(heading, path)
            if flag is not None:
                flags[heading[flag]] += 1
            names = table.columns
            cells: dict[str, Any] = {au_column(au): pl.lit(None, pl.String) for au in self.aus}
            cells |= {au_column(au): pl.col(names[i]) for au, i in columns.items() if au in self.aus}
            cells["occluded"] = pl.lit(None, pl.String) if flag is None else pl.col(names[flag])
            where = pl.lit(str(self.tree.root / path))
            parts.append(table.slice(1).select(pl.lit(sequence).alias("sequence"), frame=names[0], file=where, **cells))
        if empty:
            found.append(f"empty occurrence files: {len(empty)}, such as '{empty[0]}'")
        for heading_of_flag, count in flags.items():
            found.append(f"the last column ('{heading_of_flag}') of {count:,} occurrence files tells occluded frames")
        if not parts:
            none = dict.fromkeys([*map(au_column, self.aus), "occluded"], pl.Int8)
            return pl.DataFrame(schema={"sequence": pl.String, "frame": pl.Int32, **none})
        table = decode_frames(pl.concat(parts))
        codes = [decode_files(table, au_column(au), f"column {au}", (0, 1), (9,)).cast(pl.Int8) for au in self.aus]
        occluded = decode_files(table, "occluded", "last column", (0, 1), (9,)).cast(pl.Int8)
        return table.select("sequence", "frame").with_columns(*codes, occluded)

    def _columns(self, heading: _Texts, path: str) -> tuple[dict[int, int], int | None]:
        """Return the column of each FACS code, and that of the occlusion flag if there is one."""
        columns: dict[int, int] = {}
        flag = None
        for i, cell in enumerate(heading[1:], 1):
            match = re.fullmatch(r"(?:AU)?0*([1-9]\d*)", cell, re.IGNORECASE)
            number = int(match[1]) if match else None
            last = i == len(heading) - 1
            if last and (self.occlusion == "last" or (self.occlusion == "auto" and number not in _MOVEMENTS)):
                flag = i
            elif number is None or number in columns:
                fault = "has twice" if number in columns else "has"
                raise FauError(
                    f"'{self.tree.root / path}' {fault} the column '{cell}', where the first row must name each action "
                    f"unit by its number; it is no occurrence file of {self.title}"
                )
            else:
                columns[number] = i
        if not columns.keys() & set(self.aus):
            raise FauError(f"'{self.tree.root / path}' has no column of an action unit; it is no occurrence file")
        return columns, flag

    def _intensity(self, paths: dict[str, str], au: int) -> pl.DataFrame:
        parts = []
        for sequence, path in paths.items():
            table = read_csv(self.tree, path)
            if table.is_empty():
                continue
            if table.width != 2:
                raise FauError(
                    f"'{self.tree.root / path}' has {table.width} columns, where frame and intensity belong; "
                    f"it is no intensity file of {self.title}"
                )
            parts.append(
                table.select(
                    pl.lit(sequence).alias("sequence"),
                    pl.col("cell_0").alias("frame"),
                    pl.col("cell_1").alias(intensity_column(au)),
                    pl.lit(str(self.tree.root / path)).alias("file"),
                )
            )
        if not parts:
            return pl.DataFrame(schema={"sequence": pl.String, "frame": pl.Int32, intensity_column(au): pl.Float32})
        table = decode_frames(pl.concat(parts))
        codes = decode_files(table, intensity_column(au), f"intensity of AU {au}", range(6), (9,))
        return table.select("sequence", "frame").with_columns(codes)


def _best(candidates: dict[str, list[str]], preferred: str, what: str) -> dict[str, str]:
    """Choose one file of each sequence."""
    return {sequence: unpacked(paths, preferred, what.format(sequence)) for sequence, paths in candidates.items()}
