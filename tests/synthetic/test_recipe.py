"""Recipes: names, ranges and the hash that tells corpora apart."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from fau.errors import FauError
from fau.synthetic.recipe import RECIPES, Recipe, named_recipe


def test_the_named_recipes() -> None:
    shapes = {name: (r.subjects, r.tasks, r.frames, r.size) for name, r in RECIPES.items()}
    assert shapes == {
        "synthetic": (41, 8, 30, 112),
        "synthetic-quick": (41, 8, 10, 64),
        "synthetic-people": (164, 8, 5, 64),
        "synthetic-uneven": (164, 8, 5, 64),
        "synthetic-tiny": (9, 8, 4, 32),
    }
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    assert RECIPES["synthetic"].crops == 9840


def test_the_hash_follows_every_setting_but_the_name() -> None:
    recipe = RECIPES["synthetic"]
    changed = {
        field.name: replace(recipe, **{field.name: getattr(recipe, field.name) + (0.5 if field.type == "float" else 1)})
        for field in fields(recipe)
        if field.name != "name"
    }
    hashes = {recipe.hash, *(other.hash for other in changed.values())}
    assert len(hashes) == len(changed) + 1
    assert replace(recipe, name="other").hash == recipe.hash


def test_corpora_from_before_there_was_an_imbalance_keep_their_hash() -> None:
    hashes = {name: RECIPES[name].hash for name in ("synthetic", "synthetic-quick", "synthetic-tiny")}
    assert hashes == {"synthetic": "bbb488bb1210", "synthetic-quick": "e3944b93f9ab", "synthetic-tiny": "673abdb9d49f"}
    assert "imbalance" not in RECIPES["synthetic"].as_dict()
    assert RECIPES["synthetic-uneven"].as_dict()["imbalance"] == 20


def test_changes_of_none_are_no_changes() -> None:
    assert named_recipe("synthetic", subjects=None, seed=0) is RECIPES["synthetic"]
    assert named_recipe("synthetic", subjects=3).subjects == 3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"subjects": 0}, "has subjects = 0; give a value from 1 to 9999"),
        ({"size": 8}, "has size = 8; give a value from 16 to 1024"),
        ({"seed": -1}, "has seed = -1"),
        ({"occurrence_threshold": 6}, "has occurrence_threshold = 6; give a value from 1 to 5"),
        ({"uncoded_blocks": 1.5}, "has uncoded_blocks = 1.5; give a value from 0 to 1"),
        ({"noise": float("nan")}, "has noise = nan"),
        ({"imbalance": 0.5}, "has imbalance = 0.5; give a value from 1 to 1000"),
        ({"hand": 0.6, "mask": 0.6}, "give shares of at most 1"),
    ],
)
def test_a_setting_outside_its_range_is_named(changes: dict[str, float], sentence: str) -> None:
    with pytest.raises(FauError, match=sentence):
        Recipe("mine", **changes)  # type: ignore[arg-type]


def test_an_unknown_recipe() -> None:
    with pytest.raises(FauError, match="recipe 'bp4d' is unknown; choose one of synthetic, "):
        named_recipe("bp4d")
