"""A report as terminal tables, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table as RichTable

from fau.report.affect_table import affect_tables
from fau.report.build import Report
from fau.report.experiment_tables import all_tables, long_tables
from fau.report.tables import MINUS, NONE, Table

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
        "▲": "$\\uparrow$",
        "▼": "$\\downarrow$",
        "≠": "$\\neq$",
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
        for table in all_tables(report, experiment, brief=True):
            console.print()
            print_table(table, console)
    for affect in report.affect:
        console.print()
        console.rule(f"[bold]{escape(affect.name)}", align="left")
        for warning in affect.warnings:
            console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)
        for table in affect_tables(affect, report.level):
            console.print()
            print_table(table, console)


def print_table(table: Table, console: Console) -> None:
    """Print one table to a terminal, in parts below each other where it is too wide, with its notes."""
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
    sections = [(e.name, e.warnings, [*all_tables(report, e), *long_tables(e)]) for e in report.experiments]
    sections += [(a.name, a.warnings, affect_tables(a, report.level)) for a in report.affect]
    for name, warnings, tables in sections:
        lines += ["", f"## {name}", *_quoted(warnings)]
        for table in tables:
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
        tables = [*all_tables(report, experiment), *long_tables(experiment)]
        parts += [_latex_table(table, experiment.name) for table in tables]
    for affect in report.affect:
        parts += [_latex_table(table, affect.name) for table in affect_tables(affect, report.level)]
    return "\n\n".join(parts) + "\n"


def _latex_table(table: Table, experiment: str) -> str:
    def line(cells: list[str], secondary: bool = False) -> str:
        indent = "\\quad " if secondary else ""
        return "    " + indent + " & ".join(cell.strip().translate(_LATEX) for cell in cells) + " \\\\"

    columns = "l" + "r" * (len(table.headings) - 1)
    body = [line(cells, index in table.secondary) for index, cells in enumerate(table.rows)]
    caption = " ".join([f"{experiment}: {table.title}.", *table.notes]).translate(_LATEX)
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
