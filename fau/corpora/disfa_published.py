"""What is published of DISFA: its frames, its positives, and the frames whose landmarks are wrong."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from fau.labels import au_column

# Frames that JAA-Net's lists leave out because the owner's landmarks are wrong there: numbers from 1, both ends
# included, 4,670 in all. The labels of these frames are valid.
BAD_TRACKING_FRAMES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "SN001": ((398, 420), (3190, 3243)),
    "SN002": ((800, 826),),
    "SN004": ((4541, 4555),),
    "SN006": ((1349, 1405),),
    "SN009": ((1736, 1808), (1851, 1885)),
    "SN011": ((4529, 4533), (4830, 4845)),
    "SN021": (
        *((574, 616), (985, 1164), (1190, 1205), (1305, 1338), (1665, 1710), (1862, 2477), (2554, 4657)),
        (4710, 4722),
    ),
    "SN023": ((1021, 1049), (3378, 3557), (3584, 3668), (4547, 4621), (4741, 4772), (4825, 4845)),
    "SN025": ((4596, 4662), (4816, 4835)),
    "SN027": ((3461, 3494), (4738, 4785)),
    "SN028": ((1875, 1885), (4571, 4690)),
    "SN029": ((4090, 4543),),
    "SN030": ((939, 962), (1406, 1422), (2100, 2132), (2893, 2955)),
}

_SUBJECTS = (*range(1, 14), 16, 17, 18, 21, *range(23, 33))
_FRAMES = {f"SN{number:03d}": 4844 if number == 10 else 4845 for number in _SUBJECTS}
# Positives at intensity 2 or more over the three parts of the usual protocol, which are all subjects.
_POSITIVES = {1: 6506, 2: 5644, 4: 19933, 6: 10327, 9: 5473, 12: 16851, 25: 36247, 26: 11533}


def bad_frames() -> pl.DataFrame:
    """Return ``sequence`` and ``frame`` of the frames with bad tracking."""
    frames = [
        (subject, frame)
        for subject, ranges in BAD_TRACKING_FRAMES.items()
        for first, last in ranges
        for frame in range(first, last + 1)
    ]
    return pl.DataFrame(frames, schema={"sequence": pl.String, "frame": pl.Int32}, orient="row")


def published(occurrence_threshold: int, drop_bad_tracking: bool) -> dict[str, int]:
    """Return the published counts for some options; positives only where they were counted alike.

    Args:
        occurrence_threshold: Least intensity that counts as present, 1..5.
        drop_bad_tracking: Whether the frames of ``BAD_TRACKING_FRAMES`` are left out.
    """
    frames = dict(_FRAMES)
    if drop_bad_tracking:
        for subject, ranges in BAD_TRACKING_FRAMES.items():
            frames[subject] -= sum(last - first + 1 for first, last in ranges)
    counts = {"crops": sum(frames.values()), "subjects": len(frames), "sequences": len(frames), **frames}
    if occurrence_threshold == 2 and not drop_bad_tracking:
        counts |= {au_column(au): count for au, count in _POSITIVES.items()}
    return counts
