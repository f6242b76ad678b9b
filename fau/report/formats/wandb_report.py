"""The same tables as a report in the user's W&B project: the only importer of wandb_workspaces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fau.atomic import read_json, write_atomically
from fau.errors import FauError
from fau.report.build import Report
from fau.report.formats.text import markdown_table
from fau.report.formats.wandb_panels import grids
from fau.report.headline import headline
from fau.report.sections import all_tables, plain_sections
from fau.report.tables.table import Table
from fau.tracking.settings import has_key, setting

DEFAULT_PROJECT = "fau"  # as fau-train's
KEPT = "wandb-report.json"  # ids and addresses of the reports that were saved, by entity and project
_LONGEST = 128  # characters of a title


def save_report(report: Report, folder: Path, entity: str | None = None, project: str | None = None) -> str:
    """Save the report in W&B: the one that was saved for this folder before, if there is one, changed in place.

    Args:
        report: What to write.
        folder: Where the report's files lie; W&B's name for it is kept there, one a project.
        entity: User or team; ``WANDB_ENTITY`` if None, else the key's own.
        project: ``WANDB_PROJECT`` if None, else the one that the runs were trained for.

    Returns:
        Its address.

    Raises:
        FauError: If the extra is not installed, no key, entity or project is there, W&B is set offline or refuses.
    """
    library = _library()
    mode = setting("mode")
    if mode in ("offline", "disabled", "dryrun"):
        raise FauError(f"W&B is set to '{mode}' and a W&B report needs the server; unset it, or leave --wandb out")
    if not has_key():
        raise FauError("no W&B key is set; run 'wandb login' or set WANDB_API_KEY, or leave --wandb out")
    entity = entity or setting("entity")
    project = project or setting("project") or _trained_for(report)
    try:
        where = {"project": project} | ({"entity": entity} if entity else {})
        written = library.Report(**where, title=title(report), description=_description(report))
        if written.entity:
            _check_project(written.entity, project)
            return _save(library, written, report, folder / KEPT)
    except FauError:
        raise
    except Exception as error:  # of requests, wandb and wandb_workspaces, which have no base in common
        said = " ".join(str(error).split())
        raise FauError(
            f"W&B did not take the report ({type(error).__name__}: {said}); give the command again"
        ) from error
    raise FauError("no W&B entity is known; give --wandb-entity NAME or set WANDB_ENTITY")


def _trained_for(report: Report) -> str:
    """Return the project that the runs were trained for; the default's where they differ or do not say."""
    runs = [run for experiment in report.experiments for run in experiment.runs]
    named = {str((run["config"] or {}).get("project") or DEFAULT_PROJECT) for run in runs}
    return named.pop() if len(named) == 1 else DEFAULT_PROJECT


def _check_project(entity: str, project: str) -> None:
    """Refuse a project that is not there: the library would make one, and its panels would have no runs.

    Raises:
        FauError: If the server has none of that name.
    """
    import wandb  # late: it takes a second

    if project not in [known.name for known in wandb.Api().projects(entity)]:
        raise FauError(
            f"W&B has no project '{project}' of '{entity}'; send the runs there by `fau-sweep sync`, or name another "
            "by --wandb-project"
        )


def _save(library: Any, written: Any, report: Report, file: Path) -> str:
    """Save a report in place of the one that was saved before; return its address."""
    kept = read_json(file)
    place = f"{written.entity}/{written.project}"
    written.blocks = blocks(report, written.entity, written.project)
    before = kept.get(place)
    if isinstance(before, dict) and {"id", "url"} <= set(before):
        written = _in_place_of(library, before, written)
    written.save()
    file.parent.mkdir(parents=True, exist_ok=True)
    content = kept | {place: {"id": written.id, "url": str(written.url)}}
    write_atomically(file, json.dumps(content, indent=1).encode() + b"\n")
    return str(written.url)


def _in_place_of(library: Any, before: dict[str, str], written: Any) -> Any:
    """Return the report to save: the one of before with the new content, keeping its width, authors and comments.

    Args:
        library: ``wandb_workspaces.reports.v2``.
        before: Its ``id`` and ``url``.
        written: The new one, which stands for itself where the other was deleted.
    """
    try:
        found = library.Report.from_url(before["url"])
        found.width = library.Report.from_url(before["url"], as_model=True).spec.width  # the other call loses it
    except TypeError:  # the server answers with nothing
        return written
    except ValueError:  # it was edited into something that this library cannot read: its content is replaced
        written.id = before["id"]
        return written
    found.title, found.description, found.blocks = written.title, written.description, written.blocks
    return found


def title(report: Report) -> str:
    """Title of the report."""
    names = [
        *(experiment.name for experiment in report.experiments),
        *(section.name for section in plain_sections(report)),
    ]
    text = "Ablation: " + ", ".join(names)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]} …"


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
        content += grids(library, experiment, entity, project)
        content += _table_blocks(library, all_tables(report, experiment))
    for section in plain_sections(report):
        content.append(library.H1(section.name))
        content += [library.CalloutBlock(f"Warning: {warning}") for warning in section.warnings]
        content += _table_blocks(library, section.tables)
    return content


def _table_blocks(library: Any, tables: list[Table]) -> Iterator[Any]:
    for table in tables:
        yield library.H2(table.title)
        yield library.MarkdownBlock("\n\n".join([markdown_table(table), *table.notes]))


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
