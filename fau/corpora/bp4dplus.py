"""BP4D+: the files of BP4D for other subjects, with other columns and more tasks than are coded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from fau.corpora.base import Sign
from fau.corpora.bp4d import BP4D


class BP4DPlus(BP4D):
    """BP4D+ as Binghamton University delivers it; layouts and options are those of ``BP4D``.

    Frames usually lie in one archive a subject, ``2D+3D/F001.zip``, which is read in place. Tasks 1, 6, 7 and 8 are
    coded; frames of the others are counted as images without label. The columns of an occurrence file end with AU 39,
    so the last one is an action unit, no occlusion flag.

    Args:
        root: The folder that the owner delivered, or one zip archive of it.
        occlusion: Whether the last column of an occurrence file tells that the face is occluded; as for BP4D.
        image_offset: What must be added to a coded frame's number to get the number in the name of its image; one
            public project states -1 for BP4D+, others join without it.
    """

    name: ClassVar[str] = "bp4dplus"
    title: ClassVar[str] = "BP4D+"
    signs: ClassVar[tuple[Sign, ...]] = (
        Sign(
            "occurrence codes of a subject that BP4D has not",
            ("F02[4-9]_T?.csv", "F0[3-8]?_T?.csv", "M019_T?.csv", "M0[2-5]?_T?.csv"),
        ),
        Sign("frames", ("[FM]0??/T?/*.jpg", "[FM]0??.zip/T?/*.jpg", "[FM]0??/T?.zip/*.jpg")),
        Sign("intensity codes", ("[FM]0??_T?_AU??.csv",), needed=False),
        Sign("tracked landmarks", ("2DFeatures/[FM]0??_T?.mat",), needed=False),
    )
    aus: tuple[int, ...] = (
        *(1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24),
        *range(27, 40),
    )
    protocol: str = "kfold"
    published: Mapping[str, int] = {}  # no count of it was seen in code or lists
