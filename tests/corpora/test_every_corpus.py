"""Every corpus from the owner's tree to a trained fold: what the package has is found by walking it.

A corpus needs its fake tree, ``tests/corpora/trees/<name>.py`` with ``build(root, faces)``; nothing is listed here.
"""

from __future__ import annotations

import inspect
import json
import pickle
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from faces import Faces

from fau.cli.data import main
from fau.cli.train import main as train
from fau.corpora.base import Corpus, row_schema
from fau.corpora.identify import identify
from fau.corpora.losses import NO_IMAGE, UNREADABLE
from fau.corpora.media import is_video
from fau.corpora.options import about, options
from fau.corpora.registry import corpora
from fau.corpora.tree import Tree
from fau.crops.store import CropSet
from fau.data.protocols import protocol
from fau.labels import au_column

NAMES = list(corpora())
PIXELS = 32
# Fake trees are all faults: more of them is lost than of any sound delivery.
COMMON = ["--size", str(PIXELS), "--workers", "0", "--max-lost", "0.9"]
TRAIN = [
    *("--model.net.input_size", str(PIXELS), "--model.net.widths", "[4,4,8,8,8,8]", "--model.net.hidden", "8"),
    *("--data.batch_size", "8", "--data.num_workers", "0", "--trainer.max_epochs", "1"),
    *("--trainer.accelerator", "cpu", "--wandb", "disabled"),
]


def tree_of(name: str) -> ModuleType:
    """Return the module that builds a corpus's tree."""
    try:
        return import_module(f"trees.{name}")
    except ModuleNotFoundError as error:
        if error.name not in ("trees", f"trees.{name}"):
            raise
        pytest.fail(f"'{name}' has no fake tree: write tests/corpora/trees/{name}.py")


@dataclass(frozen=True)
class Built:
    """A corpus's tree on disk."""

    name: str
    root: Path
    variants: list[list[str]]

    @property
    def reader(self) -> type[Corpus]:
        return corpora()[self.name]


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """The trees that were built so far."""
    return {}


@pytest.fixture(params=NAMES)
def built(
    request: pytest.FixtureRequest,
    trees: dict[str, Built],
    faces: Faces,
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    """The tree of each corpus, built once a session."""
    name = str(request.param)
    if name not in trees:
        module = tree_of(name)
        root = tmp_path_factory.mktemp(name) / "raw"
        root.mkdir()
        module.build(root, faces)
        trees[name] = Built(name, root, [[], *getattr(module, "OPTIONS", [])])
    return trees[name]


def plain(built: Built) -> Corpus:
    return built.reader(built.root)


def test_a_reader_says_what_it_is(built: Built) -> None:
    reader = built.reader
    assert reader.name == built.name and reader.title and reader.ask and reader.signs
    assert any(sign.needed for sign in reader.signs)
    assert list(reader.aus) == sorted(reader.aus)
    assert len(about(reader)) > 60, "its docstring says which layouts it reads, and from where that is known"
    for option in options(reader):
        assert option.text, f"its docstring says what {option.name} means"
        assert option.kind in (bool, int, float, str)
        assert option.default is not inspect.Parameter.empty


def test_a_listing_keeps_the_rules(built: Built) -> None:
    corpus = plain(built)
    listing = corpus.list()
    rows = listing.rows
    assert dict(rows.schema) == row_schema(corpus.aus)
    assert rows["id"].is_unique().all() and not rows["path"].has_nulls()
    assert corpus.landmark_set in ("none", "49", "68")
    keys = [str(key) for key in rows.select("subject", "sequence").iter_rows() if key[1] is not None]
    runs = [key for i, key in enumerate(keys) if i == 0 or keys[i - 1] != key]
    assert len(runs) == len(set(runs)), "frames of a sequence stand together"
    labels = [name for name in rows.columns if name.startswith("au") or name in ("expression", "valence", "arousal")]
    coded = rows.select(pl.any_horizontal(pl.col(labels).is_not_null())).to_series()
    assert coded.all(), "at least one label of each row is coded"
    again = pickle.loads(pickle.dumps(corpus))
    picture = next(iter(again.pictures(rows.head(1))))
    assert (picture.image is None) == bool(picture.fault)
    if corpus.landmark_set != "none":
        assert again.landmarks(rows).shape == (len(rows), int(corpus.landmark_set), 2)


def test_a_tree_is_recognised(built: Built) -> None:
    matches = identify(Tree(built.root))
    best = matches[0].corpus.name if matches and matches[0].fits else None
    assert best == built.name, [(match.corpus.name, match.fits, match.weight) for match in matches]


def prepared(built: Built, out: Path, more: list[str]) -> CropSet:
    """Prepare a tree by the command, without MediaPipe, and check the crop set by the command."""
    corpus = plain(built)
    corpus.list()
    landmarks = "auto" if corpus.landmark_set != "none" else "none"
    align = [] if corpus.aligned or landmarks == "auto" else ["--align", "resize"]
    command = ["prepare", built.name, str(built.root), str(out), *COMMON, *align, "--landmarks", landmarks, *more]
    assert main(command) == 0
    assert main(["check", str(out)]) == 0
    cropset = CropSet.open(out)
    assert (cropset.info.corpus, cropset.size) == (built.name, PIXELS)
    report, losses = json.loads((out / "report.json").read_text()), pl.read_csv(out / "losses.csv")
    assert sum(report["lost"].values()) == len(losses) and report["crops"] == len(cropset) <= report["rows"]
    return cropset


def test_from_the_tree_to_a_trained_fold(built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i, variant in enumerate(built.variants):
        cropset = prepared(built, tmp_path / f"out{i}", variant)
        assert len(cropset) > 0, variant
        text = capsys.readouterr()
        assert f"{tmp_path / f'out{i}'}: {len(cropset):,} crops of " in text.out, text.err
    train_last_fold(built, CropSet.open(tmp_path / "out0"), tmp_path / "runs")


def test_a_truncated_file_is_lost_and_no_more(built: Built, tmp_path: Path) -> None:
    """An image or a video that was cut short on its way here."""
    corpus = plain(built)
    rows = corpus.list().rows
    path = next((p for p in rows["path"] if is_picture(p) and corpus.tree.on_disk(p) is not None), None)
    if path is None:
        return  # all of it is in tables or archives: tests/corpora/test_media.py
    root = shutil.copytree(built.root, tmp_path / "raw")
    content = (root / path).read_bytes()
    (root / path).write_bytes(content[: len(content) // 2])
    lost = []
    for place, out in ((built.root, tmp_path / "whole"), (root, tmp_path / "cut")):
        options = [*COMMON, "--align", "resize", "--landmarks", "none", "--quiet"]
        assert main(["prepare", built.name, str(place), str(out), *options]) == 0
        lost.append(pl.read_csv(out / "losses.csv", schema={"cause": pl.String, "id": pl.String}))
    more = lost[1].join(lost[0], on=["cause", "id"], how="anti")
    assert set(more["cause"]) <= {UNREADABLE, NO_IMAGE}
    here = rows.filter(pl.col("path") == path)["id"].to_list()
    assert more["id"].to_list() == here[len(here) - len(more) :] and len(more) > 0


def is_picture(path: str) -> bool:
    return is_video(path) or path.lower().endswith((".jpg", ".jpeg", ".png", ".bmp"))


def trainable_set(cropset: CropSet) -> str:
    """Return the labels that this few crops can train, as a list: action units, or expressions where there are none."""
    rows = cropset.manifest
    if cropset.info.aus:
        groups = rows.group_by("group").agg(pl.col(au_column(au)).max() for au in cropset.info.aus)
        often = [au for au in cropset.info.aus if groups[au_column(au)].sum() >= min(0.4 * len(groups), 5)]
        assert often, "the fake tree shows some action units in many groups"
        return ",".join(map(str, often))
    least = 3 if rows["split"].has_nulls() else 1  # folds are dealt, the owner's parts are as they are
    groups = rows.filter(pl.col("split").fill_null("train") == "train").group_by("expression")
    counts = groups.agg(pl.col("group").n_unique()).drop_nulls().sort("expression")
    shown = [name for name, count in counts.iter_rows() if count >= least]
    assert len(shown) > 1, "the fake tree shows some expressions in many groups"
    return ",".join(shown)


def train_last_fold(built: Built, cropset: CropSet, runs: Path) -> None:
    """Train the last fold of the corpus's protocol at tiny size."""
    label_set = trainable_set(cropset)
    corpus = plain(built)
    corpus.list()
    folds = ["--data.folds", "3"] if corpus.protocol == "kfold" else []
    # The module first: it comes with a network of its own, to which the settings then apply.
    module = [] if cropset.info.aus else ["--model", "fau.modules.expression.ExpressionClassification"]
    arguments = [*module, "--data.crop_set", str(cropset.path), "--data.label_set", label_set, *TRAIN]
    arguments += ["--data.protocol", corpus.protocol, *folds, "--runs", str(runs)]
    last = str(protocol(corpus.protocol, 3 if folds else None).folds)
    assert train([*arguments, "--fold", last]) == 0
    (record,) = (json.loads(file.read_text()) for file in runs.glob("*/*/run.json"))
    assert record["status"] == "done" and record["fold"] == record["folds"] == int(last)


@pytest.mark.slow
def test_with_real_processes(faces: Faces, tmp_path: Path) -> None:
    """What users type: two workers that read videos, a check, the last fold of the corpus's protocol."""
    raw, out, runs = tmp_path / "raw", tmp_path / "out", tmp_path / "runs"
    raw.mkdir()
    tree_of("disfa").build(raw, faces)
    for command in (
        ["data", "identify", str(raw)],
        ["data", "prepare", "disfa", str(raw), str(out), "--size", str(PIXELS), "--workers", "2", "--max-lost", "0.9"],
        ["data", "check", str(out)],
        ["train", "--data.crop_set", str(out), "--data.label_set", "disfa8", "--data.protocol"]
        + [corpora()["disfa"].protocol, "--fold", "3", "--runs", str(runs), *TRAIN],
    ):
        done = subprocess.run([sys.executable, "-m", f"fau.cli.{command[0]}", *command[1:]], timeout=300, check=False)
        assert done.returncode == 0, command
    (record,) = (json.loads(file.read_text()) for file in runs.glob("*/*/run.json"))
    assert record["status"] == "done" and record["fold"] == record["folds"] == 3


def test_every_tree_belongs_to_a_corpus() -> None:
    files = {file.stem for file in (Path(__file__).parent / "trees").glob("*.py")} - {"__init__"}
    assert files <= set(NAMES)
