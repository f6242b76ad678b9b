"""Any table of pictures and labels: CSV, Parquet or JSON lines, with columns found by their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import polars as pl

from fau.corpora import naming
from fau.corpora.base import Corpus, Listing, Sign, to_rows
from fau.corpora.columns import ABOUT_PEOPLE, columns_of
from fau.corpora.losses import DUPLICATE, NO_IMAGE, NOT_A_FACE, NOT_ANNOTATED, NOT_CODED, Losses
from fau.corpora.media import VIDEO_ENDINGS
from fau.corpora.paths import IMAGES, checked, listed, natural_order, rank, respelled
from fau.corpora.tabular import KINDS, encoding, header, select, tables
from fau.corpora.tree import Tree, inside, join
from fau.errors import FauError
from fau.labels import MAX_INTENSITY, au_column, intensity_column

_VALENCE_MISSING = (-2.0, -5.0)  # AffectNet's and Aff-Wild2's; -1 is a valence
_FOLDERS = 100  # of the root, in which that is tried
_SAMPLE = 50  # rows by which the folder that paths start from is found

Found = list[str]
Values = Literal["auto", "occurrence", "intensity", "probability"]


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
        self._missing = _numbers(missing)
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
        found += _people(rows)
        rows = self._decode(rows, found)
        rows = _existing(self.tree, rows, losses, self._files[0])
        rows = _labelled(rows, self.aus, losses)
        rows = _once(rows, losses, self._files[0])
        self.upright = "face_x" not in rows.columns
        if naming.official(rows["split"]):
            self.protocol = "official"
        people = [name for name in ABOUT_PEOPLE if name in rows.columns]
        extras = rows.select("id", *people) if people else None
        return Listing(to_rows(_ordered(rows.drop(people)), self.aus), losses, found, extras)

    def _read(self, file: str, starts: set[str]) -> pl.DataFrame:
        """Return a table's columns under our names, labels as Float32 numbers, paths from the root."""
        columns = self._columns
        rows = select(self.tree, file, columns)
        folder = file.rpartition("/")[0]
        if "path" in columns.roles:
            rows = rows.with_columns(_relative(rows["path"].str.strip_prefix(self._strip), file).alias("path"))
            start = self._images or _start(self.tree, rows["path"].head(_SAMPLE), folder)
        else:
            start = folder
            rows = rows.with_columns(path=pl.lit(_beside(self.tree, file)))
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
        rows = _frames(rows, self._first_frame, where)
        rows = self._expressions(rows, found)
        outside = tuple({*(code for code in self._missing if abs(code) > 1), *_VALENCE_MISSING})
        for name in {"valence", "arousal"} & set(rows.columns):
            rows = rows.with_columns(_in_range(rows[name], outside, -1, 1, f"column {name} of {where}"))
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
        found.append(f"the expression is the one with the highest score; {none} rows have none or several")
        return rows.drop(scores)

    def _action_units(self, rows: pl.DataFrame, found: Found) -> pl.DataFrame:
        columns = self._columns
        where = self._files[0]
        values = self._values
        plain = {au: name for au, name in columns.plain.items() if au not in columns.intensity}
        if plain and values == "auto":
            values = _kind([rows[f"plain {au}"] for au in plain], self._missing)
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
                    intensity = _in_range(column, self._missing, 0, MAX_INTENSITY, what)
                elif read == "probability":
                    occurrence = _in_range(column, self._missing, 0, 1, what) >= 0.5
                else:
                    occurrence = _in_range(column, self._missing, 0, 1, what, whole=True)
                rows = rows.drop(f"{kind} {au}")
            if occurrence is None and intensity is not None:
                occurrence = intensity >= self._threshold
                self.occurrence_threshold = self._threshold
            new = [(au_column(au), occurrence, pl.Int8), (intensity_column(au), intensity, pl.Float32)]
            rows = rows.with_columns(s.cast(dtype).alias(name) for name, s, dtype in new if s is not None)
        return rows


def _numbers(option: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in option.split(",") if part.strip())
    except ValueError as error:
        raise FauError(f"option missing is '{option}'; it needs numbers with commas between them") from error


def _people(rows: pl.DataFrame) -> Found:
    """Say what makes subjects or sequences doubtful, so that one person may come to stand in two folds."""
    found = []
    for role in ("subject", "sequence"):
        groups = naming.alike(rows[role]) if role in rows.columns else []
        if groups:
            few = "; ".join(" and ".join(f"'{name}'" for name in group) for group in groups[:3])
            found.append(
                f"{role}s that differ only by case, blanks or zeros count as different: {few}"
                f"{'; ...' if len(groups) > 3 else ''}; correct the table if they are the same"
            )
    if "subject" in rows.columns and (blank := rows["subject"].null_count()):
        found.append(f"{blank:,} rows have a blank subject: their sequence stands for it, else each stands alone")
    return found


def _relative(paths: pl.Series, file: str) -> pl.Series:
    absolute = paths.str.extract(r"^([/\\].*[/\\]|[/\\]|[A-Za-z]:(?:.*[/\\])?)")
    if len(before := absolute.drop_nulls()):
        raise FauError(
            f"{file} names '{paths.filter(absolute.is_not_null())[0]}', which is no path inside its folder; take off "
            f"what comes before with --strip, such as --strip '{before[0]}'"
        )
    return checked(paths, file)


def _start(tree: Tree, paths: pl.Series, folder: str) -> str:
    """Return the folder from which most of some paths lead to files: the table's, one above it, or one in the root."""
    above = [folder]
    while above[-1]:
        above.append(above[-1].rpartition("/")[0])
    inner = [name for name in tree.folder()[0] if name not in above][:_FOLDERS]
    for candidates in (above, inner):
        hits = [sum(_is_file(tree, join(start, path)) for path in paths) for start in candidates]
        if any(hits):
            return candidates[hits.index(max(hits))]
    return folder


def _is_file(tree: Tree, path: str) -> bool:
    stem, dot, ending = path.rpartition(".")
    try:
        return any(tree.is_file(stem + dot + spelled) for spelled in (ending, ending.lower(), ending.upper()))
    except OSError:  # such as a name that is too long for a file
        return False


def _beside(tree: Tree, file: str) -> str:
    folder, _, name = file.rpartition("/")
    stem = name.rpartition(".")[0].lower()
    videos = [video for video in tree.folder(folder)[1] if video.lower() in [stem + ending for ending in VIDEO_ENDINGS]]
    if len(videos) != 1:
        raise FauError(f"{file} has no column of paths, such as path or file_name; name it with --path-column")
    return videos[0]


def _frames(rows: pl.DataFrame, first_frame: int, where: str) -> pl.DataFrame:
    """Give rows frame, position, subject, sequence and id.

    A video without a sequence is one. A sequence without a subject stands for its subject: its frames show one person,
    and no fold may split them.
    """
    missing = [name for name in ("frame", "position") if name not in rows.columns]
    rows = rows.with_columns(pl.lit(None, pl.Int32).alias(name) for name in missing)
    for name in {"subject", "sequence"} - set(rows.columns):
        rows = rows.with_columns(pl.lit(None, pl.String).alias(name))
    endings = "|".join(ending[1:] for ending in VIDEO_ENDINGS)
    video = rows["path"].str.contains(rf"(?i)\.({endings})$")
    position = pl.coalesce("position", pl.col("frame") - first_frame)
    rows = rows.with_columns(
        pl.when(video).then(position).alias("position"),
        pl.when(video).then(pl.coalesce("sequence", "path")).otherwise("sequence").alias("sequence"),
    ).with_columns(pl.coalesce("subject", "sequence").alias("subject"))
    bad = rows.filter(video & (pl.col("position").is_null() | (pl.col("position") < 0)))
    if len(bad):
        raise FauError(
            f"{where} names the video '{bad['path'][0]}' without a frame of it; add a column frame_index, which counts "
            "from 0, or see --first-frame"
        )
    number = pl.format("{}/{}", "path", "position")
    return rows.with_columns(pl.when(video).then(number).otherwise("path").alias("id"))


def _existing(tree: Tree, rows: pl.DataFrame, losses: Losses, where: str) -> pl.DataFrame:
    """Return the rows whose files are there; note the others, and pictures beside them that no row names."""
    there = listed(tree, rows["path"])
    rows = rows.with_columns(respelled(rows["path"], there).alias("path"))
    present = rows["path"].is_in(there.implode())
    if not present.any():
        raise FauError(
            f"none of the {len(rows)} files that {where} names is there, such as '{rows['path'][0]}'; say with "
            "--images in which folder its paths start"
        )
    losses.add(NO_IMAGE, rows.filter(~present)["id"])
    endings = "|".join(ending[1:] for ending in IMAGES)
    unnamed = there.filter(~there.is_in(rows["path"].implode()))
    losses.add(NOT_CODED, unnamed.filter(unnamed.str.contains(rf"(?i)\.({endings})$")).sort())
    return rows if present.all() else rows.filter(present)


def _labelled(rows: pl.DataFrame, aus: tuple[int, ...], losses: Losses) -> pl.DataFrame:
    """Return the rows with a face and a label; note the others."""
    if "success" in rows.columns:
        lost = rows["success"] == 0
        losses.add(NOT_A_FACE, rows.filter(lost)["id"])
        rows = rows.filter(~lost.fill_null(False)).drop("success")
    labels: list[str] = [name for name in ("expression", "valence", "arousal") if name in rows.columns]
    labels += [name for au in aus for name in (au_column(au), intensity_column(au)) if name in rows.columns]
    blank = rows.select(pl.all_horizontal(pl.col(labels).is_null())).to_series()
    losses.add(NOT_ANNOTATED, rows.filter(blank)["id"])
    return rows.filter(~blank) if blank.any() else rows


def _once(rows: pl.DataFrame, losses: Losses, where: str) -> pl.DataFrame:
    """Return each row once; faces of one picture are numbered."""
    twice = rows["id"].is_duplicated()
    if twice.any():
        several = rows.filter(twice)
        first = several.select(pl.struct(pl.all()).is_first_distinct()).to_series()
        losses.add(DUPLICATE, several.filter(~first)["id"])
        several = several.filter(first)
        again = several["id"].is_duplicated()
        if again.any():
            faces = [name for name in ("face", "face_x") if name in several.columns]
            if not faces:
                raise FauError(
                    f"{where} labels '{several.filter(again)['id'][0]}' twice and differently; remove one of the rows, "
                    "or add columns of face boxes if these are two faces"
                )
            face = pl.col("face") if faces[0] == "face" else pl.int_range(pl.len()).over("id")
            several = several.with_columns(
                pl.when(again).then(pl.format("{}/{}", "id", face)).otherwise("id").alias("id")
            )
            if several["id"].is_duplicated().any():
                face_id = several.filter(several["id"].is_duplicated())["id"][0]
                raise FauError(f"{where} labels the face '{face_id}' twice and differently; remove one of the rows")
        rows = pl.concat([rows.filter(~twice), several])
    return rows.drop("face", strict=False)


def _ordered(rows: pl.DataFrame) -> pl.DataFrame:
    before = [rank(rows["subject"]), rank(rows["sequence"]), rows["frame"], rows["position"]]
    return natural_order(rows, "path", before)


def _kind(columns: Sequence[pl.Series], missing: Sequence[float]) -> Values:
    """Return what plain columns of action units hold, by their values."""
    fraction = False
    for column in columns:
        known = column.filter(~column.is_in(list(missing)))
        if len(known) and known.max() > 1:  # type: ignore[operator]
            return "intensity"
        fraction |= bool((known % 1 != 0).any())
    return "probability" if fraction else "occurrence"


def _in_range(
    column: pl.Series, missing: Sequence[float], low: float, high: float, what: str, whole: bool = False
) -> pl.Series:
    """Return labels with missing codes as null.

    Raises:
        FauError: If one lies outside its range.
    """
    gone = column.is_in(list(missing))
    strange = ~column.is_between(low, high) & ~gone
    if whole:
        strange |= (column % 1 != 0) & ~gone
    if strange.any():
        bad = column.filter(strange)[0]
        kind = f"{low:g} or {high:g}" if whole else f"from {low:g} to {high:g}"
        raise FauError(
            f"{what} holds {bad:g}, which is not {kind}; say with --missing which numbers mean 'not known', or with "
            "--values what the column holds"
        )
    return pl.select(pl.when(~gone).then(column)).to_series() if gone.any() else column
