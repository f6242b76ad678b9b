"""The sanity figure: how much of a map falls into the region where its label is seen, against chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from fau.explain.maps import METHODS, Maps, cell_profiles
from fau.explain.region import RADIUS, Regions, same_place

LEVEL: Final = 0.95


@dataclass(frozen=True)
class Row:
    """A label's figures, means over subjects; None where nothing can be said.

    Attributes:
        label: Its printed name, or the part of the face.
        faces: Faces that show the label, have landmarks and a map that is not 0 everywhere.
        subjects: Their subjects.
        share: Share of the map that lies in the region, 0..1.
        chance: The region's share of the input: what an even map would give.
        most: The largest share that a map of so many cells can have: that of its best cell alone.
        ratio: The first over the second.
        low: Lower bound of the ratio's interval over subjects; None with one subject.
        high: Upper bound.
        others: Share of the maps of labels with other places that lies in this region; None for one map of all labels.
    """

    label: str
    faces: int
    subjects: int
    share: float | None
    chance: float | None
    most: float | None
    ratio: float | None
    low: float | None
    high: float | None
    others: float | None


def shares(density: NDArray[np.floating[Any]], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return what share of each map lies inside its mask, (n,); NaN where the mask is empty or the map is NaN.

    Args:
        density: Maps (n, S, S), not negative.
        mask: Regions (n, S, S).
    """
    total = density.sum(axis=(1, 2), dtype=np.float64)
    inside = np.where(mask, density, 0).sum(axis=(1, 2), dtype=np.float64)
    known = mask.any(axis=(1, 2)) & (total > 0)
    return np.where(known, inside / np.where(known, total, 1), np.nan)


def most(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.float64]:
    """Return the largest share of each region (n,) that a map of so many cells can have; NaN for an empty region.

    A share is a mean of the cells' own shares, weighted by the cells, so the best cell alone has the largest.

    Args:
        mask: Regions (n, S, S).
        height: Cells from top to bottom.
        width: Cells from left to right.
    """
    size = mask.shape[1]
    down, across = (cell_profiles(cells, size) for cells in (height, width))
    inside = np.einsum("yh,nyx,xw->nhw", down, mask.astype(np.float64), across, optimize=True)
    best = (inside / (down.sum(0)[:, None] * across.sum(0))).max(axis=(1, 2))
    return np.where(mask.any(axis=(1, 2)), best, np.nan)


def table(
    maps: Maps, regions: Regions, labels: Sequence[str], wanted: Sequence[int], shown: NDArray[np.bool_],
    groups: NDArray[np.str_], size: int
) -> list[Row]:  # fmt: skip
    """Return the figures of each region.

    Args:
        maps: Of n faces.
        regions: Of the same faces.
        labels: The network's labels by name.
        wanted: Positions of the labels to tell of.
        shown: bool (n, L), whether a face shows a label.
        groups: (n,) the faces' subjects.
        size: Side of the input.
    """
    density = maps.density(size)
    per_label = density.shape[1] == len(labels) > 1
    rows = []
    for name in regions.names:
        mask = regions.of(name)
        if mask is None or (name in labels and labels.index(name) not in wanted):
            continue
        own = labels.index(name) if name in labels else None
        if own is None:  # a part of the face: the mean over the labels that a face shows
            chosen = shown[:, wanted].any(axis=1)
            look = _mean_of_shown(density, shown, wanted) if per_label else density[:, 0]
        else:
            chosen = shown[:, own]
            look = density[:, own] if per_label else density[:, 0]
        others = None
        if per_label and own is not None:
            rest = [i for i in wanted if not same_place(labels[i], name)]
            if rest:
                others = np.stack([shares(density[chosen][:, i], mask[chosen]) for i in rest])
        area = mask[chosen]
        limit = most(area, *maps.values.shape[2:])
        rows.append(_row(name, shares(look[chosen], area), area, limit, others, groups[chosen]))
    return rows


def _mean_of_shown(
    density: NDArray[np.float32], shown: NDArray[np.bool_], wanted: Sequence[int]
) -> NDArray[np.float64]:
    weight = np.zeros(shown.shape)
    weight[:, list(wanted)] = shown[:, list(wanted)]
    weight *= ~np.isnan(density).any(axis=(2, 3))
    total = weight.sum(axis=1, keepdims=True)
    weight = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    return np.asarray(np.einsum("nl,nlhw->nhw", weight, np.nan_to_num(density)))


def _row(
    name: str, share: NDArray[np.float64], mask: NDArray[np.bool_], limit: NDArray[np.float64],
    others: NDArray[np.float64] | None,
    groups: NDArray[np.str_]
) -> Row:  # fmt: skip
    known = ~np.isnan(share)
    chance = mask.mean(axis=(1, 2))
    subjects = np.unique(groups[known])
    if not len(subjects):
        return Row(name, 0, 0, *[None] * 7)
    by_subject = np.array([[v[known & (groups == one)].mean() for v in (share, chance, limit)] for one in subjects])
    ratios = by_subject[:, 0] / by_subject[:, 1]
    low = high = None
    if len(subjects) > 1:
        half = float(stdtrit(len(subjects) - 1, (1 + LEVEL) / 2)) * ratios.std(ddof=1) / np.sqrt(len(subjects))
        low, high = max(0.0, float(ratios.mean() - half)), float(ratios.mean() + half)
    elsewhere = None
    if others is not None and not np.isnan(others[:, known]).all():
        theirs = [others[:, known & (groups == one)] for one in subjects]
        elsewhere = float(np.mean([np.nanmean(value) for value in theirs if not np.isnan(value).all()]))
    inside, even, best = by_subject.mean(axis=0).tolist()
    return Row(name, int(known.sum()), len(subjects), inside, even, best, float(ratios.mean()), low, high, elsewhere)


def describe(maps: Maps, rows: Sequence[Row], faces: int, subjects: int) -> dict[str, Any]:
    """Return a table as plain JSON values, with its title and what a reader should know.

    Args:
        maps: What was measured.
        rows: Of the table.
        faces: Number of faces looked at.
        subjects: Number of their subjects.
    """
    parts = all(not row.label.startswith("AU") for row in rows)
    what = "the parts of the face" if parts else "the action unit's region"
    region = (
        "squares about the part's landmarks, a quarter larger on each side"
        if parts
        else f"two discs of {RADIUS:g} times the distance between the eyes, about the places that JAA-Net's attention "
        "for the action unit is drawn from"
    )
    height, width = maps.values.shape[2:]
    notes = [
        f"Region: {region}.",
        "Chance: the region's share of the network's input, what an even map would give. Most: what a map of "
        f"{height} x {width} cells could give if it lay in the best cell alone.",
        "Faces that show the label; a mean a subject, then over subjects, with "
        f"{100 * LEVEL:g} % t intervals over subjects.",
    ]
    if any(row.others is not None for row in rows):
        notes.append("Others: the same region's share of the maps of labels with another place. A map that means its "
                     "label has more there than they have.")  # fmt: skip
    elif maps.values.shape[1] == 1:
        notes.append("The network has one map for all labels, so it cannot tell them apart.")
    return {
        "method": maps.method,
        "title": f"{METHODS[maps.method]}: share inside {what}",
        "faces": faces,
        "subjects": subjects,
        "level": LEVEL,
        "notes": notes,
        "rows": [asdict(row) for row in rows],
    }
