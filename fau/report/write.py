"""Write a report's files, each whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fau.atomic import write_atomically
from fau.report.build import Report
from fau.report.formats.csv_files import csv_affect, csv_epochs, csv_labels, csv_multitask, csv_published, csv_rows
from fau.report.formats.text import latex, markdown


def write_report(report: Report, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write ``report.html``, ``report.md``, ``report.csv`` with its companions, and ``report.tex``.

    The companions are ``report_labels.csv``, and ``report_epochs.csv`` and ``report_published.csv`` where there is
    something to put into them.

    Args:
        report: What to write.
        folder: Created if missing.
        formats: Of ``html``, ``md``, ``csv``, ``tex``.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    if "html" in formats:
        from fau.report.formats.page import page  # plotly costs half a second

        files["report.html"] = page(report, folder)
    if "md" in formats:
        files["report.md"] = markdown(report)
    if "csv" in formats:
        files |= {"report.csv": csv_rows(report), "report_labels.csv": csv_labels(report)}
        extra = {"report_epochs.csv": csv_epochs(report), "report_published.csv": csv_published(report)}
        extra |= {"report_affect.csv": csv_affect(report), "report_multitask.csv": csv_multitask(report)}
        files |= {name: content for name, content in extra.items() if content}
    if "tex" in formats:
        files["report.tex"] = latex(report)
    for name, content in files.items():
        write_atomically(folder / name, content.encode())
    return [folder / name for name in files]
