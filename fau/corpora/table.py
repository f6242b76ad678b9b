"""Any table of pictures and labels: CSV, Parquet or JSON lines, with columns found by their names."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import polars as pl

from fau.corpora import naming
from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.columns import ABOUT_PEOPLE, columns_of
from fau.corpora.losses import Losses
from fau.corpora.media import VIDEO_ENDINGS
from fau.corpora.paths import IMAGES
from fau.corpora.table_files import existing, relative, start_folder, video_beside
from fau.corpora.table_labels import Values, in_range, kind_of_values, labelled, missing_codes
from fau.corpora.table_rows import doubtful_people, once, ordered, with_ids
from fau.corpora.tabular import KINDS, encoding, header, select, tables
from fau.corpora.tree import inside
from fau.errors import FauError
from fau.labels import MAX_INTENSITY, au_column, intensity_column
from fau.units import counted

_VALENCE_MISSING = (-2.0, -5.0)  # AffectNet's and Aff-Wild2's; -1 is a valence
_SAMPLE = 50  # rows by which the folder that paths start from is found

Found = list[str]  # inside the class, `list` is the method


class Table(Corpus):
    """A table with a column of paths and columns of labels, and the pictures or videos that it names.

    Columns are found by their names (``fau.corpora.columns``), or named by options. Read as well: LibreFace's CSVs,
    Hugging Face's ``metadata.csv`` (``.jsonl``, ``.parquet``), py-feat's and OpenFace's columns, the CSVs of Hu et al.
    (FG 2024). A row may be a frame of a video: a path and a frame number; a table without paths, such as OpenFace's,
    means the one video beside it that has its name. Gender, race and age go to extras.parquet. Of the same row
    twice one counts. A sequence without a subject is its own subject, so that no fold splits it.

    Args:
        root: The folder that holds tables and pictures.
        table: The table, or a folder with one table a part (``train.csv``, ``test.csv``), inside the root; needed
            where there are several.
        images: The folder inside the root that paths start from; found by trying where it is not given.
        strip: What to take away from the front of each path, such as ``/data/old/``.
        path_column: Column of paths.
        subject_column: Column of subjects.
        sequence_column: Column of sequences.
        frame_column: Column of frame numbers.
        position_column: Column of frames of a video, from 0.
        split_column: Column of the part: train, val or test.
        expression_column: Column of expressions.
        valence_column: Column of valence, -1..1.
        arousal_column: Column of arousal, -1..1.
        ignore: Columns to leave alone, with commas between them.
        classes: Meaning of numbers in the column of expressions: names in order from 0 (``neutral,happy,sad``), or
            pairs (``1=surprise,2=fear``).
        missing: Numbers that mean "not known", beside blank, written with an equals sign (``--missing=-1,9``); valence
            and arousal take those outside -1..1, and -2, -5.
        values: What columns such as ``AU01`` hold. auto: occurrence if all are 0 or 1, intensity if one exceeds 1, else
            probability (0.5 and more is present).
        threshold: Least intensity that counts as present, where there is no occurrence.
        first_frame: Number of a video's first frame in the frame column; auto: 1 in OpenFace's tables, else 0.
    """

    name: ClassVar[str] = "table"
    title: ClassVar[str] = "a table of pictures and labels"
    ask: ClassVar[str] = "nobody: it is your own, or under the licence of the corpus that it describes"
    generic: ClassVar[bool] = True
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign("a table", KINDS),
        Sign("pictures or videos", tuple(f"*{ending}" for ending in IMAGES + VIDEO_ENDINGS)),
    )

    def __init__(
        self,
        root: Path,
        *,
        table: str = "",
        images: str = "",
        strip: str = "",
        path_column: str = "",
        subject_column: str = "",
        sequence_column: str = "",
        frame_column: str = "",
        position_column: str = "",
        split_column: str = "",
        expression_column: str = "",
        valence_column: str = "",
        arousal_column: str = "",
        ignore: str = "",
        classes: str = "",
        missing: str = "-1,9,999",
        values: Values = "auto",
        threshold: int = 2,
        first_frame: Literal["auto", "0", "1"] = "auto",
    ) -> None:
        super().__init__(root)
        chosen = {
            **{"path": path_column, "subject": subject_column, "sequence": sequence_column, "frame": frame_column},
            **{"position": position_column, "split": split_column, "expression": expression_column},
            **{"valence": valence_column, "arousal": arousal_column},
        }
        self._images = inside(images, "option images") if images else ""
        self._strip = strip
        if not 1 <= threshold <= MAX_INTENSITY:
            raise FauError(f"option threshold is {threshold}; choose an intensity from 1 to {MAX_INTENSITY}")
        self._codes = naming.class_codes(classes)
        self._missing = missing_codes(missing)
        self._values: Values = values
        self._threshold = threshold
        self._files = tables(self.tree, table)
        names = header(self.tree, self._files[0])
        for file in self._files[1:]:
            if set(header(self.tree, file)) != set(names):
                raise FauError(
                    f"{self._files[0]} and {file} have different columns, so they are not parts of one table; "
                    "choose one with --table"
                )
        ignored = [name.strip() for name in ignore.split(",") if name.strip()]
        self._columns = columns_of(names, {r: c for r, c in chosen.items() if c}, ignored, self._files[0])
        if not self._columns.has_labels:
            raise FauError(
                f"{self._files[0]} has no column of labels, such as AU01, expression or valence, among "
                f"{', '.join(name.strip() for name in names)}; name one with --expression-column"
            )
        openface = "success" in self._columns.roles
        self._first_frame = int(openface) if first_frame == "auto" else int(first_frame)
        self.aus = self._columns.aus

    def list(self) -> Listing:
        """Return one row a face, by subject, sequence, frame and path."""
        losses = Losses()
        found = [f"columns of {', '.join(self._files)}: {self._columns}"]
        if self._columns.unused:
            found.append(f"columns not used: {', '.join(self._columns.unused)}")
        paths: set[str] = set()
        rows = pl.concat([self._read(file, paths) for file in self._files])
        if rows.is_empty():
            raise FauError(f"{' and '.join(self._files)} holds no rows, only the names of columns; check the file")
        found.append(f"paths start from {' and '.join(sorted(paths))}")
        for file in self._files:
            if (written := encoding(self.tree, file)) != "utf-8":
                found.append(f"{file} is no UTF-8 and was read as {written}")
        found += doubtful_people(rows)
        rows = self._decode(rows, found)
        rows = existing(self.tree, rows, losses, self._files[0])
        rows = labelled(rows, self.aus, losses)
        rows = once(rows, losses, self._files[0])
        self.upright = "face_x" not in rows.columns
        if naming.official(rows["split"]):
            self.protocol = "official"
        people = [name for name in ABOUT_PEOPLE if name in rows.columns]
        extras = rows.select("id", *people) if people else None
        return Listing(to_rows(ordered(rows.drop(people)), self.aus), losses, found, extras)

    def _read(self, file: str, starts: set[str]) -> pl.DataFrame:
        """Return a table's columns under our names, labels as Float32 numbers, paths from the root."""
        columns = self._columns
        rows = select(self.tree, file, columns)
        folder = file.rpartition("/")[0]
        if "path" in columns.roles:
            rows = rows.with_columns(relative(rows["path"].str.strip_prefix(self._strip), file).alias("path"))
            start = self._images or start_folder(self.tree, rows["path"].head(_SAMPLE), folder)
        else:
            start = folder
            rows = rows.with_columns(path=pl.lit(video_beside(self.tree, file)))
        starts.add(f"'{start or '.'}'")
        if start:
            rows = rows.with_columns(pl.format("{}/{}", pl.lit(start), "path").alias("path"))
        if "split" in columns.roles:
            where = f"column {columns.roles['split']} of {file}"
            return rows.with_columns(naming.splits(rows["split"], where).alias("split"))
        name = file.rpartition("/")[2].rpartition(".")[0]
        part = naming.split(name) or (naming.split(folder.rpartition("/")[2]) if name == "metadata" else None)
        return rows.with_columns(split=pl.lit(part, pl.String))

    def _decode(self, rows: pl.DataFrame, found: Found) -> pl.DataFrame:
        """Return rows with labels in the range of a listing and ids; ``found`` takes what was made of them."""
        where = self._files[0]
        rows = with_ids(rows, self._first_frame, where)
        rows = self._expressions(rows, found)
        outside = tuple({*(code for code in self._missing if abs(code) > 1), *_VALENCE_MISSING})
        for name in {"valence", "arousal"} & set(rows.columns):
            rows = rows.with_columns(in_range(rows[name], outside, -1, 1, f"column {name} of {where}"))
        return self._action_units(rows, found)

    def _expressions(self, rows: pl.DataFrame, found: Found) -> pl.DataFrame:
        columns = self._columns
        if "expression" in columns.roles:
            where = f"column {columns.roles['expression'].strip()} of {self._files[0]}"
            names = naming.expressions(rows["expression"], where, self._codes, self._missing)
            return rows.with_columns(names.alias("expression"))
        if not columns.scores:
            return rows
        scores = [f"score {name}" for name in columns.scores]
        most = rows.select(pl.max_horizontal(scores)).to_series()
        at_most = [rows[name] == most for name in scores]
        ties = pl.DataFrame(at_most).select(pl.sum_horizontal(pl.all())).to_series() > 1
        code = pl.coalesce(
            pl.when(pl.col(f"score {name}") == most).then(pl.lit(name, pl.String)) for name in columns.scores
        )
        rows = rows.with_columns(pl.when((most > 0) & ~ties).then(code).alias("expression"))
        none = rows["expression"].null_count()
        found.append(f"the expression is the one with the highest score; none or several: {counted(none, 'row')}")
        return rows.drop(scores)

    def _action_units(self, rows: pl.DataFrame, found: Found) -> pl.DataFrame:
        columns = self._columns
        where = self._files[0]
        values = self._values
        plain = {au: name for au, name in columns.plain.items() if au not in columns.intensity}
        if plain and values == "auto":
            values = kind_of_values([rows[f"plain {au}"] for au in plain], self._missing)
            found.append(f"columns such as {next(iter(plain.values())).strip()} are read as {values}")
        for au in self.aus:
            occurrence: pl.Series | None = None
            intensity: pl.Series | None = None
            for kind, known in (
                ("plain", columns.plain),
                ("occurrence", columns.occurrence),
                ("intensity", columns.intensity),
            ):
                if au not in known:
                    continue
                column = rows.get_column(f"{kind} {au}")
                what = f"column {known[au].strip()} of {where}"
                read = kind if kind != "plain" else values if au in plain else "occurrence"
                if read == "intensity":
                    intensity = in_range(column, self._missing, 0, MAX_INTENSITY, what)
                elif read == "probability":
                    occurrence = in_range(column, self._missing, 0, 1, what) >= 0.5
                else:
                    occurrence = in_range(column, self._missing, 0, 1, what, whole=True)
                rows = rows.drop(f"{kind} {au}")
            if occurrence is None and intensity is not None:
                occurrence = intensity >= self._threshold
                self.occurrence_threshold = self._threshold
            new = [(au_column(au), occurrence, pl.Int8), (intensity_column(au), intensity, pl.Float32)]
            rows = rows.with_columns(s.cast(dtype).alias(name) for name, s, dtype in new if s is not None)
        return rows
