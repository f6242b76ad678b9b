"""A report as terminal tables, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from fau.report.build import Report
from fau.report.sections import all_sections
from fau.report.tables.table import MINUS, NONE, Table

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
    for section in all_sections(report, brief=True):
        console.print()
        console.rule(f"[bold]{escape(section.name)}", align="left")
        for warning in section.warnings:
            console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)
        for table in section.tables:
            console.print()
            print_table(table, console)


def print_table(table: Table, console: Console) -> None:
    """Print one table to a terminal, in parts below each other where it is too wide, with its notes."""
    for part in _parts(table, console.width):
        console.print(_lines(part, console.width))
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


def _lines(table: Table, width: int) -> Text:
    """Set a table. A rich ``Table`` looks alike and takes twenty times as long, seconds where there are many rows."""
    lines = [table.headings, *table.rows]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    widths[0] = max(1, min(widths[0], width - sum(widths[1:]) - 3 * len(widths) - 1))

    def line(cells: list[str]) -> str:
        first = cells[0] if cell_len(cells[0]) <= widths[0] else set_cell_size(cells[0], widths[0] - 1) + "…"
        padded = [first + " " * (widths[0] - cell_len(first))]
        padded += [" " * (size - cell_len(cell)) + cell for cell, size in zip(cells[1:], widths[1:], strict=True)]
        return f"  {'   '.join(padded)}".rstrip() + "\n"

    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{table.title}\n" if table.title else "", "bold")
    text.append(line(table.headings), "bold")
    text.append(f" {'─' * (sum(widths) + 3 * len(widths) - 1)}\n")
    for index, cells in enumerate(table.rows):
        text.append(line(cells), "dim" if index in table.secondary else "")
    return text


def markdown(report: Report) -> str:
    """Return the report as Markdown (GitHub's tables)."""
    lines = [
        "# Comparison of runs",
        "",
        f"`{report.root}`, {report.created:%Y-%m-%d %H:%M}, fau {report.version}.",
        *_quoted(report.warnings),
    ]
    for section in all_sections(report, long=True):
        lines += ["", f"## {section.name}", *_quoted(section.warnings)]
        for table in section.tables:
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
    for section in all_sections(report, long=True):
        parts += [_latex_table(table, section.name) for table in section.tables]
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
