"""What came out of an experiment, in words: the page and W&B's report begin with it."""

from __future__ import annotations

from typing import get_args

from fau.report.build import Experiment
from fau.report.rows import Verdict
from fau.report.tables.table import percent


def headline(experiment: Experiment, level: float) -> str:
    """Say in a few sentences what came out.

    Args:
        experiment: Of which.
        level: Confidence level of its intervals.
    """
    reference = experiment.reference
    macro = reference.estimate.macro
    sentences = [f"The reference '{reference.name}' reaches macro F1 {percent(macro.value)} %"]
    if macro.estimable:
        sentences[0] += f" ({100 * level:g} % interval {percent(macro.low)} to {percent(macro.high)})"
    sentences[0] += f" on {len(reference.groups)} subjects."
    for verdict in get_args(Verdict):
        names = [row.name for row in experiment.rows if row.verdict == verdict]
        if names:
            sentences.append(f"{verdict.capitalize()}: {', '.join(names)}.")
    return " ".join(sentences)
