"""The table of where networks look."""

from __future__ import annotations

from typing import Any

from fau.report.build import Experiment
from fau.report.explained import explanation
from fau.report.tables.table import NONE, Table


def explained_table(experiment: Experiment) -> Table | None:
    """How much more of the attention lies in a label's region than chance puts there; None where nothing is known."""
    table = Table("Attention inside the label's region, times chance", ["row", "faces", *experiment.labels], [])
    for row in experiment.rows:
        shown = explanation(row)
        for content in shown.tables if shown else ():
            lines = {str(line.get("label")): line for line in content["rows"]}
            cells = [_ratio(lines.get(label, {})) for label in experiment.labels]
            title = f"{row.name}, {content.get('method', '')}".rstrip(", ")
            table.rows.append([title, str(content.get("faces", NONE)), *cells])
    if not table.rows:
        return None
    table.notes.append(
        "Share of a map's mass that lies where the label's muscles are, over the share that an even map puts there: "
        "1.0 is chance. *: the 95 % interval over subjects is above 1."
    )
    return table


def _ratio(line: dict[str, Any]) -> str:
    ratio, low = line.get("ratio"), line.get("low")
    if not isinstance(ratio, int | float):
        return NONE
    return f"{ratio:.1f}" + ("*" if isinstance(low, int | float) and low > 1 else "")
