"""Vocabularies of action units, expressions, valence and arousal, and their orders: the one place that names them."""

from __future__ import annotations

from fau.errors import FauError

# Names after FACS (Ekman, Friesen and Hager, 2002). 43 is "eyes closed"; a blink is its short form (45).
AU_NAMES: dict[int, str] = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    11: "nasolabial deepener",
    12: "lip corner puller",
    13: "sharp lip puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    18: "lip pucker",
    19: "tongue show",
    20: "lip stretcher",
    22: "lip funneler",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    27: "mouth stretch",
    28: "lip suck",
    29: "jaw thrust",
    30: "jaw sideways",
    31: "jaw clencher",
    32: "lip bite",
    33: "cheek blow",
    34: "cheek puff",
    35: "cheek suck",
    36: "tongue bulge",
    37: "lip wipe",
    38: "nostril dilator",
    39: "nostril compressor",
    43: "eyes closed",
    45: "blink",
    46: "wink",
}

# The order within a set is the order of a network's outputs and of every table.
LABEL_SETS: dict[str, tuple[int, ...]] = {
    "bp4d12": (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
    "disfa8": (1, 2, 4, 6, 9, 12, 25, 26),
    "disfa12": (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26),
    "affwild12": (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26),
    "synthetic18": (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 43),
}

EXPRESSIONS: tuple[str, ...] = (
    "neutral",
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "contempt",
    "other",  # Aff-Wild2's eighth class: an expression that is none of the others
)

# Classes of a single-label task; the order within a set is the order of a network's outputs.
EXPRESSION_SETS: dict[str, tuple[str, ...]] = {
    "basic7": EXPRESSIONS[:7],
    "affectnet8": EXPRESSIONS[:8],
    "affwild8": (*EXPRESSIONS[:7], "other"),
}

# Two numbers a frame, -1..1 each; the label set ``va`` holds both.
AFFECT: tuple[str, ...] = ("valence", "arousal")

# Tasks, in the order of a network's outputs where it has several.
TASKS: tuple[str, ...] = ("au", "expression", "va")

# The owner's own division of a corpus, where there is one.
SPLITS: tuple[str, ...] = ("train", "val", "test")

MAX_INTENSITY = 5  # FACS intensities A..E are coded 1..5, absent is 0


def label_set(name: str) -> tuple[int, ...]:
    """Return the action units of a label set, in output order.

    Args:
        name: A key of ``LABEL_SETS``, or numbers with commas between: ``1,2,12``.

    Raises:
        FauError: If no label set has that name, or it is one of expressions.
    """
    if is_expression_set(name):
        raise FauError(
            f"label set '{name}' holds expressions, this needs action units ({', '.join(LABEL_SETS)}); "
            "experiments/expression.yaml trains expressions"
        )
    if name in LABEL_SETS:
        return LABEL_SETS[name]
    if name == "va" or "+" in name:
        raise FauError(
            f"label set '{name}' holds more than action units, or none; experiments/va.yaml trains valence and "
            "arousal, experiments/multitask.yaml several tasks"
        )
    parts = _parts(name)
    if not parts or not all(part.isdecimal() and int(part) in AU_NAMES for part in parts):
        if parts and all(part.isdecimal() for part in parts):
            unknown = ", ".join(part for part in parts if int(part) not in AU_NAMES)
            raise FauError(
                f"label set '{name}' is unknown: there is no action unit {unknown}; "
                f"there are {', '.join(map(str, AU_NAMES))}"
            )
        known = ", ".join([*LABEL_SETS, *EXPRESSION_SETS, "va"])
        raise FauError(
            f"label set '{name}' is unknown; choose one of {known}, or give action units such as 1,2,12 or expressions "
            "such as anger,happiness"
        )
    return tuple(int(part) for part in parts)


def expression_set(name: str) -> tuple[str, ...]:
    """Return the classes of a set of expressions, in output order.

    Args:
        name: A key of ``EXPRESSION_SETS``, or names with commas between: ``anger,happiness``.

    Raises:
        FauError: If no set of expressions has that name.
    """
    if not is_expression_set(name):
        known = ", ".join(EXPRESSION_SETS)
        if name == "va" or "+" in name:
            what = "holds more than expressions, or none"
        else:
            what = "holds action units" if name in LABEL_SETS else "is unknown"
        raise FauError(f"label set '{name}' {what}; set data.label_set to one of expressions: {known}")
    return EXPRESSION_SETS[name] if name in EXPRESSION_SETS else tuple(_parts(name))


def is_expression_set(name: str) -> bool:
    """Tell whether a label set is one of expressions: by its name, or two or more names with commas between."""
    parts = _parts(name)
    return name in EXPRESSION_SETS or (len(parts) > 1 and set(parts) <= set(EXPRESSIONS))


def _parts(name: str) -> list[str]:
    """Return the parts of a list with commas; none where one is empty or comes twice."""
    parts = [part.strip() for part in name.split(",")]
    return parts if all(parts) and len(set(parts)) == len(parts) else []


def label_tasks(name: str) -> dict[str, str]:
    """Return the label set of each task, in the order of ``TASKS``.

    Args:
        name: A label set, or several with plus signs between, one a task: ``affwild12+affwild8+va``.

    Raises:
        FauError: If a label set is unknown, or two are of one task.
    """
    found: dict[str, str] = {}
    for part in (part.strip() for part in name.split("+")):
        if part == "va":
            task = "va"
        elif is_expression_set(part):
            task = "expression"
        else:
            task = "au"
            label_set(part)
        if task in found:
            raise FauError(
                f"label set '{name}' names two sets of one task, '{found[task]}' and '{part}'; give one of action "
                "units, one of expressions, and va"
            )
        found[task] = part
    return {task: found[task] for task in TASKS if task in found}


def task_labels(task: str, name: str) -> list[str]:
    """Return the printed names of one task's label set, in output order.

    Args:
        task: One of ``TASKS``.
        name: The set, as ``label_tasks`` gives it.

    Raises:
        FauError: If no label set of the task has that name.
    """
    if task == "va":
        return list(AFFECT)
    return list(expression_set(name)) if task == "expression" else [au_label(au) for au in label_set(name)]


def output_labels(name: str) -> list[str]:
    """Return the printed names of a label set, such as ``AU1`` or ``anger``, in output order; of several, all in a row.

    Raises:
        FauError: If no label set has that name.
    """
    return [label for task, part in label_tasks(name).items() for label in task_labels(task, part)]


def au_label(au: int) -> str:
    """Return the printed name of an action unit, such as ``AU1``."""
    return f"AU{au}"


def au_column(au: int) -> str:
    """Return the manifest column of an action unit's occurrence, such as ``au01``."""
    return f"au{au:02d}"


def intensity_column(au: int) -> str:
    """Return the manifest column of an action unit's intensity, such as ``au01_int``."""
    return f"{au_column(au)}_int"
