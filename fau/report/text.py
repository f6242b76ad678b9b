"""A report as terminal tables, Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table as RichTable

from fau.report.build import Experiment, Report
from fau.report.rows import MARKS
from fau.report.tables import MINUS, NONE, Table, all_tables
from fau.stats import Interval, macro_mean, spread

_MARKDOWN = str.maketrans({"|": "\\|", "<": "&lt;", ">": "&gt;", "*": "\\*", "_": "\\_", "[": "\\[", "]": "\\]"})
_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        "<": "$<$",
        ">": "$>$",
        MINUS: "$-$",
        NONE: "--",
        "±": "$\\pm$",
        "Δ": "$\\Delta$",
        "†": "\\dag{}",
        "‡": "\\ddag{}",
        "§": "\\S{}",
        "¶": "\\P{}",
        "≥": "$\\geq$",
    }
)


def print_report(report: Report, console: Console) -> None:
    """Print warnings and tables to a terminal."""
    for warning in report.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)
    for experiment in report.experiments:
        console.print()
        console.rule(f"[bold]{escape(experiment.name)}", align="left")
        for warning in experiment.warnings:
            console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)
        for table in all_tables(report, experiment):
            console.print()
            for part in _parts(table, console.width):
                console.print(_rich(part))
            for note in table.notes:
                console.print(Padding(escape(note), (0, 0, 0, 1)), style="dim", highlight=False)


def _parts(table: Table, width: int) -> list[Table]:
    """Split a table that is too wide into several below each other, each with the names of the rows."""
    widths = [max(cell_len(line[i]) for line in [table.headings, *table.rows]) + 3 for i in range(len(table.headings))]
    parts: list[list[int]] = [[]]
    left = width - widths[0] - 1
    for column in range(1, len(widths)):
        if parts[-1] and sum(widths[i] for i in parts[-1]) + widths[column] > left:
            parts.append([])
        parts[-1].append(column)
    split = []
    for number, columns in enumerate(parts):
        lines = [[line[i] for i in (0, *columns)] for line in [table.headings, *table.rows]]
        # A line that explains the one above it, and has nothing in these columns, is not repeated.
        kept = [i for i, line in enumerate(lines[1:]) if i not in table.secondary or any(line[1:])]
        secondary = {position for position, i in enumerate(kept) if i in table.secondary}
        split.append(Table("" if number else table.title, lines[0], [lines[1 + i] for i in kept], secondary))
    return split


def _rich(table: Table) -> RichTable:
    title = escape(table.title) if table.title else None
    rich = RichTable(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1))
    for index, heading in enumerate(table.headings):
        rich.add_column(escape(heading), justify="right" if index else "left", no_wrap=True)
    for index, cells in enumerate(table.rows):
        rich.add_row(*map(escape, cells), style="dim" if index in table.secondary else "")
    return rich


def markdown(report: Report) -> str:
    """Return the report as Markdown (GitHub's tables)."""
    lines = [
        "# Comparison of runs",
        "",
        f"`{report.root}`, {report.created:%Y-%m-%d %H:%M}, fau {report.version}.",
        *_quoted(report.warnings),
    ]
    for experiment in report.experiments:
        lines += ["", f"## {experiment.name}", *_quoted(experiment.warnings)]
        for table in all_tables(report, experiment):
            lines += ["", f"### {table.title}", "", markdown_table(table)]
            for note in table.notes:
                lines += ["", note.translate(_MARKDOWN)]
    return "\n".join(lines) + "\n"


def _quoted(warnings: list[str]) -> Iterable[str]:
    for warning in warnings:
        yield from ("", f"> **Warning:** {warning.translate(_MARKDOWN)}")


def markdown_table(table: Table) -> str:
    """Return one table as Markdown."""
    rules = [":--"] + ["--:"] * (len(table.headings) - 1)
    lines = [table.headings, rules, *table.rows]
    cells = (line if line is rules else [cell.strip().translate(_MARKDOWN) for cell in line] for line in lines)
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def latex(report: Report) -> str:
    """Return the tables as LaTeX, for the package booktabs; names are escaped."""
    parts = ["% Needs \\usepackage{booktabs}. Written by fau-report; do not edit, run it again."]
    for experiment in report.experiments:
        parts += [_latex_table(table, experiment) for table in all_tables(report, experiment)]
    return "\n\n".join(parts) + "\n"


def _latex_table(table: Table, experiment: Experiment) -> str:
    def line(cells: list[str], secondary: bool = False) -> str:
        indent = "\\quad " if secondary else ""
        return "    " + indent + " & ".join(cell.strip().translate(_LATEX) for cell in cells) + " \\\\"

    columns = "l" + "r" * (len(table.headings) - 1)
    body = [line(cells, index in table.secondary) for index, cells in enumerate(table.rows)]
    caption = " ".join([f"{experiment.name}: {table.title}.", *table.notes]).translate(_LATEX)
    return "\n".join(
        [
            "\\begin{table}",
            "  \\centering",
            f"  \\caption{{{caption}}}",
            f"  \\begin{{tabular}}{{{columns}}}",
            "    \\toprule",
            line(table.headings),
            "    \\midrule",
            *body,
            "    \\bottomrule",
            "  \\end{tabular}",
            "\\end{table}",
        ]
    )


def csv_rows(report: Report) -> str:
    """Return one line a row, scores as fractions."""
    lines: list[dict[str, object]] = []
    for experiment in report.experiments:
        for row in experiment.rows:
            against = row.comparison
            line: dict[str, object] = {
                "experiment": experiment.name,
                "row": row.name,
                "reference": row is experiment.reference,
                **_bounds("f1_macro", row.estimate.macro),
                "f1_macro_fold_mean": row.fold_mean,
                "f1_macro_seed_sd": spread(row.estimate.seeds),
                **_bounds("difference", against.difference.macro if against else None),
                "p": against.p_raw if against else None,
                "p_holm": against.p if against else None,
                "groups_compared": against.groups if against else None,
                "roc_auc": float(macro_mean(row.ranking.roc_auc)) if row.ranking else None,
                "average_precision": float(macro_mean(row.ranking.average_precision)) if row.ranking else None,
                "accuracy": row.accuracy,
                "groups": len(row.groups),
                "folds": len(row.folds),
                "expected_folds": row.expected_folds,
                "seeds": len(row.seeds),
                "wall_s": row.seconds,
                "parameters": row.parameters,
                "images_per_s": row.images_per_second,
                "absent_labels": " ".join(row.absent),
                "marks": "".join(mark for mark in MARKS if mark in row.marks),
            }
            lines.append(line)
    return _csv(lines)


def csv_labels(report: Report) -> str:
    """Return one line a row and action unit, scores as fractions."""
    lines: list[dict[str, object]] = []
    for experiment in report.experiments:
        for row in experiment.rows:
            against, ranking = row.comparison, row.ranking
            totals = row.counts.sum((0, 1))
            for index, label in enumerate(row.labels):
                counted = dict(zip(("tp", "fp", "fn", "tn"), map(int, totals[index]), strict=True))
                lines.append(
                    {
                        "experiment": experiment.name,
                        "row": row.name,
                        "label": label,
                        **_bounds("f1", row.estimate.labels[index]),
                        "f1_fold_mean": row.label_fold_mean[index],
                        **_bounds("difference", against.difference.labels[index] if against else None),
                        "p_holm": against.label_p[index] if against else None,
                        "roc_auc": float(ranking.roc_auc[index]) if ranking else None,
                        "average_precision": float(ranking.average_precision[index]) if ranking else None,
                        **counted,
                        "note": row.estimate.labels[index].note,
                    }
                )
    return _csv(lines)


def _bounds(name: str, interval: Interval | None) -> dict[str, object]:
    if interval is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _csv(lines: list[dict[str, object]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(lines[0]), lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({key: "" if _is_nan(value) else value for key, value in line.items()})
    return stream.getvalue()


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
