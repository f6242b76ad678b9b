"""Recipes of the synthetic corpus: all that decides its labels and pixels."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from fau.errors import FauError
from fau.labels import MAX_INTENSITY

# Raise it whenever labels or pixels of an unchanged recipe would change: caches and reports tell corpora apart by it.
GENERATOR_VERSION: Final = 1


@dataclass(frozen=True)
class Recipe:
    """All that decides the labels and pixels of a synthetic corpus.

    The structure is BP4D's: subjects x tasks, a task being one short sequence around one target expression.

    Attributes:
        name: How tables and the cache call it.
        subjects: People, each with one identity throughout.
        tasks: Sequences a subject; task k aims at expression k of ``expressions.CLASSES``, starting over after the
            eighth, unless ``imbalance`` says otherwise.
        frames: Frames a sequence. All recipes show the same ten seconds, so fewer frames are a coarser sampling.
        size: Height and width of a crop in pixels.
        seed: Seed of everything.
        occurrence_threshold: Least coded intensity that counts as present.
        uncoded_blocks: Share of (sequence, AU) pairs that nobody coded: null over the whole sequence.
        uncoded_frames: Share of frames in which no AU was coded. Where a hand or a mask covers a part of the face, the
            AUs of that part are null as well; together about 6 % of the AU labels are null.
        expressiveness: Standard deviation of the logarithm of a subject's expressiveness, in general and again per AU.
        noise: Standard deviation of the frame-to-frame tremor of drawn intensities, in intensity steps.
        coder_bias: Standard deviation of the coder's leniency, per sequence and AU, in intensity steps.
        glasses: Share of subjects with glasses.
        hand: Share of sequences with a hand before the face.
        mask: Share of sequences with a mask.
        imbalance: How many times as many sequences aim at the commonest expression as at the rarest, the shares falling
            geometrically in AffectNet's order between the two; 1 gives each task its expression.
        version: Of the generator; see ``GENERATOR_VERSION``.
    """

    name: str
    subjects: int = 41
    tasks: int = 8
    frames: int = 30
    size: int = 112
    seed: int = 0
    occurrence_threshold: int = 2
    uncoded_blocks: float = 0.02
    uncoded_frames: float = 0.01
    expressiveness: float = 0.2
    noise: float = 0.1
    coder_bias: float = 0.2
    glasses: float = 0.15
    hand: float = 0.03
    mask: float = 0.02
    imbalance: float = 1.0
    version: int = GENERATOR_VERSION

    def __post_init__(self) -> None:
        limits = {
            **{"subjects": (1, 9999), "tasks": (1, 99), "frames": (1, 9999), "size": (16, 1024), "seed": (0, 2**63)},
            "imbalance": (1, 1000),
            "occurrence_threshold": (1, MAX_INTENSITY),
            **dict.fromkeys(("uncoded_blocks", "uncoded_frames", "glasses", "hand", "mask"), (0, 1)),
            **dict.fromkeys(("expressiveness", "noise", "coder_bias"), (0, 2)),
        }
        for key, (low, high) in limits.items():
            value = getattr(self, key)
            if not low <= value <= high:
                raise FauError(f"recipe '{self.name}' has {key} = {value}; give a value from {low} to {high}")
        if self.hand + self.mask > 1:
            raise FauError(f"recipe '{self.name}' has hand + mask = {self.hand + self.mask}; give shares of at most 1")

    @property
    def hash(self) -> str:
        """A hash of everything but the name, 12 hexadecimal digits: equal hashes mean equal labels and pixels."""
        decides = {key: value for key, value in self.as_dict().items() if key != "name"}
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def crops(self) -> int:
        """Number of crops in the corpus."""
        return self.subjects * self.tasks * self.frames

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values, without settings that are younger than corpora and not in use."""
        return {key: value for key, value in asdict(self).items() if _YOUNGER.get(key) != value}


_YOUNGER: Final[dict[str, Any]] = {"imbalance": 1.0}  # left out of hashes, so that older corpora keep theirs

RECIPES: Final[dict[str, Recipe]] = {
    recipe.name: recipe
    for recipe in (
        Recipe("synthetic"),
        Recipe("synthetic-quick", frames=10, size=64),
        Recipe("synthetic-people", subjects=164, frames=5, size=64),
        Recipe("synthetic-uneven", subjects=164, frames=5, size=64, imbalance=20.0),
        Recipe("synthetic-tiny", subjects=9, frames=4, size=32),
    )
}


def named_recipe(name: str, **changes: Any) -> Recipe:
    """Return a recipe by its name, with some of its settings changed.

    Args:
        name: A key of ``RECIPES``.
        **changes: Fields of ``Recipe``; a None is no change.

    Raises:
        FauError: If no recipe has that name or a setting is outside its range.
    """
    if name not in RECIPES:
        raise FauError(f"recipe '{name}' is unknown; choose one of {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    changes = {key: value for key, value in changes.items() if value is not None and getattr(recipe, key) != value}
    return replace(recipe, **changes) if changes else recipe
