"""The same tables as a report in the user's W&B project: the only importer of wandb_workspaces."""

from __future__ import annotations

import os
from typing import Any

from fau.errors import FauError
from fau.report.affect_table import affect_tables
from fau.report.build import Experiment, Report
from fau.report.experiment_tables import all_tables
from fau.report.page import headline
from fau.report.text import markdown_table
from fau.wandb_key import has_key

DEFAULT_PROJECT = "fau"  # as fau-train's


def save_report(report: Report, entity: str | None = None, project: str | None = None) -> str:
    """Save the report in W&B.

    Args:
        report: What to write.
        entity: User or team; ``WANDB_ENTITY`` if None, else the key's own.
        project: ``WANDB_PROJECT`` if None, else ``fau``.

    Returns:
        Its address.

    Raises:
        FauError: If the extra is not installed, no key or entity is known, W&B is set offline or refuses.
    """
    library = _library()
    mode = os.environ.get("WANDB_MODE")
    if mode in ("offline", "disabled", "dryrun"):
        raise FauError(f"WANDB_MODE is '{mode}' and a W&B report needs the server; unset it, or leave --wandb out")
    if not has_key():
        raise FauError("no W&B key is set; run 'wandb login' or set WANDB_API_KEY, or leave --wandb out")
    entity = entity or os.environ.get("WANDB_ENTITY")
    project = project or os.environ.get("WANDB_PROJECT") or DEFAULT_PROJECT
    try:
        where = {"project": project} | ({"entity": entity} if entity else {})
        written = library.Report(**where, title=title(report), description=_description(report))
        if written.entity:
            written.blocks = blocks(report, written.entity, project)
            written.save()
            return str(written.url)
    except Exception as error:  # of requests, wandb and wandb_workspaces, which have no base in common
        raise FauError(f"W&B did not take the report ({type(error).__name__}: {error})") from error
    raise FauError("no W&B entity is known; give --wandb-entity NAME or set WANDB_ENTITY")


def title(report: Report) -> str:
    """Title of the report."""
    names = [*(experiment.name for experiment in report.experiments), *(affect.name for affect in report.affect)]
    return "Ablation: " + ", ".join(names)


def blocks(report: Report, entity: str = "", project: str = "") -> list[Any]:
    """Build the content.

    Args:
        report: What to write.
        entity: Of the runs; empty leaves the run sets open, so that the content can be made offline.
        project: Of the runs.
    """
    library = _library()
    content: list[Any] = [library.TableOfContents()]
    for warning in report.warnings:
        content.append(library.CalloutBlock(f"Warning: {warning}"))
    for experiment in report.experiments:
        content += [library.H1(experiment.name), library.P(headline(experiment, report.level))]
        content += [library.CalloutBlock(f"Warning: {warning}") for warning in experiment.warnings]
        content.append(_panels(library, experiment, entity, project))
        for table in all_tables(report, experiment):
            text = "\n\n".join([markdown_table(table), *table.notes])
            content += [library.H2(table.title), library.MarkdownBlock(text)]
    for affect in report.affect:
        content.append(library.H1(affect.name))
        content += [library.CalloutBlock(f"Warning: {warning}") for warning in affect.warnings]
        for table in affect_tables(affect, report.level):
            text = "\n\n".join([markdown_table(table), *table.notes])
            content += [library.H2(table.title), library.MarkdownBlock(text)]
    return content


def _panels(library: Any, experiment: Experiment, entity: str, project: str) -> Any:
    """Bars and curves of exactly the report's runs, grouped by row, which is their W&B group."""
    ids = [str(run["run_id"]) for row in experiment.rows for run in row.runs]
    runs = library.Runset(
        entity=entity,
        project=project,
        name=experiment.name,
        filters=f"Config('run_id') in {ids!r}",
        groupby=["group"],
    )
    shared = {"groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}
    half = {"w": 12, "h": 8}
    return library.PanelGrid(
        runsets=[runs],
        panels=[
            library.BarPlot(
                title="test macro F1, mean of folds (± s.d. over folds)",
                metrics=["test/f1_macro"],
                layout=library.Layout(x=0, y=0, **half),
                **shared,
            ),
            library.LinePlot(
                title="validation macro F1",
                x="epoch",
                y=["val/f1_macro"],
                layout=library.Layout(x=12, y=0, **half),
                **shared,
            ),
            library.LinePlot(
                title="training loss", x="epoch", y=["train/loss"], layout=library.Layout(x=0, y=8, **half), **shared
            ),
            library.RunComparer(diff_only="split", layout=library.Layout(x=12, y=8, **half)),
        ],
    )


def _description(report: Report) -> str:
    return f"{report.root}, {report.created:%Y-%m-%d %H:%M}, fau {report.version}"


def _library() -> Any:
    try:
        import wandb_workspaces.reports.v2 as library
    except ImportError as error:
        raise FauError(
            f"a W&B report needs wandb-workspaces ({error}); run: pip install 'fau[wandb-report]', or leave --wandb out"
        ) from error
    return library
