"""One page with figures and tables that opens offline: no request ever leaves it."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from fau.report.build import Experiment, Report
from fau.report.explained import Explanation, explanation, thumbnail
from fau.report.figures.confusion import confusion_maps
from fau.report.figures.curves import learning_curves, precision_recall
from fau.report.figures.forest import forest
from fau.report.figures.heat_maps import heat_maps
from fau.report.figures.style import View
from fau.report.headline import headline
from fau.report.load import Run
from fau.report.rows import Row
from fau.report.sections import plain_sections
from fau.report.tables.classes import class_tables
from fau.report.tables.epochs import epoch_tables
from fau.report.tables.explained import explained_table
from fau.report.tables.holdout import holdout_table
from fau.report.tables.labels import accuracy_table, label_table
from fau.report.tables.landmarks import landmark_table
from fau.report.tables.published import published_table
from fau.report.tables.runs import run_table
from fau.report.tables.scores import score_table
from fau.report.tables.side_by_side import side_by_side
from fau.report.tables.table import NONE, percent, time_text
from fau.stats import f1_scores, macro_mean

_FILES = ("run.json", "config.yaml", "metrics.csv", "explain/index.html")


def page(report: Report, folder: Path) -> str:
    """Return the page.

    Args:
        report: What it shows.
        folder: Where it will lie; links to the runs are relative to it.
    """
    environment = Environment(
        loader=FunctionLoader(_source), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    sections = [_section(index, report, experiment, folder) for index, experiment in enumerate(report.experiments)]
    plain = plain_sections(report)
    return environment.get_template("report.html.j2").render(
        report=report,
        sections=sections,
        plain=[{"id": f"a{index}", "experiment": section} for index, section in enumerate(plain)],
        title=", ".join([*(e.name for e in report.experiments), *(section.name for section in plain)]),
        style=Markup(_source("report.css")),
        script=Markup(_source("report.js")),
        plotly=Markup(get_plotlyjs()),
        drawings=Markup(_json({key: views for section in sections for key, views in section["drawings"].items()})),
    )


def _source(name: str) -> str:
    return files("fau.report.formats").joinpath("templates", name).read_text(encoding="utf-8")


def _section(index: int, report: Report, experiment: Experiment, folder: Path) -> dict[str, Any]:
    """Everything that the template needs of one experiment."""
    prefix = f"e{index}"
    drawings = {
        f"{prefix}-forest": [View("", forest(experiment))],
        f"{prefix}-heat": heat_maps(experiment),
        f"{prefix}-confusion": confusion_maps(experiment),
        f"{prefix}-curves": learning_curves(experiment),
        f"{prefix}-pr": precision_recall(experiment),
    }
    scores = score_table(experiment, report.level)
    held = holdout_table(experiment, report.level)
    explained = [_explained(row, shown, folder) for row in experiment.rows if (shown := explanation(row))]
    return {
        "id": prefix,
        "experiment": experiment,
        "headline": headline(experiment, report.level),
        "drawings": {
            key: [{"label": view.label, "figure": view.plain()} for view in views]
            for key, views in drawings.items()
            if views
        },
        "scores": scores,
        "labels": label_table(experiment),
        "classes": [*class_tables(experiment, report.level), *([held] if held else [])],
        "accuracies": accuracy_table(experiment),
        "noun": experiment.noun,
        "landmarks": landmark_table(experiment, report.level),
        "side_by_side": side_by_side(experiment),
        "extent": run_table(experiment),
        "epochs": epoch_tables(experiment),
        "published": published_table(experiment),
        "explained": explained,
        "captions": list(dict.fromkeys((p["title"], p["caption"]) for shown in explained for p in shown["pictures"])),
        "explained_table": explained_table(experiment),
        "runs": [_run_line(run, folder) for run in experiment.runs],
        "compared": any(row.comparison for row in experiment.rows),
    }


def _explained(row: Row, shown: Explanation, folder: Path) -> dict[str, Any]:
    """A row of thumbnails, embedded, each with a link to the picture."""
    link = _link(shown.folder, folder)
    pictures = [
        {"title": picture.title, "caption": picture.caption, "data": data, "link": f"{link}/{quote(picture.file.name)}"}
        for picture in shown.pictures
        if (data := thumbnail(picture.file))
    ]
    return {"row": row.name, "fold": shown.fold, "network": shown.network, "pictures": pictures, "link": link}


def _run_line(run: Run, folder: Path) -> dict[str, Any]:
    link = _link(run.path, folder)
    done = run.status == "done"
    score = float(macro_mean(f1_scores(run.counts.sum(0)[:, :3]))) if done else np.nan
    return {
        "name": run.name,
        "fold": run.fold,
        "seed": run.seed,
        "status": run.status,
        "score": percent(score),
        "epochs": NONE if run["epochs"] is None else run["epochs"],
        "best": NONE if run["best_epoch"] is None else int(run["best_epoch"]) + 1,
        "time": time_text(run["wall_s"]),
        "started": run.started[:16].replace("T", " "),
        "link": link,
        "files": [name for name in _FILES if (run.path / name).exists()],
    }


def _link(target: Path, folder: Path) -> str:
    """Return the address of a file from a page in a folder."""
    return quote(Path(os.path.relpath(target.absolute(), folder.absolute())).as_posix())


def _json(value: Any) -> str:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("</", "<\\/").replace("<!--", "<\\u0021--")
